// A socket in memory for tests of the connection: the test plays the server.
import { decodeFrame, encodeFrame, type WireFrame } from "../frames.js";
import type { Dial, TransportEvents } from "../transport.js";

/** One dialled transport, seen from the server's side. */
export class FakeTransport {
  readonly texts: string[] = [];
  readonly frames: WireFrame[] = [];
  /** The code the client closed with, if it did. */
  closedWith: number | undefined;
  readonly #events: TransportEvents;

  constructor(events: TransportEvents) {
    this.#events = events;
  }

  open(): void {
    this.#events.open();
  }

  text(message: string): void {
    this.#events.message(message);
  }

  bytes(message: Uint8Array): void {
    this.#events.message(message);
  }

  push(event: number, payload: Uint8Array = new Uint8Array(), id = "from-the-server"): void {
    this.#events.message(encodeFrame({ event, id, payload }));
  }

  /** Answers the latest request of this event that the client made. */
  answer(event: number, payload: Uint8Array = new Uint8Array()): void {
    this.push(event, payload, this.request(event).id);
  }

  request(event: number): WireFrame {
    const frame = this.frames.filter((candidate) => candidate.event === event).at(-1);
    if (!frame) throw new Error(`the client did not ask for event ${event}`);
    return frame;
  }

  /** The network or the server ends the socket. */
  drop(code = 1006): void {
    this.#events.close(code);
  }

  receive(data: string | Uint8Array): void {
    if (typeof data === "string") this.texts.push(data);
    else this.frames.push(decodeFrame(data));
  }

  clientCloses(code: number): void {
    this.closedWith = code;
    this.#events.close(code);
  }
}

/** Dials fake transports and keeps them in the order they were dialled. */
export class FakeNetwork {
  readonly transports: FakeTransport[] = [];

  readonly dial: Dial = (events) => {
    let over = false;
    const transport = new FakeTransport({
      open: () => events.open(),
      message: (data) => {
        if (!over) events.message(data);
      },
      close: (code) => {
        if (over) return;
        over = true;
        events.close(code);
      },
    });
    this.transports.push(transport);
    return {
      send: (data) => {
        if (!over) transport.receive(data);
      },
      close: (code) => transport.clientCloses(code),
    };
  };

  get latest(): FakeTransport {
    return this.transports.at(-1)!;
  }
}
