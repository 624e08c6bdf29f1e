// Runs the unit tests of the SDK and the demo page's parts with Node's test
// runner. They are bundled first because Node 20 does not read TypeScript; the
// bundles lie under node_modules so that packages are found from there.
import { spawnSync } from "node:child_process";
import { build } from "esbuild";
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const web = fileURLToPath(new URL("..", import.meta.url));
const out = "node_modules/.cache/parley-tests";

const tests = ["sdk", "demo"].flatMap((folder) =>
  readdirSync(`${web}/${folder}`)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `${folder}/${name}`),
);

rmSync(`${web}/${out}`, { recursive: true, force: true });
await build({
  absWorkingDir: web,
  entryPoints: tests,
  outbase: ".",
  outdir: out,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  packages: "external",
  platform: "node",
  target: "node20",
  format: "esm",
  sourcemap: "inline",
  logLevel: "warning",
});

const bundles = tests.map((name) => `${out}/${name.replace(/\.ts$/, ".mjs")}`);
const run = spawnSync(
  process.execPath,
  ["--enable-source-maps", "--test", "--test-reporter=spec", ...process.argv.slice(2), ...bundles],
  { cwd: web, stdio: "inherit" },
);
process.exitCode = run.status ?? 1;
