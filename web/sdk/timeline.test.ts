import assert from "node:assert/strict";
import { test } from "node:test";
import type { TextMessage } from "./message.js";
import { Timeline } from "./timeline.js";

function text(id: string, timeMs: number, more: Partial<TextMessage> = {}): TextMessage {
  const base = { userId: "u", displayName: "Alice", isEdited: false, pinned: false, targetUserIds: [] };
  return { id, type: "text", message: id, time: new Date(timeMs), timeMs, ...base, ...more };
}

function ids(timeline: Timeline): string {
  return timeline.messages.map(({ id }) => id).join(" ");
}

function filled(): Timeline {
  const timeline = new Timeline();
  for (const message of [text("a", 10), text("b", 20), text("c", 30)]) timeline.put(message);
  return timeline;
}

test("messages stand in the order of their times, however they come", () => {
  const timeline = new Timeline();
  for (const message of [text("c", 30), text("a", 10), text("b", 20)]) timeline.put(message);
  assert.equal(ids(timeline), "a b c");
});

test("a message that comes again is there once and is no change", () => {
  const timeline = filled();
  assert.equal(timeline.put(text("b", 20)), undefined);
  assert.equal(ids(timeline), "a b c");
});

test("a message that comes again with other content is an edit", () => {
  const timeline = filled();
  assert.equal(timeline.put(text("b", 20, { message: "new", isEdited: true }))?.action, "edit");
  assert.equal(timeline.messages[1]?.type === "text" && timeline.messages[1].message, "new");
});

test("an edit of a message that is not held adds nothing", () => {
  const timeline = filled();
  assert.equal(timeline.update(text("x", 5, { isEdited: true })), undefined);
  assert.equal(ids(timeline), "a b c");
});

test("removing gives what was removed, once", () => {
  const timeline = filled();
  assert.equal(timeline.remove("b")?.message.id, "b");
  assert.equal(timeline.remove("b"), undefined);
  assert.equal(ids(timeline), "a c");
});

test("the list handed out does not change under its reader", () => {
  const timeline = filled();
  const before = timeline.messages;
  assert.equal(timeline.messages, before);
  timeline.put(text("d", 40));
  assert.equal(before.length, 3);
  assert.notEqual(timeline.messages, before);
});

test("a replaced list differs from the old one by exactly the changes given", () => {
  const timeline = filled();
  const changes = timeline.replace([text("a", 10), text("c", 30, { pinned: true }), text("d", 40)]);
  assert.deepEqual(
    changes.map(({ action, message }) => `${action} ${message.id}`),
    ["delete b", "edit c", "add d"],
  );
  assert.equal(ids(timeline), "a c d");
});

test("of a very long meeting the newest ten thousand messages are held", () => {
  const timeline = new Timeline();
  for (let n = 1; n <= 10_003; n++) timeline.put(text(`m${n}`, n));
  assert.equal(timeline.messages.length, 10_000);
  assert.equal(timeline.messages[0]?.id, "m4");
  assert.equal(timeline.get("m3"), undefined);
  assert.equal(timeline.messages.at(-1)?.id, "m10003");
});
