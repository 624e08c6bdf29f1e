// One participant's view of the meeting.
import { type ConnectionState, ParleyClient, type StateChange } from "../sdk/index.js";
import { Composer, type Draft } from "./composer.js";
import { clone, fillAvatar, part, showText } from "./dom.js";
import { Log } from "./log.js";
import { summary } from "./message_view.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import type { DemoParticipant } from "./session.js";
import { explain, stateWords } from "./words.js";

export class Pane {
  readonly element = clone("pane");
  readonly index: number;
  readonly name: string;
  readonly #token: string;
  readonly #composer: Composer;
  readonly #outbox: Outbox;
  #log: Log | undefined;
  #people: People | undefined;
  #meeting: ParleyClient | undefined;
  /** Called when somebody else wrote something. */
  onNews: (() => void) | undefined;

  constructor(index: number, participant: DemoParticipant) {
    this.index = index;
    this.name = participant.name;
    this.#token = participant.token;
    this.element.id = this.element.dataset["testid"] = `pane-${index}`;
    this.element.ariaLabel = participant.name;
    part(this.element, "name", HTMLElement).textContent = participant.name;
    fillAvatar(part(this.element, "avatar", HTMLElement), participant.name, participant.name);
    const alone = part(this.element, "alone", HTMLAnchorElement);
    alone.href = `?as=${index}`;
    alone.title = alone.ariaLabel = `Open ${participant.name} alone in a new window`;

    this.#composer = new Composer(this.element, (draft, to) => this.#send(draft, to));
    this.#outbox = new Outbox(this.element, () => this.#log?.toEnd());
    part(this.element, "dismiss", HTMLButtonElement).addEventListener("click", () => this.#notice(""));
    part(this.element, "rejoin", HTMLButtonElement).addEventListener("click", () => void this.join());
  }

  /** Joins the meeting; a failure is shown, with a way to try again. */
  async join(): Promise<void> {
    this.#notice("");
    this.#showState("connecting");
    try {
      this.#meeting = await ParleyClient.join({ url: location.origin, token: this.#token });
    } catch (error) {
      this.#showState("closed");
      this.#notice(explain(error), { rejoin: true });
      return;
    }
    this.#begin(this.#meeting);
  }

  /** Says goodbye, so that the others see it at once. */
  leave(): void {
    this.#meeting?.leave();
  }

  #begin(meeting: ParleyClient): void {
    const { chat, participants, self } = meeting;
    const people = (this.#people = new People(this.element, meeting));
    const log = (this.#log = new Log(this.element, meeting, people.name));
    fillAvatar(part(this.element, "avatar", HTMLElement), self.userId, self.name);

    meeting.on("stateChange", (change) => this.#stateChanged(change));
    participants.on("participantJoined", () => this.#peopleChanged());
    participants.on("participantLeft", () => this.#peopleChanged());
    self.on("permissionsUpdate", (permissions) => (this.#composer.permissions = permissions));
    chat.on("chatUpdate", ({ action, message }) => {
      log.update();
      this.#showPinned();
      if (action === "add" && message.userId !== self.userId) this.onNews?.();
    });

    this.#composer.permissions = self.permissions;
    this.#showState(meeting.state);
    this.#peopleChanged();
    this.#showPinned();
    log.start();
  }

  #stateChanged({ state, reason }: StateChange): void {
    this.#showState(state);
    if (state !== "closed") return;
    const sentences: Partial<Record<NonNullable<typeof reason>, string>> = {
      kicked: "You were removed from the meeting.",
      ended: "The meeting has ended.",
      unauthorized: "Your token is not valid any more. Reload the page.",
    };
    this.#notice((reason && sentences[reason]) ?? "You have left the meeting.", { rejoin: true });
  }

  #showState(state: ConnectionState): void {
    const element = part(this.element, "state", HTMLElement);
    element.textContent = stateWords[state];
    element.dataset["state"] = state;
    // While reconnecting one can go on writing: it is sent as soon as the connection is back.
    this.#composer.enabled = state === "connected" || state === "reconnecting";
  }

  #notice(text: string, { rejoin = false } = {}): void {
    showText(part(this.element, "notice-text", HTMLElement), text);
    part(this.element, "notice", HTMLElement).hidden = text === "";
    part(this.element, "rejoin", HTMLElement).hidden = !rejoin;
  }

  #peopleChanged(): void {
    const people = this.#people;
    if (!people) return;
    people.update();
    this.#composer.recipients = people.present.map((userId) => ({ userId, name: people.name(userId), present: true }));
  }

  #send(draft: Draft, to: string): void {
    const meeting = this.#meeting;
    const people = this.#people;
    if (!meeting || !people) return;
    const line = draft.type === "text" ? draft.message : draft.type === "image" ? draft.image.name : draft.file.name;
    this.#outbox.add(line, () => meeting.chat.sendMessage(draft, to ? people.peersOf(to) : undefined));
  }

  #showPinned(): void {
    const meeting = this.#meeting;
    if (!meeting) return;
    const { pinned } = meeting.chat;
    part(this.element, "pinned", HTMLElement).hidden = pinned.length === 0;
    part(this.element, "pinned-count", HTMLElement).textContent = `${pinned.length} pinned`;
    const items = pinned.map((message) => {
      const item = clone("pinned-message");
      item.dataset["messageId"] = message.id;
      part(item, "author", HTMLElement).textContent = message.displayName;
      part(item, "text", HTMLElement).textContent = summary(message);
      part(item, "unpin", HTMLButtonElement).addEventListener("click", () => {
        meeting.chat.unpin(message.id).catch((error: unknown) => this.#notice(explain(error)));
      });
      return item;
    });
    part(this.element, "pinned-list", HTMLElement).replaceChildren(...items);
  }
}
