import { readFile } from 'node:fs/promises';
import http from 'node:http';

/** The page of an app, as small as it can be: the SDK's own bundle, unchanged, and the driver tests talk to. */
const PAGE = `<!doctype html>
<meta charset="utf-8">
<title>app</title>
<script src="/sdk.js"></script>
<script src="/driver.js"></script>
`;

/** Serves the page on an origin of its own: http://localhost and a free port. */
export class Host {
  #listener;

  /** @param {string} sdk name of the installed package to serve, such as "rtk-2.0.2" */
  static async open(sdk) {
    const script = 'text/javascript; charset=utf-8';
    const files = new Map([
      ['/', ['text/html; charset=utf-8', PAGE]],
      ['/sdk.js', [script, await readFile(new URL(`../node_modules/${sdk}/dist/browser.js`, import.meta.url))]],
      ['/driver.js', [script, await readFile(new URL('./driver.js', import.meta.url))]],
    ]);
    const host = new Host();
    host.#listener = http.createServer((request, answer) => {
      const [type, body] = files.get(request.url) ?? [];
      if (!type) return answer.writeHead(404).end();
      answer.writeHead(200, { 'content-type': type }).end(body);
    });
    await new Promise((resolve, reject) => {
      host.#listener.once('error', reject);
      host.#listener.listen(0, '127.0.0.1', resolve);
    });
    return host;
  }

  get url() {
    return `http://localhost:${this.#listener.address().port}/`;
  }

  async close() {
    this.#listener.closeAllConnections();
    await new Promise((resolve) => this.#listener.close(resolve));
  }
}
