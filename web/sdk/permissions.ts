// What a preset allows in chat. The server enforces it; a client reads it to offer only what will be accepted.
import type { ChatPermission } from "./generated/rtk.js";
import { asRecord } from "./json.js";

/** What this participant may do in chat. */
export interface ChatPermissions {
  readonly public: {
    /** May write to everybody at all. */
    readonly canSend: boolean;
    readonly text: boolean;
    /** Images and files. */
    readonly files: boolean;
  };
  readonly private: {
    /** May write to chosen participants at all. */
    readonly canSend: boolean;
    readonly canReceive: boolean;
    readonly text: boolean;
    /** Images and files. */
    readonly files: boolean;
  };
}

/** Reads `preset` of the participant details. What is missing is not allowed. */
export function readPermissions(preset: unknown): ChatPermissions {
  const chat = asRecord(asRecord(asRecord(preset)["permissions"])["chat"]);
  const open = asRecord(chat["public"]);
  const closed = asRecord(chat["private"]);
  return {
    public: { canSend: open["can_send"] === true, text: open["text"] === true, files: open["files"] === true },
    private: {
      canSend: closed["can_send"] === true,
      canReceive: closed["can_receive"] === true,
      text: closed["text"] === true,
      files: closed["files"] === true,
    },
  };
}

/**
 * Applies a live change, in which only the fields present count.
 *
 * @internal
 */
export function patchPermissions(before: ChatPermissions, patch: ChatPermission): ChatPermissions {
  return {
    public: {
      canSend: patch.public?.canSend ?? before.public.canSend,
      text: patch.public?.text ?? before.public.text,
      files: patch.public?.files ?? before.public.files,
    },
    private: {
      canSend: patch.private?.canSend ?? before.private.canSend,
      canReceive: patch.private?.canReceive ?? before.private.canReceive,
      text: patch.private?.text ?? before.private.text,
      files: patch.private?.files ?? before.private.files,
    },
  };
}
