import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const APP = fileURLToPath(new URL('../apps/react.jsx', import.meta.url));

const page = (script) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>app</title>
<style>
  body { margin: 0; font: 14px sans-serif; }
  main { display: flex; height: 100vh; }
  main > * { flex: 1; padding: 12px; min-width: 0; }
  rtk-ui-provider { background: #141414; display: flex; }
  rtk-chat { flex: 1; }
</style>
</head>
<body>
<div id="app"></div>
<script type="module" src="${script}"></script>
</body>
</html>
`;

/**
 * Bundles the app with one version of the React packages, as an app's own build does, and gives the address of its page.
 *
 * @param {import('./host.js').Host} host
 * @param {{react: string, ui: string}} packages names they are installed by, such as "rtk-react-2.0.2"
 */
export async function reactPage(host, { react, ui }) {
  const { outputFiles } = await build({
    entryPoints: [APP],
    alias: { '@cloudflare/realtimekit-react': react, '@cloudflare/realtimekit-react-ui': ui },
    bundle: true,
    write: false,
    format: 'esm',
    jsx: 'automatic',
    define: { 'process.env.NODE_ENV': '"production"' },
    logLevel: 'error',
  });
  const script = host.add(`/app/${react}.js`, 'text/javascript; charset=utf-8', Buffer.from(outputFiles[0].contents));
  return host.add(`/app/${react}`, 'text/html; charset=utf-8', page(script));
}
