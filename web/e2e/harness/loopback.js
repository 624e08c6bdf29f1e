import http from 'node:http';
import https from 'node:https';

/** Names below "localhost" lead to this machine in every browser, but not in every resolver; here they always do. */
export function lookup(_name, options, answer) {
  if (options.all) answer(null, [{ address: '127.0.0.1', family: 4 }]);
  else answer(null, '127.0.0.1', 4);
}

/**
 * Makes one HTTP or HTTPS request to this machine, whatever the host name says.
 * Certificates are checked against `ca` and the host name; a status outside 2xx is an answer, not an error.
 *
 * @param {string} url
 * @param {{method?: string, headers?: Record<string, string>, body?: string | Uint8Array, ca?: string}} [options]
 * @returns {Promise<{status: number, headers: import('node:http').IncomingHttpHeaders, body: Buffer}>}
 */
export function request(url, { method = 'GET', headers = {}, body, ca } = {}) {
  const { request: open } = url.startsWith('https:') ? https : http;
  return new Promise((resolve, reject) => {
    const sent = open(url, { method, headers, ca, lookup, agent: false, timeout: 10_000 }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
    });
    sent.on('timeout', () => sent.destroy(new Error(`${method} ${new URL(url).pathname}: no answer within 10 s`)));
    sent.on('error', reject);
    sent.end(body);
  });
}
