// Fails when a bundle of the SDK, compressed as a web server would, is larger
// than what we promise.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const limit = 30 * 1024;

for (const name of ["parley-client.js", "parley-client.iife.js"]) {
  const size = gzipSync(readFileSync(new URL(`../dist/${name}`, import.meta.url)), { level: 9 }).length;
  console.log(`${name}: ${(size / 1024).toFixed(1)} KiB gzipped, at most ${limit / 1024} KiB allowed`);
  if (size > limit) process.exitCode = 1;
}
