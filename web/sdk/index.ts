export {
  Chat,
  type ChatEvents,
  type ChatUpdate,
  type FetchOptions,
  type FetchPrivateOptions,
  type MessagePayload,
  type PinUpdate,
} from "./chat.js";
export { type JoinOptions, type MeetingEvents, type MeetingMeta, ParleyClient } from "./client.js";
export type { ConnectionState, StateChange } from "./connection.js";
export { Emitter } from "./emitter.js";
export {
  ClosedError,
  type CloseReason,
  HttpError,
  isParleyError,
  type ParleyError,
  ProtocolError,
  RefusedError,
  UnconfirmedError,
  UnreachableError,
} from "./errors.js";
export type {
  CustomLink,
  CustomMessage,
  FileMessage,
  ImageMessage,
  Message,
  MessageType,
  TextMessage,
} from "./message.js";
export {
  type Participant,
  Participants,
  type ParticipantsEvents,
  Self,
  type SelfEvents,
} from "./participants.js";
export type { ChatPermissions } from "./permissions.js";
