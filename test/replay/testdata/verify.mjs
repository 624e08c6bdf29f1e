// Checks signatures of webhooks the ways receivers do, and prints for each delivery
// a line of "way=true" or "way=false". Standard input is JSON:
// {publicKey, deliveries: [{body: base64, signature: base64}]}.
import { createVerify, webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';

const { publicKey, deliveries } = JSON.parse(readFileSync(0, 'utf8'));

function byNode(text, signature) {
  return createVerify('RSA-SHA256').update(text).verify(publicKey, signature, 'base64');
}

const der = Buffer.from(publicKey.replace(/-----[^-]+-----|\s/g, ''), 'base64');
const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
const key = await webcrypto.subtle.importKey('spki', der, algorithm, false, ['verify']);

for (const { body, signature } of deliveries) {
  const raw = Buffer.from(body, 'base64');
  const parsed = JSON.stringify(JSON.parse(raw.toString('utf8')));
  console.log([
    `raw=${byNode(raw, signature)}`,
    `parsed=${byNode(parsed, signature)}`,
    `webcrypto=${await webcrypto.subtle.verify(algorithm.name, key, Buffer.from(signature, 'base64'), raw)}`,
    `changed=${byNode(`${parsed} `, signature)}`,
  ].join(' '));
}
