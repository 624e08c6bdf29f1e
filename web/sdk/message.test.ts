import assert from "node:assert/strict";
import { test } from "node:test";
import { Endpoint } from "./endpoint.js";
import { ChatMessage } from "./generated/rtk.js";
import { type Message, payloadType, readMessage } from "./message.js";

const endpoint = new Endpoint("http://localhost:8080");

function read(payload: string, type: number, more: Partial<ChatMessage> = {}): Message | undefined {
  const wire = { chatId: "c", userId: "u", displayName: "Alice", payload, payloadType: type, createdAt: 17, ...more };
  return readMessage(ChatMessage.create(wire), endpoint);
}

test("a text message keeps its text exactly", () => {
  const text = ' <b>a</b>\r\n\u202eעברית 👩‍👩‍👧 "=1+1" ';
  const message = read(text, payloadType.text, { createdAtMs: 17_250, targetUserIds: ["u", "v"], pinned: true });
  assert.deepEqual(message, {
    id: "c",
    type: "text",
    userId: "u",
    displayName: "Alice",
    message: text,
    time: new Date(17_250),
    timeMs: 17_250,
    isEdited: false,
    pinned: true,
    targetUserIds: ["u", "v"],
  });
});

test("a message without milliseconds is timed by its seconds", () => {
  assert.equal(read("x", payloadType.text)?.timeMs, 17_000);
});

test("an image message links to the server in use", () => {
  const message = read("https://api.example.com/v1/files/1/a.png?s=1", payloadType.image);
  assert.equal(message?.type === "image" && message.link, "http://localhost:8080/v1/files/1/a.png?s=1");
});

test("a file message has link, name and size", () => {
  const payload = JSON.stringify({ link: "https://api.example.com/v1/files/1/a", name: "a b.txt", size: 3 });
  const message = read(payload, payloadType.file);
  assert.ok(message?.type === "file");
  assert.deepEqual([message.link, message.name, message.size], ["http://localhost:8080/v1/files/1/a", "a b.txt", 3]);
});

test("a file message that somebody made up is empty, not an error", () => {
  for (const payload of ["", "{", "null", "[]", '"x"', '{"link":5,"name":{},"size":"x"}', '{"link":"javascript:x"}']) {
    const message = read(payload, payloadType.file);
    assert.ok(message?.type === "file", payload);
    assert.deepEqual([message.link, message.name, message.size], ["", "", 0], payload);
  }
});

test("a custom message shows what it links to", () => {
  const image = { link: "https://api.example.com/v1/files/1/a.png", type: "image/png", name: "a.png", size: 9 };
  const message = read(JSON.stringify({ message: "m", images: [image], files: "?" }), payloadType.custom);
  assert.ok(message?.type === "custom");
  assert.equal(message.message, "m");
  assert.equal(message.html, "");
  assert.deepEqual(message.images, [{ ...image, link: "http://localhost:8080/v1/files/1/a.png" }]);
  assert.deepEqual(message.files, []);
});

test("a type of a later version is left out", () => {
  assert.equal(read("x", 9), undefined);
});
