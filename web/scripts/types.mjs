// Writes the type declarations of the SDK to web/types, for the npm package,
// and checks that they stand on their own: the package has no dependencies, so
// nothing public may be declared in terms of the generated code.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const web = fileURLToPath(new URL("..", import.meta.url));
const tsc = (...args) => execFileSync("node_modules/.bin/tsc", args, { cwd: web, stdio: "inherit" });

rmSync(`${web}/types`, { recursive: true, force: true });
tsc("-p", "tsconfig.types.json");
rmSync(`${web}/types/generated`, { recursive: true });
tsc(
  ...["--noEmit", "--strict", "--skipLibCheck", "false", "--ignoreConfig", "--target", "es2022"],
  ...["--module", "esnext", "--moduleResolution", "bundler", "--types", "", "types/index.d.ts"],
);
