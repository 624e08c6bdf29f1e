// Checks signatures of webhooks the ways receivers do, and prints one line of
// "true" or "false" for each delivery and way. Standard input is JSON:
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
    byNode(raw, signature),
    byNode(parsed, signature),
    await webcrypto.subtle.verify(algorithm.name, key, Buffer.from(signature, 'base64'), raw),
    byNode(`${parsed} `, signature),
  ].join(' '));
}
