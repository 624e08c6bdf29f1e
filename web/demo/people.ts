// Who is here, by person rather than by tab, and what everybody is called.
import type { ParleyClient } from "../sdk/index.js";
import { part } from "./dom.js";

export class People {
  readonly #meeting: ParleyClient;
  readonly #list: HTMLElement;
  /** Peer ids seen last, by participant id; those who left stay. */
  readonly #peers = new Map<string, string[]>();
  readonly #names = new Map<string, string>();

  constructor(pane: HTMLElement, meeting: ParleyClient) {
    this.#meeting = meeting;
    this.#list = part(pane, "people", HTMLElement);
  }

  /** Brings the list in line with the meeting. */
  update(): void {
    const { self, participants, chat } = this.#meeting;
    const present = new Map<string, string[]>();
    for (const { id, userId, name } of participants.joined.values()) {
      present.set(userId, [...(present.get(userId) ?? []), id]);
      this.#names.set(userId, name);
    }
    for (const [userId, peerIds] of present) this.#peers.set(userId, peerIds);
    for (const { userId, displayName } of chat.messages) {
      if (!this.#names.has(userId)) this.#names.set(userId, displayName);
    }
    this.#names.set(self.userId, self.name);

    const others = [...present.keys()].filter((id) => id !== self.userId);
    this.#list.replaceChildren(
      person(self.userId, `${self.name} (you)`),
      ...others.map((userId) => person(userId, this.name(userId))),
    );
  }

  /** The others who are present, by participant id. */
  get present(): string[] {
    const ids = new Set([...this.#meeting.participants.joined.values()].map(({ userId }) => userId));
    ids.delete(this.#meeting.self.userId);
    return [...ids];
  }

  /** Where a private message to somebody goes: all their tabs, or the last known ones if they have left. */
  peersOf(userId: string): readonly string[] {
    return this.#peers.get(userId) ?? [];
  }

  readonly name = (userId: string): string => this.#names.get(userId) ?? "somebody who left";
}

function person(userId: string, label: string): HTMLElement {
  const item = document.createElement("li");
  item.dataset["testid"] = "person";
  item.dataset["userId"] = userId;
  item.textContent = label;
  return item;
}
