// One message in the log.
import type { Message, ParleyClient } from "../sdk/index.js";
import { clone, fillAvatar, part, showText, takeFile } from "./dom.js";
import { clock, explain, fileSize } from "./words.js";

/** Gives the name of a participant by id. */
export type NameOf = (userId: string) => string;

export class MessageView {
  readonly element = clone("message");
  readonly #meeting: ParleyClient;
  readonly #nameOf: NameOf;
  readonly #body = part(this.element, "body", HTMLElement);
  readonly #actions = part(this.element, "actions", HTMLElement);
  readonly #failure = part(this.element, "failure", HTMLElement);
  readonly #pin = part(this.element, "pin", HTMLButtonElement);
  #message: Message;
  #editing = false;

  constructor(meeting: ParleyClient, nameOf: NameOf, message: Message) {
    this.#meeting = meeting;
    this.#nameOf = nameOf;
    this.#message = message;
    this.#listen();
    this.#show(message);
  }

  /** Shows a newer state of the message; an edit in progress is left alone. */
  update(message: Message): void {
    if (message === this.#message) return;
    this.#message = message;
    this.#show(message);
  }

  /** Whether the message goes on from the one above, so that sender and time need not be repeated. */
  set continued(continued: boolean) {
    this.element.toggleAttribute("data-continued", continued);
  }

  #listen(): void {
    const replace = part(this.element, "replace", HTMLInputElement);
    part(this.element, "edit", HTMLButtonElement).addEventListener("click", () => {
      if (this.#message.type === "text") this.#edit(this.#message.message);
      else replace.click();
    });
    replace.addEventListener("change", () => {
      const file = takeFile(replace);
      if (file) void this.#try(this.#replace(file));
    });
    this.#pin.addEventListener("click", () => {
      const { chat } = this.#meeting;
      void this.#try(this.#message.pinned ? chat.unpin(this.#message.id) : chat.pin(this.#message.id));
    });
    part(this.element, "delete", HTMLButtonElement).addEventListener("click", () => {
      void this.#try(this.#meeting.chat.deleteMessage(this.#message.id));
    });
  }

  #replace(file: File): Promise<unknown> {
    const { chat } = this.#meeting;
    return this.#message.type === "image"
      ? chat.editImageMessage(this.#message.id, file)
      : chat.editFileMessage(this.#message.id, file);
  }

  async #try(action: Promise<unknown>): Promise<void> {
    showText(this.#failure, "");
    try {
      await action;
    } catch (error) {
      showText(this.#failure, explain(error));
    }
  }

  #show(message: Message): void {
    const { element } = this;
    const own = message.userId === this.#meeting.self.userId;
    element.dataset["messageId"] = message.id;
    element.dataset["type"] = message.type;
    element.classList.toggle("own", own);
    element.classList.toggle("whispered", message.targetUserIds.length > 0);
    fillAvatar(part(element, "avatar", HTMLElement), message.userId, message.displayName);
    part(element, "author", HTMLElement).textContent = message.displayName;
    const time = part(element, "time", HTMLTimeElement);
    time.dateTime = message.time.toISOString();
    time.title = message.time.toLocaleString();
    time.textContent = clock(message.time);
    showText(part(element, "private", HTMLElement), this.#privacy(message));
    part(element, "pinned-badge", HTMLElement).hidden = !message.pinned;
    part(element, "edited-badge", HTMLElement).hidden = !message.isEdited;
    part(element, "delete", HTMLElement).hidden = !own;
    part(element, "edit", HTMLElement).hidden = !own || message.type === "custom";
    this.#showPin(message.pinned);
    if (!this.#editing) this.#body.replaceChildren(content(message));
  }

  #showPin(pinned: boolean): void {
    const label = pinned ? "Unpin" : "Pin";
    this.#pin.title = label;
    this.#pin.setAttribute("aria-label", label);
    this.#pin.dataset["testid"] = label.toLowerCase();
  }

  #privacy({ targetUserIds, userId }: Message): string {
    if (targetUserIds.length === 0) return "";
    const { self } = this.#meeting;
    const others = targetUserIds.filter((id) => id !== userId);
    return `private to ${others.map((id) => (id === self.userId ? "you" : this.#nameOf(id))).join(", ")}`;
  }

  /** Puts an editor in the place of the text. */
  #edit(before: string): void {
    const form = clone("editor") as HTMLFormElement;
    const text = part(form, "text", HTMLTextAreaElement);
    const failure = part(form, "failure", HTMLElement);
    const end = (): void => {
      this.#editing = false;
      this.#actions.hidden = false;
      this.#body.replaceChildren(content(this.#message));
      part(this.element, "edit", HTMLButtonElement).focus();
    };
    const save = async (): Promise<void> => {
      showText(failure, "");
      try {
        if (text.value !== before) await this.#meeting.chat.editTextMessage(this.#message.id, text.value);
        end();
      } catch (error) {
        showText(failure, explain(error));
      }
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void save();
    });
    text.addEventListener("keydown", (event) => {
      if (event.isComposing) return;
      if (event.key === "Escape") end();
      else if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    part(form, "cancel", HTMLButtonElement).addEventListener("click", end);

    text.value = before;
    showText(this.#failure, "");
    this.#editing = true;
    this.#actions.hidden = true;
    this.#body.replaceChildren(form);
    text.focus();
    text.setSelectionRange(before.length, before.length);
    form.scrollIntoView({ block: "nearest" });
  }
}

function content(message: Message): HTMLElement {
  switch (message.type) {
    case "text":
      return paragraph(message.message);
    case "image":
      return message.link ? image(message.link) : paragraph("An image without a link");
    case "file":
      return message.link ? file(message.link, message.name, message.size) : paragraph("A file without a link");
    case "custom":
      return paragraph(message.message || "A message that this page cannot show");
  }
}

function paragraph(text: string): HTMLElement {
  const element = document.createElement("p");
  element.className = "text";
  element.dir = "auto";
  element.dataset["testid"] = "message-text";
  element.textContent = text;
  return element;
}

function image(link: string): HTMLElement {
  const anchor = clone("image") as HTMLAnchorElement;
  const picture = part(anchor, "picture", HTMLImageElement);
  anchor.href = link;
  picture.src = link;
  picture.addEventListener("error", () => (picture.alt = "This image cannot be loaded."));
  return anchor;
}

function file(link: string, name: string, size: number): HTMLElement {
  const anchor = clone("file") as HTMLAnchorElement;
  anchor.href = link;
  anchor.download = name;
  part(anchor, "name", HTMLElement).textContent = name || "unnamed file";
  part(anchor, "size", HTMLElement).textContent = fileSize(size);
  return anchor;
}

/** A message in one line, for lists. */
export function summary(message: Message): string {
  switch (message.type) {
    case "text":
    case "custom":
      return message.message || "message";
    case "image":
      return "image";
    case "file":
      return message.name || "file";
  }
}
