// The list of messages, and where in it the reader is.
import type { Message, ParleyClient } from "../sdk/index.js";
import { part } from "./dom.js";
import { MessageView, type NameOf } from "./message_view.js";

/** Nearer to the end than this counts as reading the newest. */
const endMarginPx = 60;
const sameBreathMs = 5 * 60_000;

export class Log {
  readonly #meeting: ParleyClient;
  readonly #nameOf: NameOf;
  readonly #scroll: HTMLElement;
  readonly #live: HTMLElement;
  readonly #list: HTMLElement;
  readonly #empty: HTMLElement;
  readonly #jump: HTMLButtonElement;
  readonly #jumpText: HTMLElement;
  readonly #views = new Map<string, MessageView>();
  #unseen = 0;
  #following = true;

  constructor(pane: HTMLElement, meeting: ParleyClient, nameOf: NameOf) {
    this.#meeting = meeting;
    this.#nameOf = nameOf;
    this.#scroll = part(pane, "scroll", HTMLElement);
    this.#live = part(pane, "log", HTMLElement);
    this.#list = part(pane, "messages", HTMLElement);
    this.#empty = part(pane, "empty", HTMLElement);
    this.#jump = part(pane, "jump", HTMLButtonElement);
    this.#jumpText = part(pane, "jump-text", HTMLElement);
    this.#list.replaceChildren();
    this.#jump.onclick = () => this.toEnd();
    this.#scroll.onscroll = () => {
      this.#following = this.#atEnd();
      if (this.#following) this.#countUnseen(0);
    };
    // Images get their height late, and other parts of the pane open and close: who reads the newest goes on doing so.
    const sizes = new ResizeObserver(() => this.#following && this.toEnd());
    sizes.observe(this.#scroll);
    sizes.observe(this.#live);
  }

  /** Shows the history. Screen readers are told only what comes after it. */
  start(): void {
    this.#live.ariaLive = "off";
    this.update();
    this.toEnd();
    requestAnimationFrame(() => (this.#live.ariaLive = "polite"));
  }

  /** Brings the list in line with the chat. What is already shown stays where it is. */
  update(): void {
    const { messages } = this.#meeting.chat;
    const known = this.#views.size > 0 ? new Set(this.#views.keys()) : undefined;
    this.#dropAllBut(messages);

    let previous: Message | undefined;
    messages.forEach((message, index) => {
      const view = this.#view(message);
      view.continued = previous !== undefined && goesOn(previous, message);
      const place = this.#list.children[index];
      if (place !== view.element) this.#list.insertBefore(view.element, place ?? null);
      previous = message;
    });

    this.#empty.hidden = messages.length > 0;
    const { userId } = this.#meeting.self;
    const added = known ? messages.filter((message) => !known.has(message.id)) : [];
    if (this.#following || added.some((message) => message.userId === userId)) this.toEnd();
    else this.#countUnseen(this.#unseen + added.length);
  }

  toEnd(): void {
    this.#following = true;
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#countUnseen(0);
  }

  #view(message: Message): MessageView {
    let view = this.#views.get(message.id);
    if (view) view.update(message);
    else this.#views.set(message.id, (view = new MessageView(this.#meeting, this.#nameOf, message)));
    return view;
  }

  #dropAllBut(messages: readonly Message[]): void {
    const present = new Set(messages.map(({ id }) => id));
    for (const [id, { element }] of this.#views) {
      if (present.has(id)) continue;
      // The keyboard must not fall out of the page with the message it was on.
      if (element.contains(document.activeElement)) this.#scroll.focus({ preventScroll: true });
      element.remove();
      this.#views.delete(id);
    }
  }

  #atEnd(): boolean {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < endMarginPx;
  }

  #countUnseen(count: number): void {
    this.#unseen = count;
    this.#jump.hidden = count === 0;
    this.#jumpText.textContent = count === 1 ? "1 new message" : `${count} new messages`;
  }
}

function goesOn(previous: Message, message: Message): boolean {
  return (
    previous.userId === message.userId &&
    previous.displayName === message.displayName &&
    message.timeMs - previous.timeMs < sameBreathMs &&
    previous.targetUserIds.join() === message.targetUserIds.join()
  );
}
