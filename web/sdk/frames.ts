// The frames of the socket: event numbers, and the envelope around each payload. The payloads are the generated types.
import { Frame } from "./generated/rtk.js";

/** The events this client asks for or listens to. A number is namespace * 65536 + index. */
export const FrameEvent = {
  getRoomPeersInfo: 2,
  joinRoom: 3,
  leaveRoom: 4,
  getRoomInfo: 5,
  kick: 30,
  kickAll: 31,
  getMessages: 0x10000,
  sendMessageToRoom: 0x10001,
  sendMessageToPeers: 0x10002,
  editMessage: 0x10003,
  deleteMessage: 0x10004,
  getPaginatedMessages: 0x10005,
  pinMessage: 0x1000a,
  updateUserPreset: 0x50001,
  error: 65535,
} as const;

/** The text messages of the keep-alive: the server asks, the client answers. Everything else is binary. */
export const keepAlive = { ask: "2", answer: "3" } as const;

/** One frame: `payload` is the encoded message that belongs to `event`, empty where there is none. */
export interface WireFrame {
  event: number;
  id: string;
  payload: Uint8Array;
}

export function encodeFrame(frame: WireFrame): Uint8Array {
  return Frame.toBinary(frame);
}

/** Reads one frame. Throws on bytes that are not one. */
export function decodeFrame(bytes: Uint8Array): WireFrame {
  const { event, id = "", payload = new Uint8Array() } = Frame.fromBinary(bytes, { readUnknownField: false });
  return { event, id, payload };
}
