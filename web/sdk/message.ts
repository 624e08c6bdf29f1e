// Messages as an app sees them, and how they are read from the wire.
import type { Endpoint } from "./endpoint.js";
import type { ChatMessage } from "./generated/rtk.js";
import { asRecord, asString, parseJson } from "./json.js";

export type MessageType = "text" | "image" | "file" | "custom";

interface MessageBase {
  /** Unique and stable. */
  readonly id: string;
  /** Participant id of the sender. */
  readonly userId: string;
  /** The sender's name at the time of sending. */
  readonly displayName: string;
  /** When the server stored it; an edit keeps it. */
  readonly time: Date;
  /** The same in unix milliseconds: unique and increasing within a meeting, and the cursor of `fetch...Messages`. */
  readonly timeMs: number;
  readonly isEdited: boolean;
  readonly pinned: boolean;
  /** Empty for a public message, else the participant ids of all who can see it, the sender included. */
  readonly targetUserIds: readonly string[];
}

export interface TextMessage extends MessageBase {
  readonly type: "text";
  /** As it was written. Not HTML: show it as text. */
  readonly message: string;
}

export interface ImageMessage extends MessageBase {
  readonly type: "image";
  /** An http or https URL, or "" if the message holds none. */
  readonly link: string;
}

export interface FileMessage extends MessageBase {
  readonly type: "file";
  /** The name the sender gave; do not trust its ending. */
  readonly name: string;
  /** Bytes, as the sender said. */
  readonly size: number;
  /** An http or https URL, or "" if the message holds none. */
  readonly link: string;
}

/** What a custom message links to. */
export interface CustomLink {
  readonly link: string;
  readonly type: string;
  readonly name: string;
  readonly size: number;
}

/** A message in a form of the app's own, sent by another kind of client. */
export interface CustomMessage extends MessageBase {
  readonly type: "custom";
  readonly message: string;
  /** HTML from another participant: never put it into a page without sanitising it. */
  readonly html: string;
  readonly files: readonly CustomLink[];
  readonly images: readonly CustomLink[];
  readonly videos: readonly CustomLink[];
}

export type Message = TextMessage | ImageMessage | FileMessage | CustomMessage;

/** `payload_type` on the wire. */
export const payloadType = { text: 0, image: 1, file: 2, custom: 3 } as const;

/** The payload of a file message: JSON in this form. */
export function filePayload(link: string, file: File): string {
  return JSON.stringify({ link, name: file.name, size: file.size });
}

/**
 * Reads a message from the wire; undefined for a type of a later version. The payload was written by another
 * participant, so whatever is in it, this does not throw.
 *
 * @internal
 */
export function readMessage(wire: ChatMessage, endpoint: Endpoint): Message | undefined {
  const timeMs = wire.createdAtMs ?? wire.createdAt * 1000;
  const base: MessageBase = {
    id: wire.chatId,
    userId: wire.userId,
    displayName: wire.displayName,
    time: new Date(timeMs),
    timeMs,
    isEdited: wire.isEdited,
    pinned: wire.pinned,
    targetUserIds: wire.targetUserIds,
  };
  switch (wire.payloadType) {
    case payloadType.text:
      return { ...base, type: "text", message: wire.payload };
    case payloadType.image:
      return { ...base, type: "image", link: endpoint.resolve(wire.payload) };
    case payloadType.file:
      return { ...base, type: "file", ...readFile(parseJson(wire.payload), endpoint) };
    case payloadType.custom: {
      const payload = asRecord(parseJson(wire.payload));
      return {
        ...base,
        type: "custom",
        message: asString(payload["message"]),
        html: asString(payload["html"]),
        files: readLinks(payload["files"], endpoint),
        images: readLinks(payload["images"], endpoint),
        videos: readLinks(payload["videos"], endpoint),
      };
    }
    default:
      return undefined;
  }
}

function readFile(value: unknown, endpoint: Endpoint): { link: string; name: string; size: number } {
  const file = asRecord(value);
  const size = file["size"];
  return {
    link: endpoint.resolve(asString(file["link"])),
    name: asString(file["name"]),
    size: typeof size === "number" ? size : 0,
  };
}

function readLinks(value: unknown, endpoint: Endpoint): CustomLink[] {
  if (!Array.isArray(value)) return [];
  return value.map((item: unknown) => ({ ...readFile(item, endpoint), type: asString(asRecord(item)["type"]) }));
}
