// Reading JSON whose shape is only hoped for: from the server, or written by another participant.

/** The value as an object, or an empty one if it is anything else. */
export function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

/** The value if it is a string, else "". */
export function asString(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** Parses JSON, giving undefined for what is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
