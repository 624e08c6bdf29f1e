import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpError, RefusedError, UnconfirmedError } from "../sdk/index.js";
import { clock, explain, fileSize } from "./words.js";

test("file sizes are short", () => {
  const sizes = [0, 999, 1000, 1234, 999_499, 999_500, 12_345_678, 5_000_000_000].map(fileSize);
  assert.deepEqual(sizes, [
    "0 bytes",
    "999 bytes",
    "1.00 kB",
    "1.23 kB",
    "999 kB",
    "1.00 MB",
    "12.3 MB",
    "5.00 GB",
  ]);
});

test("a time of another day has its date", () => {
  const now = new Date(2026, 4, 20, 15, 0);
  assert.doesNotMatch(clock(new Date(2026, 4, 20, 9, 30), now), /20/);
  assert.match(clock(new Date(2026, 4, 19, 9, 30), now), /19/);
});

test("errors are told in sentences that say what happened to the message", () => {
  assert.equal(explain(new RefusedError("too long")), "The server refused: too long");
  assert.match(explain(new UnconfirmedError("x")), /may have arrived/);
  assert.match(explain(new HttpError("Unauthorized", 401)), /not valid any more/);
  assert.equal(explain(new Error("plain")), "plain");
  assert.equal(explain("?"), "Something went wrong.");
});
