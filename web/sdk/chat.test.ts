// The chat of whole clients with a server between them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Chat, ChatUpdate } from "./chat.js";
import type { ParleyClient } from "./client.js";
import { RefusedError } from "./errors.js";
import { FrameEvent } from "./frames.js";
import type { Message } from "./message.js";
import { next, startMeeting } from "./testing/meeting.js";

/** Writes down what a chat fires, as short lines. */
function record(chat: Chat): string[] {
  const lines: string[] = [];
  chat.on("chatUpdate", ({ action, message }) => lines.push(`${action} ${content(message)}`));
  chat.on("pinMessage", ({ message }) => lines.push(`pin ${content(message)}`));
  chat.on("unpinMessage", ({ message }) => lines.push(`unpin ${content(message)}`));
  return lines;
}

function content(message: ChatUpdate["message"]): string {
  if (!("type" in message)) return message.id;
  return message.type === "text" ? message.message : message.type;
}

const contents = (messages: readonly Message[]): string[] => messages.map(content);

/** Resolves when a client is connected again after the loss that `lose` causes. */
async function lostAndBack(meeting: ParleyClient, lose: () => void): Promise<void> {
  const back = next(meeting, "stateChange", ({ state }) => state === "connected");
  lose();
  await back;
}

test("a text reaches everybody, and the sender gets it back as stored", async (t) => {
  const { join } = await startMeeting(t);
  const [alice, bob] = [await join("Alice"), await join("Bob")];
  const heard = next(bob.chat, "chatUpdate");
  const events = record(alice.chat);

  const text = " hello ünï😀 <b>שלום</b>\n=1+1 ";
  const sent = await alice.chat.sendTextMessage(text);

  assert.deepEqual([sent.type, sent.message, sent.displayName, sent.userId], ["text", text, "Alice", "user-alice"]);
  assert.equal(alice.chat.messages[0], sent);
  assert.deepEqual(events, [`add ${text}`]);
  const { action, message, messages } = await heard;
  assert.equal(action, "add");
  assert.deepEqual(message, sent);
  assert.equal(messages, bob.chat.messages);
});

test("a refused message rejects with the server's sentence and is nowhere", async (t) => {
  const { join } = await startMeeting(t);
  const alice = await join("Alice");
  const tooLong = alice.chat.sendTextMessage("x".repeat(2001));
  await assert.rejects(tooLong, (error) => error instanceof RefusedError && /2,000/.test(error.message));
  await assert.rejects(alice.chat.sendTextMessage(""), RefusedError);
  assert.deepEqual(alice.chat.messages, []);
  await alice.chat.sendTextMessage("fine");
});

test("a private message reaches the chosen peer and nobody else", async (t) => {
  const { join } = await startMeeting(t);
  const [alice, bob, carol] = [await join("Alice"), await join("Bob"), await join("Carol")];
  const heard = next(bob.chat, "chatUpdate");
  const sent = await alice.chat.sendTextMessage("psst", [bob.self.id]);
  assert.deepEqual([...sent.targetUserIds].sort(), ["user-alice", "user-bob"]);
  assert.deepEqual((await heard).message, sent);

  const next1 = next(carol.chat, "chatUpdate");
  await alice.chat.sendTextMessage("aloud");
  await next1;
  assert.deepEqual(contents(carol.chat.messages), ["aloud"]);
});

test("a private message to nobody is refused, never made public", async (t) => {
  const { server, join } = await startMeeting(t);
  const alice = await join("Alice");
  await assert.rejects(alice.chat.sendTextMessage("psst", []), RefusedError);
  assert.equal(server.frames.at(-1)?.event, FrameEvent.sendMessageToPeers);
  assert.equal(server.messages.length, 0);
});

test("an image is uploaded where we are and linked for the others", async (t) => {
  const { server, join } = await startMeeting(t);
  const [alice, bob] = [await join("Alice"), await join("Bob")];
  const heard = next(bob.chat, "chatUpdate");
  const image = new File([new Uint8Array([137, 80, 78, 71])], "a b.png", { type: "image/png" });

  const sent = await alice.chat.sendImageMessage(image);

  assert.equal(server.messages[0]?.payload, "https://api.parley.invalid/v1/files/1/a%20b.png?read=yes");
  const { message } = await heard;
  assert.ok(message && "type" in message && message.type === "image");
  assert.equal(message.link, `${server.url}/v1/files/1/a%20b.png?read=yes`);
  assert.equal(sent.link, message.link);
  const response = await fetch(message.link);
  assert.equal(response.headers.get("content-type"), "image/png");
  assert.deepEqual(new Uint8Array(await response.arrayBuffer()), new Uint8Array([137, 80, 78, 71]));
});

test("a file keeps its name, size and every byte, JSON and unknown types too", async (t) => {
  const { join } = await startMeeting(t);
  const alice = await join("Alice");
  for (const [name, type] of [
    ["notes.json", "application/json"],
    ["no type", ""],
  ] as const) {
    const sent = await alice.chat.sendFileMessage(new File(['{"a":1}'], name, { type }));
    assert.deepEqual([sent.name, sent.size], [name, 7]);
    assert.equal(await (await fetch(sent.link)).text(), '{"a":1}');
  }
});

test("sendMessage and editMessage take any kind", async (t) => {
  const { join } = await startMeeting(t);
  const { chat } = await join("Alice");
  const file = new File(["x"], "x.png", { type: "image/png" });
  const sent = [
    await chat.sendMessage({ type: "text", message: "hello" }),
    await chat.sendMessage({ type: "image", image: file }),
    await chat.sendMessage({ type: "file", file }),
  ];
  assert.deepEqual(
    sent.map(({ type }) => type),
    ["text", "image", "file"],
  );
  const other = new File(["yy"], "y.png", { type: "image/png" });
  await chat.editMessage(sent[0]!.id, { type: "text", message: "good day" });
  await chat.editMessage(sent[1]!.id, { type: "image", image: other });
  await chat.editMessage(sent[2]!.id, { type: "file", file: other });
  const [text, image, document] = chat.messages;
  assert.equal(text?.type === "text" && text.message, "good day");
  assert.match((image?.type === "image" && image.link) || "", /y\.png/);
  assert.equal(document?.type === "file" && document.name, "y.png");
  assert.ok(chat.messages.every(({ isEdited }) => isEdited));
});

test("an edit reaches everybody and keeps its place and time", async (t) => {
  const { join } = await startMeeting(t);
  const [alice, bob] = [await join("Alice"), await join("Bob")];
  const first = await alice.chat.sendTextMessage("one");
  await alice.chat.sendTextMessage("two");
  const heard = next(bob.chat, "chatUpdate", ({ action }) => action === "edit");

  const edited = await alice.chat.editTextMessage(first.id, "ONE");

  assert.deepEqual([edited.message, edited.isEdited, edited.timeMs], ["ONE", true, first.timeMs]);
  assert.deepEqual((await heard).message, edited);
  assert.deepEqual(contents(bob.chat.messages), ["ONE", "two"]);
});

test("another's message can be neither edited nor deleted", async (t) => {
  const { join } = await startMeeting(t);
  const [alice, bob] = [await join("Alice"), await join("Bob")];
  const { id } = await alice.chat.sendTextMessage("mine");
  await assert.rejects(bob.chat.editTextMessage(id, "yours"), RefusedError);
  await assert.rejects(bob.chat.deleteMessage(id), RefusedError);
  assert.deepEqual(contents(alice.chat.messages), ["mine"]);
});

test("a deleted message is gone everywhere", async (t) => {
  const { join } = await startMeeting(t);
  const [alice, bob] = [await join("Alice"), await join("Bob")];
  const { id } = await alice.chat.sendTextMessage("oops");
  const heard = next(bob.chat, "chatUpdate", ({ action }) => action === "delete");
  await alice.chat.deleteMessage(id);
  assert.equal(content((await heard).message), "oops");
  assert.deepEqual([alice.chat.messages, bob.chat.messages], [[], []]);
});

test("pinning and unpinning fires an edit and its own event, and does not count as edited", async (t) => {
  const { join } = await startMeeting(t);
  const [alice, bob] = [await join("Alice"), await join("Bob")];
  const heard = next(bob.chat, "chatUpdate");
  const { id } = await alice.chat.sendTextMessage("agenda");
  await heard;
  const events = record(bob.chat);

  await bob.chat.pin(id);
  assert.deepEqual(contents(bob.chat.pinned), ["agenda"]);
  assert.equal(bob.chat.pinned[0]?.isEdited, false);
  await bob.chat.unpin(id);
  assert.deepEqual(bob.chat.pinned, []);

  assert.deepEqual(events, ["edit agenda", "pin agenda", "edit agenda", "unpin agenda"]);
});

test("pinning what is not there is refused", async (t) => {
  const { join } = await startMeeting(t);
  const alice = await join("Alice");
  await assert.rejects(alice.chat.pin("nothing"), RefusedError);
});

test("who joins late has the history, without events", async (t) => {
  const { server, join } = await startMeeting(t);
  const alice = await join("Alice");
  await alice.chat.sendTextMessage("one");
  await alice.chat.sendTextMessage("two");
  server.add("Bob");
  const bob = await join("Bob");
  const events = record(bob.chat);
  assert.deepEqual(contents(bob.chat.messages), ["one", "two"]);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(events, []);
});

test("messages can be chosen by sender and by type", async (t) => {
  const { join } = await startMeeting(t);
  const [alice, bob] = [await join("Alice"), await join("Bob")];
  const heard = next(alice.chat, "chatUpdate", ({ message }) => content(message) === "from Bob");
  await alice.chat.sendTextMessage("from Alice");
  await alice.chat.sendFileMessage(new File(["x"], "x.txt"));
  await bob.chat.sendTextMessage("from Bob");
  await heard;
  assert.deepEqual(contents(alice.chat.getMessagesByUser("user-bob")), ["from Bob"]);
  assert.deepEqual(
    alice.chat.getMessagesByType("file").map(({ name }) => name),
    ["x.txt"],
  );
  assert.deepEqual(
    alice.chat.getMessagesByType("text").map(({ message }) => message),
    ["from Alice", "from Bob"],
  );
});

test("pages go both ways from a time, or from the ends", async (t) => {
  const { join } = await startMeeting(t);
  const { chat } = await join("Alice");
  for (const text of ["1", "2", "3", "4"]) await chat.sendTextMessage(text);
  const third = chat.messages[2]!.timeMs;
  const fetched = async (options: Parameters<typeof chat.fetchPublicMessages>[0]): Promise<string> =>
    contents(await chat.fetchPublicMessages(options)).join("");

  assert.equal(await fetched({}), "4321");
  assert.equal(await fetched({ limit: 2 }), "43");
  assert.equal(await fetched({ timestamp: third, limit: 2, direction: "before" }), "32");
  assert.equal(await fetched({ timestamp: third, limit: 10, direction: "after" }), "34");
  assert.equal(await fetched({ limit: 2, direction: "after" }), "12");
});

test("private and pinned messages have pages of their own", async (t) => {
  const { join } = await startMeeting(t);
  const [alice, bob] = [await join("Alice"), await join("Bob")];
  const { id } = await alice.chat.sendTextMessage("public");
  await alice.chat.sendTextMessage("private", [bob.self.id]);
  await alice.chat.pin(id);
  assert.deepEqual(contents(await bob.chat.fetchPrivateMessages({ userId: "user-alice" })), ["private"]);
  assert.deepEqual(contents(await bob.chat.fetchPinnedMessages()), ["public"]);
  assert.deepEqual(contents(await bob.chat.fetchPublicMessages()), ["public"]);
});

test("what was said, edited and deleted during a loss comes as events after it", async (t) => {
  const { server, join } = await startMeeting(t);
  const alice = await join("Alice");
  const kept = await alice.chat.sendTextMessage("kept");
  const edited = await alice.chat.sendTextMessage("before");
  const deleted = await alice.chat.sendTextMessage("deleted");
  const events = record(alice.chat);

  await lostAndBack(alice, () => {
    server.drop("Alice");
    server.alter(edited.id, { payload: "after", isEdited: true });
    server.alter(deleted.id, undefined);
    server.store("Alice", "missed");
  });

  assert.deepEqual(events, ["delete deleted", "edit after", "add missed"]);
  assert.deepEqual(contents(alice.chat.messages), ["kept", "after", "missed"]);
  assert.equal(alice.chat.messages[0], kept);
});

test("a message sent during a loss arrives once, after it", async (t) => {
  const { server, join } = await startMeeting(t);
  const alice = await join("Alice");
  const lost = next(alice, "stateChange", ({ state }) => state === "reconnecting");
  server.drop("Alice");
  await lost;
  const sent = await alice.chat.sendTextMessage("patience");
  assert.equal(alice.state, "connected");
  assert.deepEqual(contents(alice.chat.messages), ["patience"]);
  assert.equal(server.messages.length, 1);
  assert.equal(sent.id, server.messages[0]?.chatId);
});

test("a deletion of a message that is not held still tells its id", async (t) => {
  const { server, join } = await startMeeting(t);
  const alice = await join("Alice");
  const hidden = server.store("Alice", "older than the history");
  const heard = next(alice.chat, "chatUpdate");
  await alice.chat.deleteMessage(hidden.chatId);
  const { action, message } = await heard;
  assert.deepEqual([action, message], ["delete", { id: hidden.chatId }]);
});
