// The public face: joining a meeting, and what one then has in hand.
import { Api, type ParticipantDetails } from "./api.js";
import { Chat } from "./chat.js";
import { type Ask, Connection, type ConnectionState, type StateChange } from "./connection.js";
import { Emitter } from "./emitter.js";
import { Endpoint } from "./endpoint.js";
import { HttpError, ProtocolError } from "./errors.js";
import { FrameEvent } from "./frames.js";
import { Capability, JoinRoomRequest, RoomInfo } from "./generated/rtk.js";
import { newPeerId, requestIds } from "./ids.js";
import { Participants, Self } from "./participants.js";
import { webSocket } from "./transport.js";

export interface JoinOptions {
  /** Where the server is: `https://chat.example.com`, or `http://localhost:8080`. */
  readonly url: string | URL;
  /** The participant's token, from the app's own backend. It says which meeting to join, and as whom. */
  readonly token: string;
  /** Gives up joining; without effect afterwards. */
  readonly signal?: AbortSignal;
}

/** About the meeting, as it was when last (re)joined. */
export interface MeetingMeta {
  readonly meetingId: string;
  readonly meetingTitle: string;
  /** The live run of the meeting. */
  readonly sessionId: string;
  readonly meetingStartedTimestamp: Date;
}

export interface MeetingEvents {
  stateChange: StateChange;
}

/**
 * A participant's place in a meeting.
 *
 *     const meeting = await ParleyClient.join({ url, token });
 *     meeting.chat.on("chatUpdate", ({ action, message }) => { ... });
 *     await meeting.chat.sendTextMessage("Hello");
 *
 * A lost connection is made again by itself, until `leave()` or until the server says not to come back.
 */
export class ParleyClient extends Emitter<MeetingEvents> {
  readonly self: Self;
  readonly participants: Participants;
  readonly chat: Chat;
  readonly #connection: Connection;
  #meta: MeetingMeta;

  /**
   * Joins the meeting the token is for. Resolves when the history and everybody present are known.
   * Rejects with a ParleyError; an HttpError with status 401, 403 or 404 means that the token does not open a meeting.
   */
  static async join({ url, token, signal }: JoinOptions): Promise<ParleyClient> {
    const endpoint = new Endpoint(url);
    const api = new Api(endpoint, token);
    const details = await api.participantDetails(signal);
    const meeting = new ParleyClient(endpoint, api, token, details);
    const giveUp = (): void => meeting.leave();
    signal?.addEventListener("abort", giveUp);
    try {
      await meeting.#connection.open();
      signal?.throwIfAborted();
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
    return meeting;
  }

  private constructor(endpoint: Endpoint, api: Api, token: string, details: ParticipantDetails) {
    super();
    const { participant, meeting } = details;
    const peerId = newPeerId();
    const connection = new Connection({
      dial: webSocket(endpoint.socket({ meetingId: meeting.id, peerId, token })),
      nextId: requestIds(peerId),
      handshake: (ask) => this.#join(ask),
      barred: () => isBarred(api),
    });
    const who = { ...participant, id: peerId, userId: participant.id, presetName: details.presetName };
    this.#connection = connection;
    this.self = new Self(connection, who, details.permissions);
    this.participants = new Participants(connection, peerId);
    this.chat = new Chat(connection, endpoint, (file) => api.upload(meeting.id, file));
    this.#meta = {
      meetingId: meeting.id,
      meetingTitle: meeting.title,
      sessionId: "",
      meetingStartedTimestamp: new Date(0),
    };
    connection.on("stateChange", (change) => this.emit("stateChange", change));
    connection.handle(FrameEvent.getRoomInfo, (payload) => this.#describe(RoomInfo.fromBinary(payload)));
    connection.handle(FrameEvent.kick, () => connection.close("kicked"));
    connection.handle(FrameEvent.kickAll, () => connection.close("ended"));
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get meta(): MeetingMeta {
    return this.#meta;
  }

  /** Leaves the meeting for good; the others see it at once. */
  leave(): void {
    this.#connection.close("left");
  }

  async #join(ask: Ask): Promise<void> {
    await ask(FrameEvent.joinRoom, JoinRoomRequest.toBinary(this.#joinRequest()));
    await Promise.all([ask(FrameEvent.getMessages), ask(FrameEvent.getRoomInfo), ask(FrameEvent.getRoomPeersInfo)]);
  }

  #joinRequest(): JoinRoomRequest {
    return {
      peer: { peerId: this.self.id, userId: this.self.userId, displayName: this.self.name, waitlisted: false },
      roomUuid: this.#meta.meetingId,
      capabilities: [Capability.CAP_PING],
    };
  }

  #describe({ room }: RoomInfo): void {
    if (!room) throw new ProtocolError("the server did not describe the meeting");
    this.#meta = {
      ...this.#meta,
      meetingTitle: room.title || this.#meta.meetingTitle,
      sessionId: room.roomUuid ?? "",
      meetingStartedTimestamp: new Date(room.createdAt * 1000),
    };
  }
}

/** Whether the token does not open the meeting any more. A server that cannot be reached has not said so. */
async function isBarred(api: Api): Promise<boolean> {
  try {
    await api.participantDetails();
    return false;
  } catch (error) {
    return error instanceof HttpError && [401, 403, 404].includes(error.status);
  }
}
