// The demo meeting and its tokens, which the server hands to this page.

export interface DemoParticipant {
  readonly name: string;
  readonly token: string;
}

export interface DemoSession {
  readonly meeting: { readonly id: string; readonly title: string };
  readonly participants: readonly DemoParticipant[];
}

/** Asks the server this page came from. Throws an Error with a sentence for the visitor. */
export async function loadSession(): Promise<DemoSession> {
  const response = await fetch("/demo/session").catch((cause: unknown) => {
    throw new Error("The server cannot be reached. Is it still running?", { cause });
  });
  if (!response.ok) throw new Error(`The server offers no demo meeting (status ${response.status}).`);
  const session: unknown = await response.json().catch(() => undefined);
  if (!isSession(session)) throw new Error("The server's demo meeting cannot be read.");
  return session;
}

function isSession(value: unknown): value is DemoSession {
  const { meeting, participants } = (value ?? {}) as Partial<DemoSession>;
  return (
    typeof meeting?.title === "string" &&
    Array.isArray(participants) &&
    participants.length > 0 &&
    participants.every(({ name, token }) => typeof name === "string" && typeof token === "string")
  );
}

/**
 * Which participants the address asks for: one with `#solo=1` (the first) or `?as=N`, else the first two. An `as` that
 * is not there counts as 0.
 */
export function chosenParticipants(address: { search: string; hash: string }, count: number): number[] {
  const search = new URLSearchParams(address.search);
  const hash = new URLSearchParams(address.hash.replace(/^#/, ""));
  const as = search.get("as") ?? hash.get("as");
  if (as === null && hash.get("solo") !== "1" && search.get("solo") !== "1") return [0, 1].slice(0, count);
  const index = Number(as ?? 0);
  return [Number.isInteger(index) && index >= 0 && index < count ? index : 0];
}
