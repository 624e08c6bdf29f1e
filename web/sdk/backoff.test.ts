import assert from "node:assert/strict";
import { test } from "node:test";
import { reconnectDelay } from "./backoff.js";

test("the longest possible wait doubles from half a second to ten seconds", () => {
  const longest = [0, 1, 2, 3, 4, 5, 6, 1000].map((attempt) => reconnectDelay(attempt, () => 1));
  assert.deepEqual(longest, [500, 1000, 2000, 4000, 8000, 10_000, 10_000, 10_000]);
});

test("the whole span down to nothing is used", () => {
  assert.equal(
    reconnectDelay(3, () => 0),
    0,
  );
  assert.equal(
    reconnectDelay(3, () => 0.25),
    1000,
  );
});
