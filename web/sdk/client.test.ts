// Joining, being there, losing the connection and leaving, over real HTTP and real sockets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ParleyClient } from "./client.js";
import { HttpError, ProtocolError, UnreachableError } from "./errors.js";
import { FrameEvent } from "./frames.js";
import { PresetUpdates, RoomInfo } from "./generated/rtk.js";
import { next, startMeeting } from "./testing/meeting.js";

const events = ({ frames }: { frames: readonly { event: number }[] }): number[] => frames.map(({ event }) => event);

test("join asks for the room, the history, the meeting and the people, and nothing else", async (t) => {
  const { server, join } = await startMeeting(t);
  await join("Alice");
  assert.deepEqual(server.requests, ["GET /v2/internals/participant-details"]);
  assert.deepEqual(events(server), [
    FrameEvent.joinRoom,
    FrameEvent.getMessages,
    FrameEvent.getRoomInfo,
    FrameEvent.getRoomPeersInfo,
  ]);
});

test("after join one knows the meeting and oneself", async (t) => {
  const { join } = await startMeeting(t);
  const alice = await join("Alice");
  assert.equal(alice.state, "connected");
  assert.deepEqual(alice.meta, {
    meetingId: "meeting-1",
    meetingTitle: "Standup",
    sessionId: "session-1",
    meetingStartedTimestamp: new Date(1_700_000_000_000),
  });
  assert.equal(alice.self.userId, "user-alice");
  assert.equal(alice.self.name, "Alice");
  assert.equal(alice.self.customParticipantId, "app-Alice");
  assert.equal(alice.self.presetName, "member");
  assert.ok(alice.self.permissions.public.canSend);
});

test("everybody sees who comes and who goes, oneself not among them", async (t) => {
  const { join } = await startMeeting(t);
  const alice = await join("Alice");
  assert.equal(alice.participants.joined.size, 0);

  const came = next(alice.participants, "participantJoined");
  const bob = await join("Bob");
  assert.equal((await came).name, "Bob");
  assert.deepEqual([...alice.participants.joined.keys()], [bob.self.id]);
  assert.deepEqual(
    [...bob.participants.joined.values()].map(({ name, userId }) => [name, userId]),
    [["Alice", "user-alice"]],
  );

  const went = next(alice.participants, "participantLeft");
  bob.leave();
  assert.equal((await went).id, bob.self.id);
  assert.equal(alice.participants.joined.size, 0);
});

test("two tabs of one participant are two peers", async (t) => {
  const { join } = await startMeeting(t);
  const first = await join("Alice");
  const second = await join("Alice");
  assert.notEqual(first.self.id, second.self.id);
  assert.equal(second.participants.joined.get(first.self.id)?.userId, second.self.userId);
});

test("a bad token is told by its status", async (t) => {
  const { server } = await startMeeting(t);
  await assert.rejects(
    ParleyClient.join({ url: server.url, token: "eyJ.nobody" }),
    (error) => error instanceof HttpError && error.status === 401 && error.message === "Unauthorized",
  );
});

test("a server that is not there is told as such", async (t) => {
  const { server } = await startMeeting(t);
  const token = server.add("Alice");
  server.refuseSockets = true;
  await assert.rejects(ParleyClient.join({ url: server.url, token }), UnreachableError);
  await assert.rejects(ParleyClient.join({ url: "http://127.0.0.1:1", token }), UnreachableError);
});

test("an answer that describes no meeting fails the join", async (t) => {
  const { server, join } = await startMeeting(t);
  server.unanswered.add(FrameEvent.getRoomInfo);
  const joining = join("Alice");
  joining.catch(() => {});
  const asked = async (): Promise<string> => {
    for (;;) {
      const frame = server.frames.find(({ event }) => event === FrameEvent.getRoomInfo);
      if (frame) return frame.id;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  server.push("Alice", FrameEvent.getRoomInfo, RoomInfo.toBinary({}), await asked());
  await assert.rejects(joining, ProtocolError);
});

// Sooner than the client itself would give up waiting, after ten seconds.
const promptly = { timeout: 9_000 };

test("joining can be given up, before it begins and while it waits for HTTP or the socket", promptly, async (t) => {
  const { server } = await startMeeting(t);
  const token = server.add("Alice");
  const giveUp = new Error("changed my mind");
  const begin = (): { abort: AbortController; joining: Promise<ParleyClient> } => {
    const abort = new AbortController();
    const joining = ParleyClient.join({ url: server.url, token, signal: abort.signal });
    joining.catch(() => {});
    return { abort, joining };
  };
  const reached = async (list: readonly unknown[]): Promise<void> => {
    const before = list.length;
    while (list.length === before) await new Promise((resolve) => setImmediate(resolve));
  };

  await assert.rejects(ParleyClient.join({ url: server.url, token, signal: AbortSignal.abort(giveUp) }), giveUp);

  server.stalled = true;
  const first = begin();
  await reached(server.requests);
  first.abort.abort(giveUp);
  await assert.rejects(first.joining, giveUp);
  server.stalled = false;

  server.unanswered.add(FrameEvent.joinRoom);
  const second = begin();
  await reached(server.frames);
  second.abort.abort(giveUp);
  await assert.rejects(second.joining, giveUp);
});

test("after a lost connection the same peer is back, with everybody who came and went meanwhile", async (t) => {
  const { server, join } = await startMeeting(t);
  const alice = await join("Alice");
  const bob = await join("Bob");
  const before = alice.self.id;

  server.refuseSockets = true;
  const lost = next(alice, "stateChange", ({ state }) => state === "reconnecting");
  server.drop("Alice");
  await lost;
  bob.leave();
  server.refuseSockets = false;
  const carol = await join("Carol");
  if (alice.state !== "connected") await next(alice, "stateChange", ({ state }) => state === "connected");

  assert.equal(alice.self.id, before);
  assert.deepEqual([...alice.participants.joined.keys()], [carol.self.id]);
});

test("a participant who was removed does not come back", async (t) => {
  const { server, join } = await startMeeting(t);
  const alice = await join("Alice");
  const closed = next(alice, "stateChange");
  server.push("Alice", FrameEvent.kick);
  assert.deepEqual(await closed, { state: "closed", previous: "connected", reason: "kicked" });
});

test("a participant whose token was taken away while offline stops trying", async (t) => {
  const { server, join } = await startMeeting(t);
  const alice = await join("Alice");
  const closed = next(alice, "stateChange", ({ state }) => state === "closed");
  server.revoked.add("eyJ.Alice");
  server.drop("Alice");
  assert.equal((await closed).reason, "unauthorized");
});

test("changed permissions are known at once, those of others do not matter", async (t) => {
  const { server, join } = await startMeeting(t);
  const alice = await join("Alice");
  const patch = (userId: string, canSend: boolean): Uint8Array =>
    PresetUpdates.toBinary({ updatePeersPresets: [{ userIds: userId, patch: { chat: { public: { canSend } } } }] });
  const update = next(alice.self, "permissionsUpdate");
  server.push("Alice", FrameEvent.updateUserPreset, patch("user-bob", true));
  server.push("Alice", FrameEvent.updateUserPreset, patch("user-alice", false));
  assert.equal((await update).public.canSend, false);
  assert.equal(alice.self.permissions.public.canSend, false);
  assert.equal(alice.self.permissions.public.text, true);
});
