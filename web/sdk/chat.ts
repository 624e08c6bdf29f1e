// The chat of a meeting.
import type { Ask, Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import type { Endpoint } from "./endpoint.js";
import { ProtocolError } from "./errors.js";
import { FrameEvent } from "./frames.js";
import {
  type ChatMessage,
  ChatMessages,
  DeleteMessage,
  EditMessage,
  OneChatMessage,
  Page,
  type PageFilter,
  PageRequest,
  PinMessage,
  PinMessageResult,
  SendToPeers,
  SendToRoom,
} from "./generated/rtk.js";
import {
  filePayload,
  type FileMessage,
  type ImageMessage,
  type Message,
  type MessageType,
  payloadType,
  readMessage,
  type TextMessage,
} from "./message.js";
import { type Change, Timeline } from "./timeline.js";

/** What `sendMessage` and `editMessage` take: any of the three kinds. */
export type MessagePayload =
  | { readonly type: "text"; readonly message: string }
  | { readonly type: "image"; readonly image: File }
  | { readonly type: "file"; readonly file: File };

/** A change of the chat, and `chat.messages` after it. */
export type ChatUpdate =
  | { readonly action: "add" | "edit"; readonly message: Message; readonly messages: readonly Message[] }
  | {
      readonly action: "delete";
      /** The message that is gone; only its id if it was not in `chat.messages`. */
      readonly message: Message | { readonly id: string };
      readonly messages: readonly Message[];
    };

export interface PinUpdate {
  readonly message: Message;
  readonly messages: readonly Message[];
}

export interface ChatEvents {
  /**
   * A message came, was edited, pinned or unpinned (`edit`), or deleted. Own ones too. What happened while the
   * connection was down comes after the reconnect. Nothing is fired for the history that is there after `join`.
   */
  chatUpdate: ChatUpdate;
  pinMessage: PinUpdate;
  unpinMessage: PinUpdate;
}

export interface FetchOptions {
  /**
   * Where the page begins, in unix milliseconds, that time included. Default: from the newest message for "before",
   * from the oldest for "after".
   */
  readonly timestamp?: number;
  /** How many messages at most; default 50. */
  readonly limit?: number;
  /** "before" gives older messages, newest first; "after" gives newer ones, oldest first. Default "before". */
  readonly direction?: "before" | "after";
}

export interface FetchPrivateOptions extends FetchOptions {
  /** The participant id of the other side. */
  readonly userId: string;
}

/** Later than any message, and the greatest time that a Date can hold. */
const endOfTime = 8.64e15;

/**
 * Every method that changes something resolves when the server has stored the change, and rejects with a ParleyError
 * if it refused or could not be asked. The change is in `messages`, and its events are fired, before that.
 */
export class Chat extends Emitter<ChatEvents> {
  readonly #ask: Ask;
  readonly #endpoint: Endpoint;
  readonly #upload: (file: File) => Promise<string>;
  readonly #timeline = new Timeline();

  /** @internal */
  constructor(connection: Connection, endpoint: Endpoint, upload: (file: File) => Promise<string>) {
    super();
    this.#ask = connection.request;
    this.#endpoint = endpoint;
    this.#upload = upload;
    const added = (payload: Uint8Array): void => this.#added(OneChatMessage.fromBinary(payload));
    connection.handle(FrameEvent.getMessages, (payload) => this.#load(ChatMessages.fromBinary(payload)));
    connection.handle(FrameEvent.sendMessageToRoom, added);
    connection.handle(FrameEvent.sendMessageToPeers, added);
    connection.handle(FrameEvent.editMessage, (payload) => this.#edited(OneChatMessage.fromBinary(payload)));
    connection.handle(FrameEvent.deleteMessage, (payload) => this.#deleted(DeleteMessage.fromBinary(payload)));
    connection.handle(FrameEvent.pinMessage, (payload) => this.#pinned(PinMessageResult.fromBinary(payload)));
  }

  /**
   * The messages this participant can see, oldest first: up to the newest 1,000 at the time of joining, and all since
   * (when more than 10,000 are held, the oldest are let go). After a change this is a new array.
   */
  get messages(): readonly Message[] {
    return this.#timeline.messages;
  }

  /** Those of `messages` that are pinned. For older ones see `fetchPinnedMessages`. */
  get pinned(): readonly Message[] {
    return this.messages.filter(({ pinned }) => pinned);
  }

  getMessagesByUser(userId: string): Message[] {
    return this.messages.filter((message) => message.userId === userId);
  }

  getMessagesByType<Type extends MessageType>(type: Type): Extract<Message, { type: Type }>[] {
    return this.messages.filter((message): message is Extract<Message, { type: Type }> => message.type === type);
  }

  /**
   * Sends a text to everybody, or privately to the participants whose peer ids are given. An empty list is refused
   * rather than taken for everybody. Resolves with the message as it was stored.
   */
  async sendTextMessage(message: string, peerIds?: readonly string[]): Promise<TextMessage> {
    return this.#send("text", message, peerIds);
  }

  /** Uploads an image (GIF, JPEG or PNG) and sends it, to be shown in the chat. Recipients as in `sendTextMessage`. */
  async sendImageMessage(image: File, peerIds?: readonly string[]): Promise<ImageMessage> {
    return this.#send("image", await this.#upload(image), peerIds);
  }

  /** Uploads a file and sends it, to be downloaded from the chat. Recipients as in `sendTextMessage`. */
  async sendFileMessage(file: File, peerIds?: readonly string[]): Promise<FileMessage> {
    return this.#send("file", filePayload(await this.#upload(file), file), peerIds);
  }

  /** Sends a message of any kind. Recipients as in `sendTextMessage`. */
  async sendMessage(message: MessagePayload, peerIds?: readonly string[]): Promise<Message> {
    switch (message.type) {
      case "text":
        return this.sendTextMessage(message.message, peerIds);
      case "image":
        return this.sendImageMessage(message.image, peerIds);
      case "file":
        return this.sendFileMessage(message.file, peerIds);
    }
  }

  async editTextMessage(messageId: string, message: string): Promise<TextMessage> {
    return this.#edit(messageId, "text", message);
  }

  /** Uploads an image and puts it in place of the message's own. */
  async editImageMessage(messageId: string, image: File): Promise<ImageMessage> {
    return this.#edit(messageId, "image", await this.#upload(image));
  }

  /** Uploads a file and puts it in place of the message's own. */
  async editFileMessage(messageId: string, file: File): Promise<FileMessage> {
    return this.#edit(messageId, "file", filePayload(await this.#upload(file), file));
  }

  /** Edits a message; the payload must be of the message's own kind. */
  async editMessage(messageId: string, message: MessagePayload): Promise<Message> {
    switch (message.type) {
      case "text":
        return this.editTextMessage(messageId, message.message);
      case "image":
        return this.editImageMessage(messageId, message.image);
      case "file":
        return this.editFileMessage(messageId, message.file);
    }
  }

  async deleteMessage(messageId: string): Promise<void> {
    await this.#ask(FrameEvent.deleteMessage, DeleteMessage.toBinary({ chatId: messageId }));
  }

  async pin(messageId: string): Promise<void> {
    await this.#ask(FrameEvent.pinMessage, PinMessage.toBinary({ chatId: messageId, pinned: true }));
  }

  async unpin(messageId: string): Promise<void> {
    await this.#ask(FrameEvent.pinMessage, PinMessage.toBinary({ chatId: messageId, pinned: false }));
  }

  /** A page of the public messages, from the server; `messages` is left as it is. */
  fetchPublicMessages(options: FetchOptions = {}): Promise<Message[]> {
    return this.#fetch(options);
  }

  /** A page of the private messages between oneself and another participant. */
  fetchPrivateMessages(options: FetchPrivateOptions): Promise<Message[]> {
    return this.#fetch(options, { filters: { oneofKind: "userId", userId: options.userId } });
  }

  /** A page of the pinned messages, by the time of the messages. */
  fetchPinnedMessages(options: FetchOptions = {}): Promise<Message[]> {
    return this.#fetch(options, { filters: { oneofKind: "pinned", pinned: true } });
  }

  async #send<Type extends "text" | "image" | "file">(
    type: Type,
    payload: string,
    peerIds: readonly string[] | undefined,
  ): Promise<Extract<Message, { type: Type }>> {
    const message = { payloadType: payloadType[type], payload };
    const answer = peerIds
      ? await this.#ask(FrameEvent.sendMessageToPeers, SendToPeers.toBinary({ ...message, peerIds: [...peerIds] }))
      : await this.#ask(FrameEvent.sendMessageToRoom, SendToRoom.toBinary(message));
    return this.#stored(type, answer);
  }

  async #edit<Type extends "text" | "image" | "file">(
    messageId: string,
    type: Type,
    payload: string,
  ): Promise<Extract<Message, { type: Type }>> {
    const edit = { chatId: messageId, payloadType: payloadType[type], payload };
    return this.#stored(type, await this.#ask(FrameEvent.editMessage, EditMessage.toBinary(edit)));
  }

  /** The message an answer carries: the one in the timeline if it is held there. */
  #stored<Type extends MessageType>(type: Type, answer: Uint8Array): Extract<Message, { type: Type }> {
    const message = this.#read(OneChatMessage.fromBinary(answer).message);
    const stored = message && (this.#timeline.get(message.id) ?? message);
    if (stored?.type !== type) throw new ProtocolError(`the server answered with no ${type} message`);
    return stored as Extract<Message, { type: Type }>;
  }

  async #fetch(
    { timestamp, limit = 50, direction = "before" }: FetchOptions,
    filters?: PageFilter,
  ): Promise<Message[]> {
    const reversed = direction === "before";
    const request = PageRequest.toBinary({
      timeStamp: timestamp ?? (reversed ? endOfTime : 0),
      size: limit,
      from: 0,
      reversed,
      ...(filters && { filters }),
    });
    return this.#readAll(Page.fromBinary(await this.#ask(FrameEvent.getPaginatedMessages, request)).messages);
  }

  #load({ messages }: ChatMessages): void {
    // The first time, before join resolves, nobody can be listening yet.
    for (const change of this.#timeline.replace(this.#readAll(messages))) this.#tell(change);
  }

  #added({ message: wire }: OneChatMessage): void {
    const message = this.#read(wire);
    const change = message && this.#timeline.put(message);
    if (change) this.#tell(change);
  }

  #edited({ message: wire }: OneChatMessage): void {
    const message = this.#read(wire);
    if (!message) return;
    this.#timeline.update(message);
    this.#tell({ action: "edit", message });
  }

  #deleted({ chatId }: DeleteMessage): void {
    const change = this.#timeline.remove(chatId);
    const message = change?.message ?? { id: chatId };
    this.emit("chatUpdate", { action: "delete", message, messages: this.messages });
  }

  #pinned({ message: wire }: PinMessageResult): void {
    const message = this.#read(wire);
    if (!message) return;
    this.#timeline.update(message);
    this.#tell({ action: "edit", message });
    this.emit(message.pinned ? "pinMessage" : "unpinMessage", { message, messages: this.messages });
  }

  #tell({ action, message }: Change): void {
    this.emit("chatUpdate", { action, message, messages: this.messages });
  }

  #read(wire: ChatMessage | undefined): Message | undefined {
    if (!wire?.chatId) throw new ProtocolError("a message without id");
    return readMessage(wire, this.#endpoint);
  }

  #readAll(wire: readonly ChatMessage[]): Message[] {
    return wire.map((message) => this.#read(message)).filter((message) => message !== undefined);
  }
}
