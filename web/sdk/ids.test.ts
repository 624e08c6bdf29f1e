import assert from "node:assert/strict";
import { test } from "node:test";
import { newPeerId, requestIds } from "./ids.js";

test("a peer id is a random UUID", () => {
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  const ids = Array.from({ length: 200 }, newPeerId);
  for (const id of ids) assert.match(id, uuid);
  assert.equal(new Set(ids).size, ids.length);
});

test("a request id is the peer id and a short tail, and never comes twice", () => {
  const peerId = newPeerId();
  const next = requestIds(peerId);
  const ids = Array.from({ length: 5000 }, next);
  for (const id of ids) {
    assert.ok(id.startsWith(`${peerId}-`));
    assert.ok(id.length <= 64);
  }
  assert.equal(new Set(ids).size, ids.length);
});
