import { Binary } from './binary.js';
import { launch } from './browser.js';
import { Host } from './host.js';
import { Parley } from './parley.js';

/** What scenarios share: one browser, one page to open in it, one server. */
export class Stage {
  #binary;

  /** @type {import('playwright-core').Browser} */
  browser;
  /** @type {Host} */
  host;
  /** @type {Parley} */
  parley;

  /**
   * Opens a browser, a page and a server.
   *
   * @param {string} sdk name of the installed SDK package, such as "rtk-2.0.2"
   */
  static async open(sdk) {
    const stage = new Stage();
    try {
      stage.#binary = await Binary.find();
      stage.browser = await launch();
      stage.host = await Host.open(sdk);
      stage.parley = await Parley.start(stage.#binary.path);
      return stage;
    } catch (error) {
      await stage.close();
      throw error;
    }
  }

  /** The same browser and page, with another server: one that a scenario may kill; whoever asks for it closes it. */
  async withOwnServer() {
    const stage = new Stage();
    stage.browser = this.browser;
    stage.host = this.host;
    stage.parley = await Parley.start(this.#binary.path);
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
