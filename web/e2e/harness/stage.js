import { Binary } from './binary.js';
import { launch } from './browser.js';
import { Host } from './host.js';
import { Parley } from './parley.js';

/** What scenarios share: one browser, a host of apps' pages, one server. */
export class Stage {
  #binary;

  /** @type {import('playwright-core').Browser} */
  browser;
  /** @type {Host} */
  host;
  /** @type {Parley} */
  parley;
  /** @type {string} the page that participants open if a scenario says nothing else */
  page;

  /**
   * Opens a browser and a server, and serves pages.
   *
   * @param {(host: Host) => string | Promise<string>} page gives the address of the page that participants open
   */
  static async open(page) {
    const stage = new Stage();
    try {
      stage.#binary = await Binary.find();
      stage.browser = await launch();
      stage.host = await Host.open();
      stage.page = await page(stage.host);
      stage.parley = await Parley.start(stage.#binary.path);
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  /** The same stage with another page for its participants. */
  withPage(page) {
    const stage = new Stage();
    stage.#binary = this.#binary;
    return Object.assign(stage, { browser: this.browser, host: this.host, parley: this.parley, page });
  }

  /**
   * The same browser and page, with another server: one that a scenario may kill, or that has flags of its own; whoever
   * asks for it closes it.
   *
   * @param {string[]} [flags] of `parley dev`
   */
  async withOwnServer(flags) {
    const stage = this.withPage(this.page);
    stage.parley = await Parley.start(this.#binary.path, flags);
    return stage;
  }

  /** Ends everything, the server last, and checks that the server ended in good order. */
  async close() {
    await this.browser?.close();
    await this.host?.close();
    await this.parley?.close();
    await this.#binary?.remove();
  }
}
