import assert from "node:assert/strict";
import { test } from "node:test";
import { chosenParticipants } from "./session.js";

const chosen = (search: string, hash: string, count = 2): number[] => chosenParticipants({ search, hash }, count);

test("without a choice the first two participants are shown", () => {
  assert.deepEqual(chosen("", ""), [0, 1]);
  assert.deepEqual(chosen("", "", 5), [0, 1]);
  assert.deepEqual(chosen("", "", 1), [0]);
});

test("solo shows the first alone, as shows the one it names", () => {
  assert.deepEqual(chosen("", "#solo=1"), [0]);
  assert.deepEqual(chosen("?as=0", ""), [0]);
  assert.deepEqual(chosen("?as=1", ""), [1]);
  assert.deepEqual(chosen("?as=1", "#solo=1"), [1]);
  assert.deepEqual(chosen("", "#solo=1&as=1"), [1]);
});

test("somebody who is not there is the first", () => {
  for (const as of ["2", "-1", "0.5", "x", ""]) assert.deepEqual(chosen(`?as=${as}`, ""), [0], as);
});
