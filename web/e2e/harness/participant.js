import { eventually, SOON } from './eventually.js';
import { REFUSED, readFrame, refusalText } from './frame.js';
import { secret } from './secrets.js';

/** How long one call into the SDK may take, in milliseconds: more than its own limit for an answer, 20 s. */
const CALL_LIMIT = 30_000;

/** How many of its last events a participant's report shows. */
const EVENTS_SHOWN = 30;
// What the SDK's media library says of what it was still doing when it is closed.
const MEDIA_CLOSED = 'closed';
// What the server says to a request that was under way when its peer was sent out.
const NO_LONGER_HERE = 'join the meeting first';

/**
 * Somebody in a meeting: one page in a browser context of its own, running the SDK under test.
 * It keeps everything the SDK told the app (events), and what went over its sockets.
 */
export class Participant {
  #context;
  #page;

  /** @type {{name: string, detail: any}[]} what the SDK told the app, in order */
  events = [];
  /**
   * Its websockets, oldest first: the server's frames, both sides' texts with the time they were seen.
   *
   * @type {{
   *   url: URL,
   *   frames: ReturnType<readFrame>[],
   *   texts: {from: 'server' | 'client', text: string, at: number}[],
   *   isOpen: boolean,
   * }[]}
   */
  sockets = [];
  /** @type {string[]} host names the page asked for anything */
  hosts = [];
  /** @type {{method: string, url: URL, status: number}[]} what the page asked for by HTTP, and how it was answered */
  answers = [];
  /** @type {string[]} hosts outside this machine that a page of its kind asks, in vain */
  outside = [];
  /** @type {string[]} texts of dialogs the page opened */
  #dialogs = [];
  /** @type {{text: string}[]} refusals not yet looked at by refusal() */
  #refusals = [];
  /** @type {string[]} sentences of refusals a test has looked at */
  #explained = [];
  /** @type {string[]} errors nobody in the page caught */
  #uncaught = [];

  /** @param {{name: string, id: string, token: string}} who */
  constructor(who) {
    this.name = who.name;
    this.userId = who.id;
    this.token = who.token;
    secret(who.name, who.token);
  }

  /** Opens the page of an app, without anything done in it yet. */
  async open(browser, url) {
    // The development certificate authority is unknown to the browser. That its certificates are right for every name is
    // checked strictly by a scenario of its own.
    this.#context = await browser.newContext({ ignoreHTTPSErrors: true });
    this.#page = await this.#context.newPage();
    this.#page.setDefaultTimeout(CALL_LIMIT);
    this.#page.on('request', (request) => {
      const { protocol, hostname } = new URL(request.url());
      if (protocol.startsWith('http')) this.hosts.push(hostname);
    });
    this.#page.on('response', (response) => {
      this.answers.push({ method: response.request().method(), url: new URL(response.url()), status: response.status() });
    });
    this.#page.on('dialog', (dialog) => {
      this.#dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    this.#page.on('pageerror', (error) => this.#uncaught.push(error.message));
    this.#page.on('websocket', (socket) => this.#watch(socket));
    await this.#page.exposeFunction('report', (name, detail) => void this.events.push({ name, detail }));
    await this.#page.goto(url);
  }

  /** What it sees, for tests of what is drawn: Playwright's page. Its locators look into shadow roots. */
  get page() {
    return this.#page;
  }

  init(options) {
    return this.#call('init', options);
  }

  join() {
    return this.#call('join');
  }

  /** Leaves as the app's own button does. */
  leave() {
    return this.#call('leave');
  }

  /** Leaves, and closes the page: what the SDK still waited for cannot come any more, and it would complain. */
  async leaveForGood() {
    await this.leave();
    await this.close();
  }

  /** Leaves the app's page, as somebody does who goes elsewhere. */
  goAway() {
    return this.#page.goto('about:blank');
  }

  /** Closes the browser context. */
  async close() {
    await this.#context?.close();
  }

  self() {
    return this.#call('self');
  }

  /** Everybody else the SDK shows as joined. */
  others() {
    return this.#call('others');
  }

  /** The SDK's chat.messages. */
  messages() {
    return this.#call('messages');
  }

  /** The texts of chat.messages, in order. */
  async texts() {
    return (await this.messages()).map(({ message }) => message);
  }

  /** The SDK's chat.pinned (1.x). */
  pinned() {
    return this.#call('pinned');
  }

  /** Calls a method of the SDK's meeting.chat; files are described by attachment(). */
  chat(method, ...args) {
    if (/^(send|edit)/.test(method)) secret(args);
    return this.#call('chat', method, args);
  }

  /** Whether this version of the SDK has what a path such as "chat.pin" names; see driver.js. */
  has(path, of) {
    return this.#call('has', path, of);
  }

  /** Calls what a path such as "participants.kickAll" names. */
  call(path, ...args) {
    return this.#call('call', path, undefined, args);
  }

  /** Calls a method of one participant ("kick") as this one's SDK shows it, or of a store ("set"). */
  callOn(root, of, method, ...args) {
    return this.#call('call', `${root}.${method}`, of, args);
  }

  /** Gets what a path such as "meta.sessionId" names. */
  get(path, of) {
    return this.#call('get', path, of);
  }

  /** From now on sees "store" whenever something in a store of meeting.stores changes. */
  watch(store) {
    return this.#call('watch', store);
  }

  download(link) {
    return this.#call('download', link).then((base64) => Buffer.from(base64, 'base64'));
  }

  show(link) {
    return this.#call('show', link);
  }

  /** The details of all events of one name so far. */
  eventsOf(name) {
    return this.events.filter((event) => event.name === name).map(({ detail }) => detail);
  }

  /** Waits for an event, or finds one that has come already. */
  sees(name, isIt = () => true, within = SOON) {
    return eventually(`${this.name} sees ${name}`, () => this.eventsOf(name).find(isIt), within);
  }

  /** Waits until the app was told of a message with this text, and gives the message. */
  async receives(text, within) {
    const isIt = ({ action, message }) => action === 'add' && message.message === text;
    return (await this.sees('chatUpdate', isIt, within)).message;
  }

  /** Waits until chat.messages passes, and gives it. */
  hasMessages(what, pass, within) {
    return eventually(
      `${this.name}'s chat.messages: ${what}`,
      async () => {
        const messages = await this.messages();
        return pass(messages) && messages;
      },
      within,
    );
  }

  /** Sends a text to everybody and waits until the others were told: a fence behind everything sent before. */
  async says(text, ...others) {
    await this.chat('sendTextMessage', text);
    const [message] = await Promise.all([this, ...others].map((participant) => participant.receives(text)));
    return message;
  }

  /**
   * Waits until this page has answered a ping that came after now: then the server knows that everything until now has
   * arrived. Until then it would send it once more to who comes back, and the SDK would tell the app twice.
   */
  async isKnownToBeCaughtUp() {
    const { texts } = this.sockets.at(-1);
    const ping = await eventually(`${this.name} is pinged`, freshIn(texts, 'server', performance.now()));
    await eventually(`${this.name} answers`, freshIn(texts, 'client', ping.at));
  }

  /** The peer id by which this participant knows another one. */
  async peerOf(other) {
    const peer = await eventually(`${this.name} sees ${other.name} in the meeting`, async () =>
      (await this.others()).find(({ userId }) => userId === other.userId),
    );
    return peer.id;
  }

  /** Waits for the server's next refusal, and gives its sentence. A refusal no test looked at fails the scenario. */
  async refusal() {
    await eventually(`${this.name} is refused`, () => this.#refusals.length > 0);
    const { text } = this.#refusals.shift();
    this.#explained.push(text);
    return text;
  }

  /** Says that an error with these words, which nobody in the page catches, is no surprise. */
  overlooks(text) {
    this.#explained.push(text);
  }

  /** Whether anything the server ever sent to this page holds these bytes. */
  everReceived(text) {
    const bytes = Buffer.from(text);
    return this.sockets.some(({ frames }) => frames.some(({ payload }) => payload.includes(bytes)));
  }

  /** What went wrong in this page without any test having asked for it. */
  surprises() {
    // Where the SDK does not wait for an answer, a refusal also turns up as an error that nobody caught.
    // Who has left in whatever way while the SDK was still setting up media hears of that as one, too.
    const hasLeft = this.eventsOf('roomLeft').length > 0;
    const isOfLeaving = (text) => hasLeft && (text === MEDIA_CLOSED || text.includes(NO_LONGER_HERE));
    const isExplained = (text) => isOfLeaving(text) || this.#explained.some((explained) => text.includes(explained));
    return [
      ...this.#refusals.filter(({ text }) => !isOfLeaving(text)).map(({ text }) => `${this.name} was refused: ${text}`),
      ...this.#uncaught.filter((text) => !isExplained(text)).map((text) => `${this.name}'s page had an uncaught error: ${text}`),
      ...this.#dialogs.map((text) => `${this.name}'s page opened a dialog: ${text}`),
      ...this.hosts.filter((host) => !isLocal(host) && !this.outside.includes(host)).map((host) => `${this.name} asked ${host}`),
    ];
  }

  /** What to know about this participant when a scenario failed. */
  report() {
    const lines = this.events.slice(-EVENTS_SHOWN).map(({ name, detail }) => `  ${name} ${JSON.stringify(detail).slice(0, 200)}`);
    const sockets = this.sockets.map(({ url, frames, texts, isOpen }) => {
      const last = frames.slice(-8).map(({ event }) => `0x${event.toString(16)}`);
      return `  socket ${url.host} ${isOpen ? 'open' : 'closed'}, ${frames.length} frames, ${texts.length} texts, last ${last.join(' ')}`;
    });
    const errors = this.#uncaught.map((text) => `  uncaught: ${text}`);
    const refusals = this.#refusals.map(({ text }) => `  refused: ${text}`);
    return [`${this.name}:`, ...lines, ...sockets, ...refusals, ...errors].join('\n');
  }

  async #call(method, ...args) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.name}: ${method} did not settle within ${CALL_LIMIT} ms`)), CALL_LIMIT);
    });
    try {
      const call = this.#page.evaluate(([name, list]) => globalThis.driver[name](...list), [method, args]);
      return await Promise.race([call, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #watch(socket) {
    const seen = { url: new URL(socket.url()), frames: [], texts: [], isOpen: true };
    this.sockets.push(seen);
    const text = (from, payload) => seen.texts.push({ from, text: payload, at: performance.now() });
    socket.on('framesent', ({ payload }) => typeof payload === 'string' && text('client', payload));
    socket.on('framereceived', ({ payload }) => {
      if (typeof payload === 'string') return text('server', payload);
      const frame = readFrame(payload);
      seen.frames.push(frame);
      if (frame.event === REFUSED) this.#refusals.push({ text: refusalText(frame) });
    });
    socket.on('close', () => {
      seen.isOpen = false;
    });
  }
}

function isLocal(host) {
  return host === 'localhost' || host.endsWith('.localhost');
}

/** A probe for a text of one side that comes later. */
function freshIn(texts, side, after) {
  return () => texts.find(({ from, at }) => from === side && at > after);
}
