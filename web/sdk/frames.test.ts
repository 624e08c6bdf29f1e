// Frames recorded from the official SDK, read and made again by this one.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import type { MessageType } from "@protobuf-ts/runtime";
import { Chat } from "./chat.js";
import { Connection } from "./connection.js";
import { Endpoint } from "./endpoint.js";
import { decodeFrame, encodeFrame, FrameEvent, type WireFrame } from "./frames.js";
import {
  DeleteMessage,
  EditMessage,
  JoinRoomRequest,
  PageRequest,
  PinMessage,
  PresetUpdates,
  SendToPeers,
  SendToRoom,
} from "./generated/rtk.js";
import { FakeNetwork } from "./testing/fake_transport.js";

interface Golden {
  file: string;
  name: string;
  bytes: Uint8Array;
  /** What is in it; JSON for all events but a few that are not ours. */
  decoded: string;
}

const folder = "../protocol/testdata"; // tests run in web/
const golden: Golden[] = readdirSync(folder)
  .filter((file) => /^client-.*\.txt$/.test(file))
  .flatMap((file) =>
    readFileSync(`${folder}/${file}`, "utf8")
      .split("\n")
      .filter((line) => line && !line.startsWith("#"))
      .map((line) => {
        const [name = "", hex = "", decoded = ""] = line.split("\t");
        return { file, name, bytes: new Uint8Array(Buffer.from(hex, "hex")), decoded };
      }),
  );

/** The requests that this client makes too. */
const requests: Record<string, { event: number; payload?: MessageType<object> }> = {
  "room.joinRoom": { event: FrameEvent.joinRoom, payload: JoinRoomRequest },
  "room.getRoomInfo": { event: FrameEvent.getRoomInfo },
  "room.getRoomPeersInfo": { event: FrameEvent.getRoomPeersInfo },
  "chat.getMessages": { event: FrameEvent.getMessages },
  "chat.sendMessageToRoom": { event: FrameEvent.sendMessageToRoom, payload: SendToRoom },
  "chat.sendMessageToPeers": { event: FrameEvent.sendMessageToPeers, payload: SendToPeers },
  "chat.editMessage": { event: FrameEvent.editMessage, payload: EditMessage },
  "chat.deleteMessage": { event: FrameEvent.deleteMessage, payload: DeleteMessage },
  "chat.pinMessage": { event: FrameEvent.pinMessage, payload: PinMessage },
  "chat.getPaginatedMessages": { event: FrameEvent.getPaginatedMessages, payload: PageRequest },
  "preset.updateUserPreset": { event: FrameEvent.updateUserPreset, payload: PresetUpdates },
  "room.kick": { event: FrameEvent.kick },
};

test("every recorded frame is read, and the known ones have our numbers and fields", () => {
  const seen = new Set<string>();
  for (const { file, name, bytes, decoded } of golden) {
    const what = `${file} ${name}`;
    const frame = decodeFrame(bytes);
    assert.match(frame.id, /^[0-9a-f-]{36}-\w{3,7}$/, what);
    const request = requests[name];
    if (!request) continue;
    seen.add(name);
    assert.equal(frame.event, request.event, what);
    if (!request.payload) continue;
    const payload = request.payload.fromBinary(frame.payload);
    assert.deepEqual(payload, request.payload.fromJsonString(decoded), what);
    assert.deepEqual(request.payload.toBinary(payload), frame.payload, what);
  }
  assert.deepEqual([...seen].sort(), Object.keys(requests).sort());
});

test("a frame survives writing and reading", () => {
  const frame = { event: 0x10001, id: "peer-1", payload: new Uint8Array([1, 2, 3]) };
  assert.deepEqual(decodeFrame(encodeFrame(frame)), frame);
});

test("a frame cut anywhere is an error or another frame, never a hang", () => {
  const whole = golden.find(({ name }) => name === "chat.sendMessageToRoom")!.bytes;
  for (let length = 0; length < whole.length; length++) {
    try {
      decodeFrame(whole.subarray(0, length));
    } catch (error) {
      assert.ok(error instanceof Error);
    }
  }
});

test("our requests are byte for byte those of the official SDK", async () => {
  const network = new FakeNetwork();
  const connection = new Connection({
    dial: network.dial,
    nextId: () => "id",
    handshake: async () => {},
    barred: async () => false,
  });
  const noUpload = (): Promise<string> => Promise.reject(new Error("no upload here"));
  const chat = new Chat(connection, new Endpoint("http://localhost"), noUpload);
  const opened = connection.open();
  network.latest.open();
  await opened;

  const payloadOf = (ask: () => Promise<unknown>): Uint8Array => {
    ask().catch(() => {}); // is never answered
    return (network.latest.frames.at(-1) as WireFrame).payload;
  };
  const recorded = (name: string): { payload: Uint8Array; json: Record<string, any> }[] =>
    golden
      .filter((line) => line.name === name && line.file === "client-2.0.2.txt")
      .map(({ bytes, decoded }) => ({ payload: decodeFrame(bytes).payload, json: JSON.parse(decoded) }));

  const [text] = recorded("chat.sendMessageToRoom");
  assert.deepEqual(
    payloadOf(() => chat.sendTextMessage(text!.json["payload"]!)),
    text!.payload,
  );
  const [whisper] = recorded("chat.sendMessageToPeers");
  assert.deepEqual(
    payloadOf(() => chat.sendTextMessage(whisper!.json["payload"]!, whisper!.json["peerIds"]!)),
    whisper!.payload,
  );
  const [edit] = recorded("chat.editMessage");
  assert.deepEqual(
    payloadOf(() => chat.editTextMessage(edit!.json["chatId"]!, edit!.json["payload"]!)),
    edit!.payload,
  );
  const [remove] = recorded("chat.deleteMessage");
  assert.deepEqual(
    payloadOf(() => chat.deleteMessage(remove!.json["chatId"]!)),
    remove!.payload,
  );
  const [pin, unpin] = recorded("chat.pinMessage");
  assert.deepEqual(
    payloadOf(() => chat.pin(pin!.json["chatId"]!)),
    pin!.payload,
  );
  assert.deepEqual(
    payloadOf(() => chat.unpin(unpin!.json["chatId"]!)),
    unpin!.payload,
  );

  const pages = recorded("chat.getPaginatedMessages");
  const page = { timestamp: 1_800_000_000_000, limit: 25 };
  const userId: string = pages[3]!.json["filters"].userId;
  const asked = [
    () => chat.fetchPublicMessages({ ...page, direction: "before" }),
    () => chat.fetchPublicMessages({ ...page, direction: "after" }),
    () => chat.fetchPinnedMessages({ ...page, direction: "before" }),
    () => chat.fetchPrivateMessages({ ...page, direction: "before", userId }),
  ].map(payloadOf);
  assert.deepEqual(
    asked,
    pages.map(({ payload }) => payload),
  );
  connection.close("left");
});
