import { Link } from './link.js';
import { Participant } from './participant.js';
import { Rest } from './rest.js';

/** One meeting of one scenario, and everybody who takes part in it. */
export class Room {
  #stage;
  #rest;
  #title;
  #meeting;
  #participants = [];
  #links = [];

  /**
   * @param {import('./stage.js').Stage} stage
   * @param {string} title
   */
  constructor(stage, title) {
    this.#stage = stage;
    this.#title = title;
    this.#rest = Rest.accounts(stage.parley);
  }

  get title() {
    return this.#title;
  }

  /** Makes everything that follows by the other form of the REST API. */
  useV2() {
    this.#rest = Rest.v2(this.#stage.parley);
  }

  /**
   * Adds a participant to the meeting by REST, and opens an app's page for it; nothing is done with the SDK yet.
   *
   * @param {string} name
   * @param {{preset?: string, as?: Participant}} [options] `as` opens one more page for somebody already there
   */
  async admit(name, { preset = 'group_call_participant', as } = {}) {
    const { id, token } = as ? { id: as.userId, token: as.token } : await this.#add(name, preset);
    const participant = new Participant({ name, id, token });
    this.#participants.push(participant);
    await participant.open(this.#stage.browser, this.#stage.host.url);
    return participant;
  }

  /**
   * Adds a participant and joins the meeting with the SDK's default options.
   *
   * @param {string} name
   * @param {{preset?: string, as?: Participant, over?: Link}} [options] `over` is the path the page takes to the server
   */
  async join(name, { over, ...options } = {}) {
    const participant = await this.admit(name, options);
    await participant.init({ baseURI: this.baseURI(over), authToken: participant.token });
    await participant.join();
    return participant;
  }

  /** Several at once, in the order of the names. */
  joinAll(...names) {
    return Promise.all(names.map((name) => this.join(name)));
  }

  /** What an app gives to the SDK as its baseURI. */
  baseURI(link) {
    const { base_uri } = this.#stage.parley.info;
    return link ? base_uri.replace(/:\d+$/, `:${link.port}`) : base_uri;
  }

  /** Opens a path to the server that can be cut. */
  async link() {
    const link = await Link.open(this.#stage.parley.httpsPort);
    this.#links.push(link);
    return link;
  }

  /** What went wrong without any scenario having asked for it. */
  surprises() {
    return this.#participants.flatMap((participant) => participant.surprises());
  }

  /** What to know when a scenario failed. */
  report() {
    return this.#participants.map((participant) => participant.report()).join('\n');
  }

  /** Closes everybody's pages. */
  async close() {
    await Promise.all(this.#participants.map((participant) => participant.close()));
    await Promise.all(this.#links.map((link) => link.close()));
  }

  async #add(name, preset) {
    this.#meeting ??= this.#rest.createMeeting(this.#title);
    const { id } = await this.#meeting;
    const customId = `custom-${name.toLowerCase()}`;
    return this.#rest.addParticipant(id, { name, preset, customId });
  }
}
