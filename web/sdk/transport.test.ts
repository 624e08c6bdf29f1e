// The browser's WebSocket interface, as the ws package offers it, on real sockets.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { after, before, beforeEach, test } from "node:test";
import { WebSocket as NodeWebSocket, WebSocketServer, type WebSocket as ServerSocket } from "ws";
import { type Transport, webSocket } from "./transport.js";

let server: WebSocketServer;
let url: string;

before(async () => {
  globalThis.WebSocket = NodeWebSocket as unknown as typeof WebSocket;
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => server.close());
beforeEach(() => server.removeAllListeners("connection"));

interface Opened {
  transport: Transport;
  socket: ServerSocket;
  messages: (string | Uint8Array)[];
  /** Resolves with the code when the transport has ended. */
  ended: Promise<number>;
  /** How often the end was reported. */
  ends: () => number;
  nextMessage: () => Promise<void>;
}

async function open(): Promise<Opened> {
  const connection = once(server, "connection") as Promise<[ServerSocket]>;
  const messages: (string | Uint8Array)[] = [];
  let onMessage = (): void => {};
  let onEnd!: (code: number) => void;
  let ends = 0;
  const ended = new Promise<number>((resolve) => (onEnd = resolve));
  const transport = await new Promise<Transport>((resolve) => {
    const dialled: Transport = webSocket(url)({
      open: () => resolve(dialled),
      message: (data) => {
        messages.push(data);
        onMessage();
      },
      close: (code) => {
        ends++;
        onEnd(code);
      },
    });
  });
  const [socket] = await connection;
  return {
    transport,
    socket,
    messages,
    ended,
    ends: () => ends,
    nextMessage: () => new Promise((resolve) => (onMessage = resolve)),
  };
}

test("text stays text and binary stays binary, both ways", async () => {
  const { transport, socket, messages, nextMessage } = await open();
  const first = nextMessage();
  socket.send("2");
  await first;
  const second = nextMessage();
  socket.send(new Uint8Array([1, 2, 3]));
  await second;
  assert.deepEqual(messages, ["2", new Uint8Array([1, 2, 3])]);

  const received = once(socket, "message") as Promise<[Buffer, boolean]>;
  transport.send(new Uint8Array([4]));
  const [data, isBinary] = await received;
  assert.deepEqual([[...data], isBinary], [[4], true]);
  const answered = once(socket, "message") as Promise<[Buffer, boolean]>;
  transport.send("3");
  const [text, textIsBinary] = await answered;
  assert.deepEqual([text.toString(), textIsBinary], ["3", false]);
  transport.close(1000);
});

test("the server's close code is reported", async () => {
  const { socket, ended } = await open();
  socket.close(4001);
  assert.equal(await ended, 4001);
});

test("a broken socket is reported as 1006", async () => {
  const { socket, ended } = await open();
  socket.terminate();
  assert.equal(await ended, 1006);
});

test("closing is reported at once and only once, and later sends do nothing", async () => {
  const { transport, socket, ends } = await open();
  const gone = once(socket, "close") as Promise<[number]>;
  transport.close(3002);
  assert.equal(ends(), 1);
  transport.send("late");
  const [code] = await gone;
  assert.equal(code, 3002);
  assert.equal(ends(), 1);
});

test("an address where nobody listens is reported as closed", async () => {
  const nobody = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(nobody, "listening");
  const { port } = nobody.address() as AddressInfo;
  await new Promise((resolve) => nobody.close(resolve));

  const opened: string[] = [];
  const code = await new Promise<number>((resolve) => {
    webSocket(`ws://127.0.0.1:${port}`)({ open: () => opened.push("open"), message: () => {}, close: resolve });
  });
  assert.equal(code, 1006);
  assert.deepEqual(opened, []);
});
