import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const MODULES = fileURLToPath(new URL('../node_modules/', import.meta.url));

/**
 * A page with the UI kit, and the address of it.
 *
 * The kit is the one that a version of the React package brings, as its author pinned it, loaded as its documentation
 * says. The elements below stand in the page from the start and get their meeting by show(), as they do in an app.
 *
 * @param {import('./host.js').Host} host
 * @param {{sdk: string, kit: string}} packages names they are installed by, such as "rtk-2.0.2" and "rtk-react-ui-2.0.2"
 */
export function uikitPage(host, { sdk, kit }) {
  const loader = `/node_modules/${path.relative(MODULES, rootOf(kit))}/loader/index.es2017.js`;
  return host.pageWith(
    `${kit}-on-${sdk}`,
    sdk,
    `<script type="module">
      import { defineCustomElements } from '${loader}';
      defineCustomElements();
    </script>
    <style>
      html, body { margin: 0; height: 100%; background: #141414; font: 14px sans-serif; }
      rtk-ui-provider { display: flex; flex-direction: column; height: 100%; }
      rtk-chat-toggle { align-self: flex-start; }
      rtk-chat { flex: 1; min-height: 0; width: 100%; }
    </style>`,
    `<rtk-ui-provider>
      <rtk-chat-toggle></rtk-chat-toggle>
      <rtk-chat></rtk-chat>
    </rtk-ui-provider>`,
  );
}

function rootOf(kit) {
  const main = createRequire(path.join(MODULES, kit, 'package.json')).resolve('@cloudflare/realtimekit-ui');
  return path.dirname(path.dirname(main));
}

/** Where the kit looks for fonts, emoji and sounds; it must do without. */
export const OUTSIDE = ['fonts.googleapis.com', 'rtk-assets.realtime.cloudflare.com', 'rtk-uploads.realtime.cloudflare.com'];

/**
 * What a participant sees of the chat in a page with the kit, and does in it by mouse and keyboard.
 */
export class Kit {
  /** @type {import('./participant.js').Participant} */
  participant;
  /** @type {import('playwright-core').Page} */
  page;

  /**
   * Gives the meeting of a participant's page to the kit's elements, and waits until they have drawn themselves.
   *
   * @param {import('./participant.js').Participant} participant joined, on a page of uikitPage()
   */
  static async of(participant) {
    const kit = new Kit();
    kit.participant = participant;
    kit.page = participant.page;
    participant.outside = OUTSIDE;
    await kit.page.evaluate(async () => {
      await customElements.whenDefined('rtk-ui-provider');
      const provider = document.querySelector('rtk-ui-provider');
      provider.meeting = globalThis.driver.meeting;
      await provider.componentOnReady();
    });
    await kit.composer.waitFor();
    // Before its first page is there, the kit may draw a message twice that arrives meanwhile.
    await kit.page.locator('rtk-chat-messages-ui-paginated').locator('.empty-list, rtk-message-view').first().waitFor();
    return kit;
  }

  /** The box that is written into. */
  get composer() {
    return this.page.locator('rtk-chat-composer-view textarea');
  }

  /** The messages drawn. */
  get messages() {
    return this.page.locator('rtk-chat-messages-ui-paginated rtk-message-view');
  }

  /** The drawn message with exactly this text, or which contains what a pattern describes. */
  message(text) {
    const pattern = text instanceof RegExp ? text : new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`);
    return this.messages.filter({ has: this.page.locator('.markdown-message', { hasText: pattern }) });
  }

  /** Waits until a message with this text is drawn. */
  async shows(text) {
    await this.message(text).first().waitFor();
  }

  /** Waits until none is. */
  async hides(text) {
    await this.message(text).first().waitFor({ state: 'detached' });
  }

  /** The texts drawn, oldest first. The kit has its pages the other way round, and turns them when it draws. */
  async texts() {
    const pages = await this.page.locator('rtk-chat-messages-ui-paginated .page').all();
    const texts = pages.map((page) => page.locator('rtk-message-view .markdown-message').allInnerTexts());
    return (await Promise.all(texts)).reverse().flat();
  }

  /** Types into the composer, and presses Enter. */
  async types(text) {
    await this.composer.click();
    await this.page.keyboard.type(text);
    await this.page.keyboard.press('Enter');
  }

  /** Chooses an entry of the menu of a message, such as "Edit". */
  async choose(message, entry) {
    await message.locator('.body').first().hover();
    await message.locator('button.actions').click();
    await message.locator('rtk-menu-item', { hasText: new RegExp(`^${entry}$`) }).click();
  }

  /** Chooses a file by one of the composer's buttons, "Send a file" or "Send an image", and sends it. */
  async attaches(button, file) {
    const chooser = this.page.waitForEvent('filechooser');
    await this.page.locator(`rtk-file-picker-button rtk-button[title="${button}"]`).click();
    await (await chooser).setFiles(file);
    await this.page.locator('rtk-draft-attachment-view .preview').waitFor();
    await this.page.locator('rtk-chat-composer-view .chat-buttons .right rtk-button').click();
  }

  /** Turns to the conversation with somebody, by name, or to "Everyone". */
  async turnsTo(name) {
    await this.page.locator('rtk-chat-selector .chat-header').click();
    const entry = name === 'Everyone' ? '.public-chat-group-label' : '.private-chat-label';
    await this.page.locator(`rtk-chat-selector ${entry}`, { hasText: name }).click();
  }

  /** The list of pinned messages, opened. */
  async pinned() {
    await this.page.locator('rtk-pinned-message-selector .chat-header').click();
    return this.page.locator('rtk-pinned-message-selector .pinned-message');
  }

  /** See pictureOf(). */
  picture(name) {
    return pictureOf(this.page, name);
  }
}

/**
 * Writes a picture of a page into the directory that PARLEY_E2E_SCREENSHOTS names, if it names one, to be looked at.
 *
 * @param {import('playwright-core').Page} page
 * @param {string} name of the file, without its ending
 */
export async function pictureOf(page, name) {
  const directory = process.env.PARLEY_E2E_SCREENSHOTS;
  if (directory) await page.screenshot({ path: path.join(directory, `${name}.png`) });
}
