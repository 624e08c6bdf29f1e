// A fake server with people in its meeting, for tests of the whole client.
import type { TestContext } from "node:test";
import { WebSocket as NodeWebSocket } from "ws";
import { ParleyClient } from "../client.js";
import type { Emitter } from "../emitter.js";
import { FakeServer } from "./fake_server.js";

export interface Meeting {
  server: FakeServer;
  /** Joins as a participant of that name; everybody leaves when the test is over. */
  join: (name: string) => Promise<ParleyClient>;
}

export async function startMeeting(t: TestContext): Promise<Meeting> {
  globalThis.WebSocket = NodeWebSocket as unknown as typeof WebSocket;
  t.mock.method(Math, "random", () => 0.01); // short waits before reconnects
  const server = new FakeServer();
  await server.listen();
  const tokens = new Map<string, string>();
  const joined: ParleyClient[] = [];
  t.after(async () => {
    for (const meeting of joined) meeting.leave();
    await server.close();
  });
  return {
    server,
    join: async (name) => {
      const token = tokens.get(name) ?? server.add(name);
      tokens.set(name, token);
      const meeting = await ParleyClient.join({ url: server.url, token });
      joined.push(meeting);
      return meeting;
    },
  };
}

/** Waits for the next event of a kind, or for the next that fits. Begin to wait before causing it. */
export function next<Events extends object, Name extends keyof Events>(
  emitter: Emitter<Events>,
  name: Name,
  fits: (event: Events[Name]) => boolean = () => true,
): Promise<Events[Name]> {
  return new Promise((resolve) => {
    const remove = emitter.on(name, (event) => {
      if (!fits(event)) return;
      remove();
      resolve(event);
    });
  });
}
