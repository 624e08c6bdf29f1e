/**
 * Makes a peer id: a random UUID (version 4). Not `crypto.randomUUID()`, which browsers offer on https and localhost
 * only, while a server on a private network may well be plain http.
 */
export function newPeerId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/**
 * Gives out the frame ids of one peer, `<peer id>-<short tail>`. The tail counts, so that no id comes twice while the
 * page lives, however often it reconnects.
 */
export function requestIds(peerId: string): () => string {
  let count = 0;
  return () => `${peerId}-${(count++).toString(36).padStart(4, "0")}`;
}
