import { readFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPT = 'text/javascript; charset=utf-8';
const HTML = 'text/html; charset=utf-8';
const TYPES = { '.js': SCRIPT, '.mjs': SCRIPT, '.css': 'text/css', '.json': 'application/json', '.html': HTML };

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** The page of an app, as small as it can be: the SDK's own bundle, unchanged, and the driver tests talk to. */
const page = (sdk, head = '', body = '') => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>app</title>
<script src="/node_modules/${bundle(sdk)}"></script>
<script src="/harness/driver.js"></script>
${head}
</head>
<body>${body}</body>
</html>
`;

/** Where the bundle for script tags is in a version's package. */
function bundle(sdk) {
  return `${sdk}/dist/${sdk === 'rtk-1.2.0' ? 'index.iife.js' : 'browser.js'}`;
}

/**
 * Serves the pages of apps on an origin of its own: http://localhost and a free port. Packages are served as npm
 * installed them.
 */
export class Host {
  #listener;
  /** @type {Map<string, [type: string, body: string | Buffer]>} what is served beside files, by path */
  #made = new Map();

  static async open() {
    const host = new Host();
    host.#listener = http.createServer((request, answer) => void host.#serve(request, answer));
    await new Promise((resolve, reject) => {
      host.#listener.once('error', reject);
      host.#listener.listen(0, '127.0.0.1', resolve);
    });
    return host;
  }

  /**
   * The address of a page that has the SDK, and nothing else.
   *
   * @param {string} sdk name of the installed package, such as "rtk-2.0.2"
   */
  sdkPage(sdk) {
    return this.add(`/app/${sdk}`, HTML, page(sdk));
  }

  /** The address of such a page with more in it. */
  pageWith(name, sdk, head, body) {
    return this.add(`/app/${name}`, HTML, page(sdk, head, body));
  }

  /** Serves one more thing, and gives its address. */
  add(at, type, body) {
    this.#made.set(at, [type, body]);
    return new URL(at, this.url).href;
  }

  get url() {
    return `http://localhost:${this.#listener.address().port}/`;
  }

  async close() {
    this.#listener.closeAllConnections();
    await new Promise((resolve) => this.#listener.close(resolve));
  }

  async #serve(request, answer) {
    const { pathname } = new URL(request.url, this.url);
    const [type, body] = this.#made.get(pathname) ?? (await file(pathname)) ?? [];
    if (body === undefined) return answer.writeHead(404).end();
    answer.writeHead(200, { 'content-type': type }).end(body);
  }
}

/** A file of an installed package or of the harness; URL has taken out all dots that lead elsewhere. */
async function file(pathname) {
  if (!/^\/(node_modules|harness)\//.test(pathname)) return undefined;
  const body = await readFile(path.join(ROOT, decodeURIComponent(pathname))).catch(() => undefined);
  return body && [TYPES[path.extname(pathname)] ?? 'application/octet-stream', body];
}
