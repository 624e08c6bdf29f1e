import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { type Ask, Connection, type ConnectionOptions, type StateChange } from "./connection.js";
import { ClosedError, ProtocolError, RefusedError, UnconfirmedError, UnreachableError } from "./errors.js";
import { FrameEvent } from "./frames.js";
import { EdgeError } from "./generated/rtk.js";
import { requestIds } from "./ids.js";
import { FakeNetwork } from "./testing/fake_transport.js";

const send = FrameEvent.sendMessageToRoom;
const join = FrameEvent.joinRoom;
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

interface Setup {
  network: FakeNetwork;
  connection: Connection;
  states: string[];
}

/** A connection whose handshake is one joinRoom, with time standing still until the test moves it. */
function setUp(t: TestContext, options: Partial<ConnectionOptions> = {}): Setup {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  t.mock.method(Math, "random", () => 0.5);
  const network = new FakeNetwork();
  const connection = new Connection({
    dial: network.dial,
    nextId: requestIds("peer"),
    handshake: async (ask: Ask) => void (await ask(join)),
    barred: async () => false,
    ...options,
  });
  const states: string[] = [];
  connection.on("stateChange", ({ state, reason }: StateChange) => states.push(reason ? `${state}: ${reason}` : state));
  return { network, connection, states };
}

/** Lets everything happen that waits for nothing but promises. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

async function pass(t: TestContext, ms: number): Promise<void> {
  t.mock.timers.tick(ms);
  await settled();
}

/** What became of a promise: its value, its error, or "pending". */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  let result: unknown = "pending";
  promise.then(
    (value) => (result = value),
    (error: unknown) => (result = error),
  );
  await settled();
  return result;
}

async function openLatest({ network }: Setup): Promise<void> {
  network.latest.open();
  await settled();
  network.latest.answer(join);
  await settled();
}

async function connected(t: TestContext, options: Partial<ConnectionOptions> = {}): Promise<Setup> {
  const setup = setUp(t, options);
  const opened = setup.connection.open();
  await openLatest(setup);
  await opened;
  return setup;
}

test("a connection is connected when the handshake is through, not before", async (t) => {
  const setup = setUp(t);
  const opened = setup.connection.open();
  setup.network.latest.open();
  await settled();
  assert.equal(setup.connection.state, "connecting");
  setup.network.latest.answer(join);
  await opened;
  assert.equal(setup.connection.state, "connected");
  assert.deepEqual(setup.states, ["connected"]);
});

test("a socket that cannot be opened fails the first connection for good", async (t) => {
  const { network, connection, states } = setUp(t);
  const opened = outcome(connection.open());
  network.latest.drop();
  assert.ok((await opened) instanceof UnreachableError);
  assert.deepEqual(states, ["closed: failed"]);
});

test("a socket that takes longer than ten seconds to open is given up", async (t) => {
  const { network, connection } = setUp(t);
  const opened = connection.open();
  opened.catch(() => {});
  await pass(t, 10_000);
  assert.equal(network.latest.closedWith, 3001);
  await assert.rejects(opened, UnreachableError);
});

test("a refused handshake rejects with the server's sentence", async (t) => {
  const { network, connection } = setUp(t);
  const opened = connection.open();
  opened.catch(() => {});
  network.latest.open();
  await settled();
  const { id } = network.latest.request(join);
  network.latest.push(FrameEvent.error, EdgeError.toBinary({ errorMessage: "meeting is full", eventId: join }), id);
  await assert.rejects(opened, (error) => error instanceof RefusedError && error.message === "meeting is full");
  assert.equal(connection.state, "closed");
});

test("a request gets the payload of the frame with its own id", async (t) => {
  const { network, connection } = await connected(t);
  const [first, second] = [connection.request(send, bytes(1)), connection.request(send, bytes(2))];
  const [one, two] = network.latest.frames.slice(-2);
  assert.notEqual(one!.id, two!.id);
  network.latest.push(send, bytes(22), two!.id);
  network.latest.push(send, bytes(99), "somebody-else");
  network.latest.push(send, bytes(11), one!.id);
  assert.deepEqual(await first, bytes(11));
  assert.deepEqual(await second, bytes(22));
});

test("a frame with a request's id but another event does not settle it", async (t) => {
  const { network, connection } = await connected(t);
  const request = connection.request(send);
  network.latest.push(FrameEvent.kickAll, bytes(), network.latest.request(send).id);
  assert.equal(await outcome(request), "pending");
});

test("an error frame rejects its request alone, with the server's sentence", async (t) => {
  const { network, connection } = await connected(t);
  const refused = connection.request(send);
  const { id } = network.latest.request(send);
  const other = connection.request(send);
  network.latest.push(FrameEvent.error, EdgeError.toBinary({ errorMessage: "too long", eventId: send }), id);
  await assert.rejects(refused, (error) => error instanceof RefusedError && error.message === "too long");
  assert.equal(await outcome(other), "pending");
  assert.equal(connection.state, "connected");
});

test("handlers see a frame before the request it answers settles, in the order frames come", async (t) => {
  const { network, connection } = await connected(t);
  const seen: string[] = [];
  connection.handle(send, (payload) => seen.push(`event ${payload[0]}`));
  const request = connection.request(send).then((payload) => seen.push(`answer ${payload[0]}`));
  network.latest.push(send, bytes(1));
  network.latest.push(send, bytes(2), network.latest.request(send).id);
  network.latest.push(send, bytes(3));
  await request;
  assert.deepEqual(seen, ["event 1", "event 2", "event 3", "answer 2"]);
});

test("an answer that cannot be read rejects its request and nothing else", async (t) => {
  const { network, connection } = await connected(t);
  connection.handle(send, () => {
    throw new Error("unreadable");
  });
  const request = connection.request(send);
  network.latest.answer(send, bytes(255));
  await assert.rejects(request, ProtocolError);
  assert.equal(connection.state, "connected");
});

test("bytes that are no frame are skipped", async (t) => {
  const { network, connection } = await connected(t);
  network.latest.bytes(bytes(255, 255, 255));
  network.latest.text("hello");
  const request = connection.request(send);
  network.latest.answer(send, bytes(1));
  assert.deepEqual(await request, bytes(1));
});

test("the server's keep-alive is answered", async (t) => {
  const { network } = await connected(t);
  network.latest.text("2");
  assert.deepEqual(network.latest.texts, ["3"]);
});

test("thirty seconds of silence are a lost connection; anything said in between is not", async (t) => {
  const { network, connection } = await connected(t);
  for (let n = 0; n < 4; n++) {
    await pass(t, 29_000);
    network.latest.text("2");
  }
  assert.equal(connection.state, "connected");
  await pass(t, 30_000);
  assert.equal(network.transports[0]!.closedWith, 3002);
  assert.equal(connection.state, "reconnecting");
});

test("a request without an answer for twenty seconds is unconfirmed", async (t) => {
  const { connection } = await connected(t);
  const request = connection.request(send);
  request.catch(() => {});
  await pass(t, 19_999);
  assert.equal(await outcome(request), "pending");
  await pass(t, 1);
  assert.ok((await outcome(request)) instanceof UnconfirmedError);
});

test("after a loss the connection is made again, with the handshake", async (t) => {
  const setup = await connected(t);
  setup.network.latest.drop();
  assert.equal(setup.connection.state, "reconnecting");
  await pass(t, 250);
  assert.equal(setup.network.transports.length, 2);
  await openLatest(setup);
  assert.deepEqual(setup.states, ["connected", "reconnecting", "connected"]);
});

test("attempts go on with growing waits until one works", async (t) => {
  const setup = await connected(t);
  setup.network.latest.drop();
  for (const wait of [250, 500, 1000, 2000, 4000, 5000, 5000]) {
    const before = setup.network.transports.length;
    await pass(t, wait - 1);
    assert.equal(setup.network.transports.length, before, `too early, wait ${wait}`);
    await pass(t, 1);
    assert.equal(setup.network.transports.length, before + 1, `too late, wait ${wait}`);
    setup.network.latest.drop();
    await settled();
  }
  await pass(t, 5000);
  await openLatest(setup);
  assert.equal(setup.connection.state, "connected");
  setup.network.latest.drop();
  await pass(t, 250); // and the next loss begins with short waits again
  assert.equal(setup.network.transports.length, 10);
});

test("a connection lost in the middle of the handshake is made again", async (t) => {
  const setup = await connected(t);
  setup.network.latest.drop();
  await pass(t, 250);
  setup.network.latest.open();
  await settled();
  setup.network.latest.drop();
  await settled();
  await pass(t, 500);
  await openLatest(setup);
  assert.equal(setup.connection.state, "connected");
});

test("a request that was sent before a loss is unconfirmed, and not sent again", async (t) => {
  const setup = await connected(t);
  const request = outcome(setup.connection.request(send, bytes(1)));
  setup.network.latest.drop();
  assert.ok((await request) instanceof UnconfirmedError);
  await pass(t, 250);
  await openLatest(setup);
  assert.deepEqual(
    setup.network.latest.frames.map(({ event }) => event),
    [join],
  );
});

test("requests made during a loss are sent after the handshake, in their order", async (t) => {
  const setup = await connected(t);
  setup.network.latest.drop();
  const requests = [1, 2].map((n) => setup.connection.request(send, bytes(n)));
  await pass(t, 250);
  await openLatest(setup);
  const sent = setup.network.latest.frames;
  assert.deepEqual(
    sent.map(({ event, payload }) => [event, ...payload]),
    [[join], [send, 1], [send, 2]],
  );
  for (const { id } of sent.slice(1)) setup.network.latest.push(send, bytes(7), id);
  assert.deepEqual(await Promise.all(requests), [bytes(7), bytes(7)]);
});

test("a request that finds no connection for twenty seconds was not sent, and says so", async (t) => {
  const { network, connection } = await connected(t);
  network.latest.drop();
  const request = connection.request(send);
  request.catch(() => {});
  await pass(t, 20_000);
  await assert.rejects(request, UnreachableError);
});

test("after close code 1000 the client does not come back", async (t) => {
  const { network, connection, states } = await connected(t);
  network.latest.drop(1000);
  await pass(t, 60_000);
  assert.equal(network.transports.length, 1);
  assert.equal(connection.state, "closed");
  assert.deepEqual(states, ["connected", "closed: ended"]);
});

test("after any other close code it does", async (t) => {
  const setup = await connected(t);
  for (const code of [1001, 1006, 1011, 1012, 4000, 4999]) {
    setup.network.latest.drop(code);
    assert.equal(setup.connection.state, "reconnecting", String(code));
    await pass(t, 250);
    await openLatest(setup);
  }
});

test("a token that is not valid any more ends the attempts", async (t) => {
  let barred = false;
  const { network, states } = await connected(t, { barred: async () => barred });
  network.latest.drop();
  await pass(t, 250);
  network.latest.drop();
  await settled();
  barred = true;
  await pass(t, 500);
  network.latest.drop();
  await settled();
  await pass(t, 60_000);
  assert.equal(network.transports.length, 3);
  assert.deepEqual(states, ["connected", "reconnecting", "closed: unauthorized"]);
});

test("being online again ends the wait", async (t) => {
  const browser = new EventTarget();
  globalThis.addEventListener = browser.addEventListener.bind(browser) as typeof addEventListener;
  globalThis.removeEventListener = browser.removeEventListener.bind(browser) as typeof removeEventListener;
  t.after(() => {
    Reflect.deleteProperty(globalThis, "addEventListener");
    Reflect.deleteProperty(globalThis, "removeEventListener");
  });
  const { network } = await connected(t);
  network.latest.drop();
  browser.dispatchEvent(new Event("online"));
  await settled();
  assert.equal(network.transports.length, 2);
});

test("closing says goodbye with 1000 and settles everything still asked", async (t) => {
  const { network, connection, states } = await connected(t);
  const sent = outcome(connection.request(send));
  connection.close("left");
  assert.equal(network.latest.closedWith, 1000);
  assert.ok((await sent) instanceof UnconfirmedError);
  await assert.rejects(connection.request(send), ClosedError);
  assert.deepEqual(states, ["connected", "closed: left"]);
});

test("closing during a wait ends the attempts and what waited for them", async (t) => {
  const { network, connection } = await connected(t);
  network.latest.drop();
  const waiting = connection.request(send);
  waiting.catch(() => {});
  connection.close("left");
  await pass(t, 60_000);
  assert.equal(network.transports.length, 1);
  await assert.rejects(waiting, (error) => error instanceof ClosedError && error.reason === "left");
});

test("closing while the first socket opens rejects the opening", async (t) => {
  const { network, connection } = setUp(t);
  const opened = connection.open();
  opened.catch(() => {});
  connection.close("left");
  await assert.rejects(opened, (error) => error instanceof ClosedError && error.reason === "left");
  assert.equal(network.latest.closedWith, 1000);
});
