// What is being sent, or could not be: shown at once, until the log has it.
import { clone, part, showText } from "./dom.js";
import { explain } from "./words.js";

export class Outbox {
  readonly #list: HTMLElement;
  readonly #shown: () => void;

  /** `shown` is called when something was added, to bring it into view. */
  constructor(pane: HTMLElement, shown: () => void) {
    this.#list = part(pane, "outbox", HTMLElement);
    this.#list.replaceChildren();
    this.#shown = shown;
  }

  /** Shows a line while `send` runs; if that fails, until the person sends it again or discards it. */
  add(line: string, send: () => Promise<unknown>): void {
    const item = clone("outgoing");
    const progress = part(item, "progress", HTMLElement);
    const failure = part(item, "failure", HTMLElement);
    const choices = part(item, "choices", HTMLElement);
    const attempt = async (): Promise<void> => {
      item.dataset["state"] = "sending";
      progress.hidden = false;
      choices.hidden = true;
      showText(failure, "");
      try {
        await send();
        item.remove();
      } catch (error) {
        item.dataset["state"] = "failed";
        progress.hidden = true;
        choices.hidden = false;
        showText(failure, explain(error));
        this.#shown();
      }
    };
    const text = part(item, "text", HTMLElement);
    text.dir = "auto";
    text.textContent = line;
    part(item, "retry", HTMLButtonElement).addEventListener("click", () => void attempt());
    part(item, "discard", HTMLButtonElement).addEventListener("click", () => item.remove());
    this.#list.append(item);
    void attempt();
    this.#shown();
  }
}
