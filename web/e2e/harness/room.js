import { randomUUID } from 'node:crypto';
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
  /** @type {Map<string, {id: string, name: string}>} */
  #presets = new Map();
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
   * @param {{preset?: string, picture?: string, as?: Participant, page?: string}} [options] `as` opens one more page for
   *   somebody already there, `page` is the address of another page than the stage's
   */
  async admit(name, { preset = 'group_call_participant', picture, as, page = this.#stage.page } = {}) {
    const { id, token } = as ? { id: as.userId, token: as.token } : await this.#add(name, preset, picture);
    const participant = new Participant({ name, id, token });
    this.#participants.push(participant);
    await participant.open(this.#stage.browser, page);
    return participant;
  }

  /**
   * Adds a participant to the meeting by REST, who does without the SDK.
   *
   * @param {string} name
   * @param {{preset?: string}} [options]
   * @returns {Promise<{id: string, token: string, meeting: string}>}
   */
  async invite(name, { preset = 'group_call_participant' } = {}) {
    const { id, token } = await this.#add(name, preset);
    return { id, token, meeting: (await this.#meeting).id };
  }

  /**
   * Adds a participant and joins the meeting with the SDK's default options.
   *
   * @param {string} name
   * @param {{preset?: string, picture?: string, as?: Participant, page?: string, over?: Link}} [options] `over` is the path the page takes to the server
   */
  async join(name, { over, ...options } = {}) {
    const participant = await this.admit(name, options);
    await participant.init({ baseURI: this.baseURI(over), authToken: participant.token });
    await participant.join();
    return participant;
  }

  /**
   * Makes a preset for participants of this room, which differs from the default in what is given: see Rest. It changes
   * when it is called again.
   *
   * @param {string} name by which `admit` and `join` know it
   * @param {{config?: object, permissions?: object, ui?: object}} parts
   */
  async preset(name, parts) {
    const known = this.#presets.get(name);
    if (known) return void (await this.#rest.changePreset(known.id, parts));
    // Names are the app's, and one app serves all rooms.
    this.#presets.set(name, await this.#rest.createPreset(`${name} of ${randomUUID()}`, parts));
  }

  /** Changes a participant by REST: its name, its preset. */
  async change(participant, { preset, ...change }) {
    const { id } = await this.#meeting;
    const preset_name = preset && (this.#presets.get(preset)?.name ?? preset);
    return this.#rest.changeParticipant(id, participant.userId, { ...change, preset_name });
  }

  /** Changes the meeting by REST: its status, the rules of its chat. */
  async changeMeeting(change) {
    const { id } = await this.#meeting;
    return this.#rest.changeMeeting(id, change);
  }

  /** Sends a participant out by REST. */
  async kick(participant) {
    const { id } = await this.#meeting;
    return this.#rest.kick(id, participant.userId);
  }

  /** Sends everybody out by REST. */
  async kickAll() {
    const { id } = await this.#meeting;
    return this.#rest.kickAll(id);
  }

  /** Deletes a participant by REST. */
  async remove(participant) {
    const { id } = await this.#meeting;
    return this.#rest.deleteParticipant(id, participant.userId);
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

  async #add(name, preset, picture) {
    this.#meeting ??= this.#rest.createMeeting(this.#title);
    const { id } = await this.#meeting;
    const customId = `custom-${name.toLowerCase()}`;
    return this.#rest.addParticipant(id, { name, preset: this.#presets.get(preset)?.name ?? preset, customId, picture });
  }
}
