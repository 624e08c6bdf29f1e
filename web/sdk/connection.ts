// One peer's connection: its states, its calls, and coming back after a loss.
import { reconnectDelay } from "./backoff.js";
import { Emitter } from "./emitter.js";
import {
  ClosedError,
  type CloseReason,
  ProtocolError,
  RefusedError,
  UnconfirmedError,
  UnreachableError,
} from "./errors.js";
import { decodeFrame, encodeFrame, FrameEvent, keepAlive, type WireFrame } from "./frames.js";
import { EdgeError } from "./generated/rtk.js";
import type { Dial, Transport } from "./transport.js";

/**
 * - `connecting`: the first connection is being made
 * - `connected`: joined; everything shown is live
 * - `reconnecting`: the connection was lost and is being made again, for as long as it takes
 * - `closed`: over for good
 */
export type ConnectionState = "connecting" | "connected" | "reconnecting" | "closed";

export interface StateChange {
  readonly state: ConnectionState;
  readonly previous: ConnectionState;
  /** With `closed` only: why. */
  readonly reason?: CloseReason;
}

/** Sends a request and waits for the payload of its answer. */
export type Ask = (event: number, payload?: Uint8Array) => Promise<Uint8Array>;

export interface ConnectionOptions {
  dial: Dial;
  /** Gives each request its frame id. */
  nextId: () => string;
  /** What is asked on every new socket before the connection counts as connected. */
  handshake: (ask: Ask) => Promise<void>;
  /** Asked after each failed attempt to come back: is it of no use to go on? */
  barred: () => Promise<boolean>;
}

/** Close codes. The server uses 1000 for "do not come back"; 3000 and up are a client's own. */
const closeCode = { normal: 1000, openTimeout: 3001, silence: 3002, handshakeFailed: 3003 } as const;

const openLimitMs = 10_000;
const answerLimitMs = 20_000;
/** The server speaks at least this often, if only to ask whether we are there. */
const silenceLimitMs = 30_000;

interface Call {
  readonly event: number;
  readonly frame: Uint8Array;
  readonly resolve: (payload: Uint8Array) => void;
  readonly reject: (error: Error) => void;
  readonly timer: ReturnType<typeof setTimeout>;
  sent: boolean;
}

/**
 * Frames are handled strictly in the order they come: for each, first the handler of its event, then the call it
 * answers. So when a call settles, what its answer changed is already in place.
 *
 * Requests made while the connection is down wait for it, in order. One that had been sent when the connection broke is
 * not repeated: the protocol has no way to tell a repetition from a second message.
 */
export class Connection extends Emitter<{ stateChange: StateChange }> {
  readonly #options: ConnectionOptions;
  readonly #handlers = new Map<number, (payload: Uint8Array) => void>();
  /** Calls without an answer yet, in the order they were made. */
  readonly #calls = new Map<string, Call>();
  #state: ConnectionState = "connecting";
  #reason: CloseReason | undefined;
  #transport: Transport | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #endPause: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    super();
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Sets what happens on frames of an event, pushed or answered. */
  handle(event: number, handler: (payload: Uint8Array) => void): void {
    this.#handlers.set(event, handler);
  }

  /** Makes the first connection. If that fails the connection is closed and the reason thrown. Call it once. */
  async open(): Promise<void> {
    try {
      await this.#attempt();
    } catch (error) {
      this.close("failed");
      throw error;
    }
  }

  /**
   * Sends a request and gives the payload of the answer. Rejects with RefusedError (the server said no),
   * UnconfirmedError (sent, but no answer in 20 s or before the connection broke), UnreachableError (not sent: no
   * connection for 20 s), ClosedError, or ProtocolError.
   */
  readonly request: Ask = (event, payload) => this.#call(event, payload, false);

  /** Ends the connection for good. Requests not yet answered are rejected. */
  close(reason: CloseReason): void {
    if (this.#isClosed()) return;
    this.#reason = reason;
    this.#setState("closed");
    this.#transport?.close(closeCode.normal);
    this.#endPause?.();
    this.#rejectCalls(
      () => true,
      (call) => (call.sent ? new UnconfirmedError(lostMessage) : this.#closedError()),
    );
  }

  #setState(state: ConnectionState): void {
    const previous = this.#state;
    if (state === previous) return;
    this.#state = state;
    this.emit("stateChange", { state, previous, ...(this.#reason && { reason: this.#reason }) });
  }

  async #attempt(): Promise<void> {
    await this.#dial();
    try {
      await this.#options.handshake((event, payload) => this.#call(event, payload, true));
    } catch (error) {
      this.#transport?.close(closeCode.handshakeFailed);
      if (this.#isClosed()) throw this.#closedError();
      throw error instanceof UnconfirmedError ? new UnreachableError(error.message, { cause: error }) : error;
    }
    if (!this.#transport) throw new UnreachableError(lostMessage);
    this.#setState("connected");
    for (const call of this.#calls.values()) if (!call.sent) this.#send(call);
  }

  #dial(): Promise<void> {
    return new Promise((resolve, reject) => {
      const transport = this.#options.dial({
        open: () => {
          clearTimeout(timer);
          this.#hear();
          resolve();
        },
        message: (data) => this.#receive(data),
        close: (code) => {
          clearTimeout(timer);
          this.#lost(code);
          reject(this.#isClosed() ? this.#closedError() : new UnreachableError("the socket could not be opened"));
        },
      });
      const timer = setTimeout(() => transport.close(closeCode.openTimeout), openLimitMs);
      this.#transport = transport;
    });
  }

  #lost(code: number): void {
    this.#transport = undefined;
    clearTimeout(this.#silence);
    this.#rejectCalls(
      (call) => call.sent,
      () => new UnconfirmedError(lostMessage),
    );
    if (code === closeCode.normal) this.close("ended");
    else if (this.#state === "connected") void this.#reconnect();
    // In any other state an attempt is under way, and fails by the calls just rejected.
  }

  async #reconnect(): Promise<void> {
    this.#setState("reconnecting");
    for (let attempt = 0; ; attempt++) {
      await this.#pause(reconnectDelay(attempt));
      if (this.#isClosed()) return;
      try {
        await this.#attempt();
        return;
      } catch {
        if (this.#isClosed()) return;
      }
      // A browser does not say why a socket was refused, hence the question beside it.
      if (await this.#options.barred()) this.close("unauthorized");
    }
  }

  /** Waits, but not longer than until the browser is online again or the connection is closed. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        globalThis.removeEventListener?.("online", end);
        this.#endPause = undefined;
        resolve();
      };
      const timer = setTimeout(end, ms);
      globalThis.addEventListener?.("online", end);
      this.#endPause = end;
    });
  }

  #call(event: number, payload: Uint8Array = new Uint8Array(), atOnce: boolean): Promise<Uint8Array> {
    if (this.#isClosed()) return Promise.reject(this.#closedError());
    return new Promise((resolve, reject) => {
      const id = this.#options.nextId();
      const call: Call = {
        event,
        frame: encodeFrame({ event, id, payload }),
        resolve,
        reject,
        timer: setTimeout(() => this.#expire(id, call), answerLimitMs),
        sent: false,
      };
      this.#calls.set(id, call);
      if (atOnce || this.#state === "connected") this.#send(call);
    });
  }

  #send(call: Call): void {
    call.sent = true;
    this.#transport?.send(call.frame);
  }

  #expire(id: string, call: Call): void {
    this.#calls.delete(id);
    const limit = `${answerLimitMs / 1000} s`;
    call.reject(
      call.sent
        ? new UnconfirmedError(`no answer within ${limit}`)
        : new UnreachableError(`no connection within ${limit}, nothing was sent`),
    );
  }

  #rejectCalls(which: (call: Call) => boolean, error: (call: Call) => Error): void {
    for (const [id, call] of this.#calls) {
      if (!which(call)) continue;
      this.#calls.delete(id);
      clearTimeout(call.timer);
      call.reject(error(call));
    }
  }

  #hear(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#transport?.close(closeCode.silence), silenceLimitMs);
  }

  #receive(data: string | Uint8Array): void {
    this.#hear();
    if (typeof data === "string") {
      if (data === keepAlive.ask) this.#transport?.send(keepAlive.answer);
      return;
    }
    let frame: WireFrame;
    try {
      frame = decodeFrame(data);
    } catch {
      return; // as with events of a later version: what cannot be read is skipped
    }
    this.#settle(frame, this.#apply(frame));
  }

  /** Lets the event's handler see the frame. Gives what went wrong, if anything did. */
  #apply(frame: WireFrame): ProtocolError | undefined {
    try {
      this.#handlers.get(frame.event)?.(frame.payload);
      return undefined;
    } catch (error) {
      return new ProtocolError(`event ${frame.event} could not be read`, { cause: error });
    }
  }

  #settle(frame: WireFrame, failure: ProtocolError | undefined): void {
    const call = this.#calls.get(frame.id);
    if (!call || (frame.event !== call.event && frame.event !== FrameEvent.error)) return;
    this.#calls.delete(frame.id);
    clearTimeout(call.timer);
    if (frame.event === FrameEvent.error) call.reject(new RefusedError(refusal(frame.payload)));
    else if (failure) call.reject(failure);
    else call.resolve(frame.payload);
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }

  #closedError(): ClosedError {
    const reason = this.#reason ?? "left";
    return new ClosedError(closedMessages[reason], reason);
  }
}

const lostMessage = "the connection was lost before the answer came";

const closedMessages: Record<CloseReason, string> = {
  left: "the meeting was left",
  kicked: "a host removed you from the meeting",
  ended: "the meeting has ended",
  unauthorized: "the token is not valid any more",
  failed: "the meeting could not be joined",
};

function refusal(payload: Uint8Array): string {
  try {
    return EdgeError.fromBinary(payload).errorMessage || "the server refused";
  } catch {
    return "the server refused";
  }
}
