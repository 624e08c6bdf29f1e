// The messages of a meeting that this client holds: ordered by time, each once.
import type { Message } from "./message.js";

/** More than the history of a join (1,000), so that a long meeting does not fill the page's memory. */
const maxMessages = 10_000;

export type Change =
  | { readonly action: "add"; readonly message: Message }
  | { readonly action: "edit"; readonly message: Message }
  | { readonly action: "delete"; readonly message: Message };

export class Timeline {
  #byId = new Map<string, Message>();
  #ordered: Message[] = [];
  #snapshot: readonly Message[] | undefined;

  /** All messages, oldest first. The array does not change; after a change there is a new one. */
  get messages(): readonly Message[] {
    return (this.#snapshot ??= [...this.#ordered]);
  }

  get(id: string): Message | undefined {
    return this.#byId.get(id);
  }

  /** Puts a message where its time says. One that is there already is replaced; if by its equal, nothing changes. */
  put(message: Message): Change | undefined {
    const known = this.#byId.get(message.id);
    if (known) return this.update(message);
    this.#byId.set(message.id, message);
    this.#ordered.splice(this.#indexAfter(message.timeMs), 0, message);
    if (this.#ordered.length > maxMessages) this.#byId.delete(this.#ordered.shift()!.id);
    this.#snapshot = undefined;
    return { action: "add", message };
  }

  /** Replaces a message that is there. Others are left out: they would stand before a gap. */
  update(message: Message): Change | undefined {
    const known = this.#byId.get(message.id);
    if (!known || same(known, message)) return undefined;
    this.#byId.set(message.id, message);
    this.#ordered[this.#ordered.indexOf(known)] = message;
    this.#snapshot = undefined;
    return { action: "edit", message };
  }

  remove(id: string): Change | undefined {
    const message = this.#byId.get(id);
    if (!message) return undefined;
    this.#byId.delete(id);
    this.#ordered.splice(this.#ordered.indexOf(message), 1);
    this.#snapshot = undefined;
    return { action: "delete", message };
  }

  /**
   * Takes the server's list in place of what was held, and gives the changes that lead from the one to the other:
   * whoever applies them to the old list has the new one.
   */
  replace(messages: readonly Message[]): Change[] {
    const next = new Map(messages.map((message) => [message.id, message]));
    const removed = this.#ordered.filter((message) => !next.has(message.id));
    return [...removed.map(({ id }) => this.remove(id)), ...messages.map((message) => this.put(message))].filter(
      (change) => change !== undefined,
    );
  }

  /** Where a message of this time belongs: nearly always at the end, so the search begins there. */
  #indexAfter(timeMs: number): number {
    let index = this.#ordered.length;
    while (index > 0 && this.#ordered[index - 1]!.timeMs > timeMs) index--;
    return index;
  }
}

function same(a: Message, b: Message): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
