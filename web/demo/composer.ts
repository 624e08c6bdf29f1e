// Writing: to whom, what, and files.
import type { ChatPermissions } from "../sdk/index.js";
import { part, takeFile } from "./dom.js";

export type Draft =
  | { readonly type: "text"; readonly message: string }
  | { readonly type: "image"; readonly image: File }
  | { readonly type: "file"; readonly file: File };

/** Somebody to whom one can write privately. */
export interface Recipient {
  readonly userId: string;
  readonly name: string;
  readonly present: boolean;
}

export class Composer {
  readonly #form: HTMLFormElement;
  readonly #to: HTMLSelectElement;
  readonly #hint: HTMLElement;
  readonly #text: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #files: readonly HTMLInputElement[];
  #recipients: readonly Recipient[] = [];
  #permissions: ChatPermissions | undefined;
  #enabled = false;

  /** `send` is given what was written, and the participant id it is for, or "" for everybody. */
  constructor(pane: HTMLElement, send: (draft: Draft, to: string) => void) {
    this.#form = part(pane, "composer", HTMLFormElement);
    this.#to = part(pane, "to", HTMLSelectElement);
    this.#hint = part(pane, "private-hint", HTMLElement);
    this.#text = part(this.#form, "text", HTMLTextAreaElement);
    this.#send = part(pane, "send", HTMLButtonElement);
    const image = part(pane, "image", HTMLInputElement);
    const file = part(pane, "file", HTMLInputElement);
    this.#files = [image, file];

    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const message = this.#text.value;
      if (!message || !this.#enabled) return;
      this.#text.value = "";
      this.#fit();
      send({ type: "text", message }, this.#to.value);
    });
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    this.#text.addEventListener("input", () => this.#fit());
    this.#to.addEventListener("change", () => this.#show());
    image.addEventListener("change", () => {
      const chosen = takeFile(image);
      if (chosen) send({ type: "image", image: chosen }, this.#to.value);
    });
    file.addEventListener("change", () => {
      const chosen = takeFile(file);
      if (chosen) send({ type: "file", file: chosen }, this.#to.value);
    });
    this.#show();
  }

  /** Whether anything can be sent at all. */
  set enabled(enabled: boolean) {
    this.#enabled = enabled;
    this.#show();
  }

  set permissions(permissions: ChatPermissions) {
    this.#permissions = permissions;
    this.#show();
  }

  /**
   * Sets who can be chosen. Somebody chosen stays chosen when they leave: falling back to everybody would make the next
   * private word a public one.
   */
  set recipients(recipients: readonly Recipient[]) {
    const chosen = this.#recipients.find(({ userId }) => userId === this.#to.value);
    const gone = chosen && !recipients.some(({ userId }) => userId === chosen.userId);
    this.#recipients = gone ? [...recipients, { ...chosen, present: false }] : recipients;
    this.#show();
  }

  #show(): void {
    this.#showRecipients();
    const to = this.#to.value;
    const rights = to ? this.#permissions?.private : this.#permissions?.public;
    const may = this.#enabled && rights?.canSend === true;
    this.#text.disabled = this.#send.disabled = !may || !rights.text;
    for (const input of this.#files) input.disabled = !may || !rights.files;
    this.#hint.hidden = !to;
    this.#form.classList.toggle("whispering", to !== "");
    const name = this.#recipients.find(({ userId }) => userId === to)?.name;
    this.#text.placeholder = name ? `Private message to ${name}` : "Message to everyone";
  }

  #showRecipients(): void {
    const chosen = this.#to.value;
    const options = this.#recipients
      .filter(({ present, userId }) => present || userId === chosen)
      .map(({ userId, name, present }) => new Option(present ? name : `${name} (left)`, userId));
    this.#to.replaceChildren(new Option("Everyone", ""), ...options);
    this.#to.value = chosen;
  }

  /** Lets the field grow with its text, up to the limit in the style sheet. */
  #fit(): void {
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight + 2}px`;
  }
}
