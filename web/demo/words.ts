// What the page says in words.
import { type ConnectionState, isParleyError } from "../sdk/index.js";

export const stateWords: Record<ConnectionState, string> = {
  connecting: "connecting…",
  connected: "connected",
  reconnecting: "reconnecting…",
  closed: "closed",
};

/** What went wrong, for the one who caused it. */
export function explain(error: unknown): string {
  if (!isParleyError(error)) return error instanceof Error ? error.message : "Something went wrong.";
  switch (error.kind) {
    case "refused":
      return `The server refused: ${error.message}`;
    case "http":
      if (error.status === 401) return "This token is not valid any more. Reload the page.";
      return `The server refused: ${error.message}`;
    case "unreachable":
      return "The server cannot be reached; nothing was sent.";
    case "unconfirmed":
      return "The connection was lost while sending. It may have arrived.";
    case "closed":
    case "protocol":
      return `${error.message[0]?.toUpperCase()}${error.message.slice(1)}.`;
  }
}

export function fileSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const units = ["kB", "MB", "GB"];
  let size = bytes / 1000;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${size.toPrecision(3)} ${units[unit]}`;
}

/** The time of day, with the date in front if that is not today. */
export function clock(time: Date, now: Date = new Date()): string {
  const timeOfDay = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (time.toDateString() === now.toDateString()) return timeOfDay;
  return `${time.toLocaleDateString([], { day: "numeric", month: "short" })}, ${timeOfDay}`;
}
