// Builds web/dist: the SDK as an ES module and as a script with the global
// `Parley`, and the demo page. The result is committed and embedded in the
// server, so it must depend on nothing but the sources and the locked tools.
import { build } from "esbuild";
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const web = fileURLToPath(new URL("..", import.meta.url));
const common = {
  absWorkingDir: web,
  bundle: true,
  minify: true,
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
};

rmSync(`${web}/dist`, { recursive: true, force: true });
mkdirSync(`${web}/dist/demo`, { recursive: true });

await Promise.all([
  build({ ...common, entryPoints: ["sdk/index.ts"], format: "esm", outfile: "dist/parley-client.js" }),
  build({
    ...common,
    entryPoints: ["sdk/index.ts"],
    format: "iife",
    globalName: "Parley",
    outfile: "dist/parley-client.iife.js",
  }),
  build({ ...common, entryPoints: ["demo/demo.ts"], format: "esm", outfile: "dist/demo/demo.js" }),
  build({ ...common, entryPoints: ["demo/demo.css"], outfile: "dist/demo/demo.css" }),
]);
for (const file of ["index.html", "favicon.svg"]) {
  cpSync(`${web}/demo/${file}`, `${web}/dist/demo/${file}`);
}
