// A Parley server in miniature, over real HTTP and real sockets, for tests of the whole client. It keeps one meeting in
// memory and knows just enough of the rules that the client can be seen to follow them.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type RawData, type WebSocket, WebSocketServer } from "ws";
import { decodeFrame, encodeFrame, FrameEvent, type WireFrame } from "../frames.js";
import {
  ChatMessage,
  ChatMessages,
  DeleteMessage,
  EdgeError,
  EditMessage,
  OneChatMessage,
  Page,
  PageRequest,
  type Peer,
  PeerInfo,
  PinMessage,
  PinMessageResult,
  RoomInfo,
  RoomPeers,
  SendToPeers,
  SendToRoom,
} from "../generated/rtk.js";

interface Member {
  id: string;
  name: string;
  token: string;
}

interface Connected {
  member: Member;
  peerId: string;
  socket: WebSocket;
  joined: boolean;
}

/** Thrown inside a command to refuse it. */
class Refusal extends Error {}

export class FakeServer {
  readonly meeting = { id: "meeting-1", title: "Standup" };
  /** What came in, newest last: frames of any peer, and HTTP requests as "METHOD path". */
  readonly frames: WireFrame[] = [];
  readonly requests: string[] = [];
  /** Tokens the server has forgotten: it refuses them everywhere. */
  readonly revoked = new Set<string>();
  /** While true, new sockets are refused, as by a server that starts. */
  refuseSockets = false;
  /** Events the server takes in and stays silent about. */
  readonly unanswered = new Set<number>();
  /** While true, HTTP requests are taken in and never answered. */
  stalled = false;

  readonly #members = new Map<string, Member>();
  readonly #peers = new Map<string, Connected>();
  readonly #uploads = new Map<string, { type: string; bytes: Buffer }>();
  #messages: ChatMessage[] = [];
  #clock = 1_700_000_000_000;
  #count = 0;
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({ noServer: true });
  readonly #pages: (path: string) => { type: string; body: Buffer | string } | undefined;

  constructor(pages: (path: string) => { type: string; body: Buffer | string } | undefined = () => undefined) {
    this.#pages = pages;
    this.#http = createServer((request, response) => void this.#serve(request, response));
    this.#http.on("upgrade", (request, socket, head) => {
      const query = new URL(request.url ?? "", "http://server").searchParams;
      const member = this.#member(query.get("authToken"));
      if (!member || this.refuseSockets || query.get("roomID") !== this.meeting.id) {
        socket.end("HTTP/1.1 401 Unauthorized\r\n\r\n");
        return;
      }
      const peerId = query.get("peerID")!;
      this.#sockets.handleUpgrade(request, socket, head, (opened) => this.#accept(opened, member, peerId));
    });
  }

  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#http.listen(port, "127.0.0.1", resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  /** Adds a participant and gives their token. */
  add(name: string): string {
    const member = { id: `user-${name.toLowerCase()}`, name, token: `eyJ.${name}` };
    this.#members.set(member.token, member);
    return member.token;
  }

  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** Breaks the socket of every peer of a participant. */
  drop(name: string): void {
    for (const peer of this.#peersOf(name)) peer.socket.terminate();
  }

  /** Ends the sockets of a participant with a code. */
  end(name: string, code: number): void {
    for (const peer of this.#peersOf(name)) peer.socket.close(code);
  }

  /** Sends a frame as it is to every peer of a participant. */
  push(name: string, event: number, payload: Uint8Array = new Uint8Array(), id = "push"): void {
    for (const peer of this.#peersOf(name)) this.#send(peer, { event, id, payload });
  }

  /** Puts a message into the history without telling anybody, as if it had been said elsewhere. */
  store(from: string, payload: string, more: Partial<ChatMessage> = {}): ChatMessage {
    const sender = [...this.#members.values()].find(({ name }) => name === from)!;
    const message = this.#newMessage(sender, "peer-elsewhere", 0, payload, []);
    Object.assign(message, more);
    this.#messages.push(message);
    return message;
  }

  /** Changes a message, or takes it out, without telling anybody. */
  alter(id: string, change: Partial<ChatMessage> | undefined): void {
    this.#messages = this.#messages.flatMap((message) => {
      if (message.chatId !== id) return [message];
      return change ? [{ ...message, ...change }] : [];
    });
  }

  #peersOf(name: string): Connected[] {
    return [...this.#peers.values()].filter(({ member }) => member.name === name);
  }

  #member(token: string | null | undefined): Member | undefined {
    return token && !this.revoked.has(token) ? this.#members.get(token) : undefined;
  }

  // ------------------------------------------------------------------ HTTP

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", this.url);
    this.requests.push(`${request.method} ${url.pathname}`);
    if (this.stalled) return;
    const json = (status: number, body: unknown): void => {
      response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
    };
    const body = await readAll(request);

    if (/^\/v1\/(files|uploads)\//.test(url.pathname)) return this.#serveFile(request, url, body, response);
    const page = this.#pages(url.pathname);
    if (page) return void response.writeHead(200, { "Content-Type": page.type }).end(page.body);
    if (url.pathname === "/demo/session") {
      const participants = [...this.#members.values()].map(({ name, token }) => ({ name, token }));
      return json(200, { meeting: this.meeting, participants });
    }

    const member = this.#member(request.headers.authorization?.replace("Bearer ", ""));
    if (!member) return json(401, { success: false, error: { code: 401, message: "Unauthorized" } });
    if (url.pathname === "/v2/internals/participant-details") {
      const rights = { can_send: true, text: true, files: true };
      const chat = { public: rights, private: { ...rights, can_receive: true } };
      return json(200, {
        success: true,
        data: {
          participant: { id: member.id, name: member.name, custom_participant_id: `app-${member.name}` },
          meeting: this.meeting,
          preset: { name: "member", permissions: { chat } },
        },
      });
    }
    if (url.pathname === "/v2/meetings/chat-upload") {
      const { filename } = JSON.parse(body.toString()) as { filename: string };
      // Under a host that does not resolve: the client has to come back to where it asked.
      const host = "https://api.parley.invalid/v1";
      const id = ++this.#count;
      return json(200, {
        success: true,
        data: {
          put_location: `${host}/uploads/${id}?write=yes`,
          get_location: `${host}/files/${id}/${encodeURIComponent(filename)}?read=yes`,
        },
      });
    }
    json(404, { success: false, error: { code: 404, message: "no such page" } });
  }

  #serveFile(request: IncomingMessage, url: URL, body: Buffer, response: ServerResponse): void {
    const [, , kind, id = ""] = url.pathname.split("/");
    if (kind === "uploads") {
      if (request.method !== "PUT" || url.search !== "?write=yes") return void response.writeHead(403).end();
      this.#uploads.set(id, { type: request.headers["content-type"] ?? "", bytes: body });
      return void response.writeHead(200).end();
    }
    const file = this.#uploads.get(id);
    if (!file || url.search !== "?read=yes") return void response.writeHead(404).end();
    response.writeHead(200, { "Content-Type": file.type }).end(file.bytes);
  }

  // ---------------------------------------------------------------- socket

  #accept(socket: WebSocket, member: Member, peerId: string): void {
    this.#peers.get(peerId)?.socket.terminate();
    const peer: Connected = { member, peerId, socket, joined: false };
    this.#peers.set(peerId, peer);
    socket.on("message", (data: RawData, isBinary: boolean) => {
      if (!isBinary) return;
      const frame = decodeFrame(new Uint8Array(data as Buffer));
      this.frames.push(frame);
      if (!this.unanswered.has(frame.event)) this.#receive(peer, frame);
    });
    socket.on("close", (code) => {
      if (this.#peers.get(peerId) !== peer || (code !== 1000 && code !== 1001)) return;
      this.#peers.delete(peerId);
      this.#tellOthers(peer, FrameEvent.leaveRoom, PeerInfo.toBinary({ peer: wirePeer(peer) }));
    });
  }

  #receive(peer: Connected, frame: WireFrame): void {
    try {
      if (!peer.joined && frame.event !== FrameEvent.joinRoom) throw new Refusal("join first");
      this.#command(peer, frame);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const payload = EdgeError.toBinary({ errorMessage: error.message, eventId: frame.event });
      this.#send(peer, { event: FrameEvent.error, id: frame.id, payload });
    }
  }

  #command(peer: Connected, frame: WireFrame): void {
    const answer = (payload: Uint8Array): void => this.#send(peer, { event: frame.event, id: frame.id, payload });
    switch (frame.event) {
      case FrameEvent.joinRoom: {
        const info = PeerInfo.toBinary({ peer: wirePeer(peer) });
        if (!peer.joined) this.#tellOthers(peer, FrameEvent.joinRoom, info);
        peer.joined = true;
        return answer(info);
      }
      case FrameEvent.getMessages:
        return answer(ChatMessages.toBinary({ messages: this.#visibleTo(peer) }));
      case FrameEvent.getRoomInfo: {
        const room = { roomId: this.meeting.id, title: this.meeting.title, createdAt: 1_700_000_000 };
        return answer(RoomInfo.toBinary({ room: { ...room, roomUuid: "session-1", activeRecordings: [] } }));
      }
      case FrameEvent.getRoomPeersInfo:
        return answer(RoomPeers.toBinary({ peers: this.#joined().map(wirePeer) }));
      case FrameEvent.sendMessageToRoom: {
        const { payloadType, payload } = SendToRoom.fromBinary(frame.payload);
        return this.#say(peer, frame, this.#newMessage(peer.member, peer.peerId, payloadType, payload, []));
      }
      case FrameEvent.sendMessageToPeers: {
        const { peerIds, payloadType, payload } = SendToPeers.fromBinary(frame.payload);
        const users = new Set(peerIds.flatMap((id) => this.#peers.get(id)?.member.id ?? []));
        users.delete(peer.member.id);
        if (users.size === 0) throw new Refusal("nobody to send this to");
        const targets = [...users, peer.member.id];
        return this.#say(peer, frame, this.#newMessage(peer.member, peer.peerId, payloadType, payload, targets));
      }
      case FrameEvent.editMessage: {
        const { chatId, payload = "" } = EditMessage.fromBinary(frame.payload);
        const message = this.#own(peer, chatId);
        Object.assign(message, { payload, isEdited: true });
        return this.#tell(peer, frame, message, OneChatMessage.toBinary({ message }));
      }
      case FrameEvent.deleteMessage: {
        const { chatId } = DeleteMessage.fromBinary(frame.payload);
        const message = this.#own(peer, chatId);
        this.alter(chatId, undefined);
        return this.#tell(peer, frame, message, DeleteMessage.toBinary({ chatId }));
      }
      case FrameEvent.pinMessage: {
        const { chatId, pinned } = PinMessage.fromBinary(frame.payload);
        const message = this.#find(peer, chatId);
        message.pinned = pinned;
        return this.#tell(peer, frame, message, PinMessageResult.toBinary({ chatId, pinned, message }));
      }
      case FrameEvent.getPaginatedMessages: {
        const messages = this.#page(peer, PageRequest.fromBinary(frame.payload));
        return answer(Page.toBinary({ messages, next: false }));
      }
      default:
        throw new Refusal("unknown event");
    }
  }

  #say(peer: Connected, frame: WireFrame, message: ChatMessage): void {
    if (message.payload === "") throw new Refusal("a text must not be empty");
    if (message.payload.length > 2000) throw new Refusal("a text has at most 2,000 characters");
    this.#messages.push(message);
    this.#tell(peer, frame, message, OneChatMessage.toBinary({ message }));
  }

  /** The requester gets the frame with its own id, everybody else who can see the message with another. */
  #tell(requester: Connected, frame: WireFrame, message: ChatMessage, payload: Uint8Array): void {
    for (const peer of this.#joined()) {
      const id = peer === requester ? frame.id : "push";
      if (canSee(peer, message)) this.#send(peer, { event: frame.event, id, payload });
    }
  }

  #tellOthers(peer: Connected, event: number, payload: Uint8Array): void {
    for (const other of this.#joined()) if (other !== peer) this.#send(other, { event, id: "push", payload });
  }

  #send(peer: Connected, frame: WireFrame): void {
    peer.socket.send(encodeFrame(frame));
  }

  #joined(): Connected[] {
    return [...this.#peers.values()].filter(({ joined }) => joined);
  }

  // ------------------------------------------------------------------ chat

  #newMessage(member: Member, peerId: string, payloadType: number, payload: string, targets: string[]): ChatMessage {
    const createdAtMs = (this.#clock += 1_000);
    return ChatMessage.create({
      chatId: `message-${++this.#count}`,
      peerId,
      userId: member.id,
      displayName: member.name,
      payloadType,
      payload,
      targetUserIds: targets,
      createdAt: Math.floor(createdAtMs / 1000),
      createdAtMs,
    });
  }

  #visibleTo(peer: Connected): ChatMessage[] {
    return this.#messages.filter((message) => canSee(peer, message));
  }

  #find(peer: Connected, id: string): ChatMessage {
    const message = this.#visibleTo(peer).find(({ chatId }) => chatId === id);
    if (!message) throw new Refusal("no such message");
    return message;
  }

  #own(peer: Connected, id: string): ChatMessage {
    const message = this.#find(peer, id);
    if (message.userId !== peer.member.id) throw new Refusal("this message is not yours");
    return message;
  }

  #page(peer: Connected, { timeStamp, size, reversed, filters }: PageRequest): ChatMessage[] {
    const wanted = (message: ChatMessage): boolean => {
      if (filters?.filters.oneofKind === "pinned") return message.pinned;
      if (filters?.filters.oneofKind === "userId") return message.targetUserIds.includes(filters.filters.userId);
      return message.targetUserIds.length === 0;
    };
    const all = this.#visibleTo(peer).filter(wanted);
    const side = reversed
      ? all.filter(({ createdAtMs = 0 }) => createdAtMs <= timeStamp).reverse()
      : all.filter(({ createdAtMs = 0 }) => createdAtMs >= timeStamp);
    return side.slice(0, size || 50);
  }
}

function canSee(peer: Connected, message: ChatMessage): boolean {
  return message.targetUserIds.length === 0 || message.targetUserIds.includes(peer.member.id);
}

function wirePeer({ peerId, member }: Connected): Peer {
  return {
    peerId,
    userId: member.id,
    displayName: member.name,
    customParticipantId: `app-${member.name}`,
    waitlisted: false,
    flags: { presetName: "member", recorderType: "NONE", hiddenParticipant: false },
  };
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
