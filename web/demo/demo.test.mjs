// The demo page in a real browser against a real server.
//
//   PARLEY_HTTP_URL         where the server is, for example http://localhost:8080 (needed)
//   PARLEY_DEMO_URL         where the page is, if not at /demo/ there
//   PARLEY_DEMO_SCREENSHOT  where to write a picture of the page at the end, as PNG
//   CHROMIUM                the browser, if not /usr/bin/chromium
import assert from "node:assert/strict";
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { chromium } from "playwright-core";

const { PARLEY_HTTP_URL, PARLEY_DEMO_SCREENSHOT, CHROMIUM = "/usr/bin/chromium" } = process.env;
assert.ok(PARLEY_HTTP_URL, "PARLEY_HTTP_URL must name a running server");
const demoUrl = process.env.PARLEY_DEMO_URL ?? new URL("/demo/", PARLEY_HTTP_URL).href;

const wide = { width: 1280, height: 800 };
const narrow = { width: 390, height: 780 };
const limit = 10_000;

/** A red square of 2 by 2 pixels. */
const png = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEElEQVR4nGP4z8AARAwQCgAf7gP9i18U1AAAAABJRU5ErkJggg==",
  "base64",
);

let browser;
let page;
/** What the page should never do: throw, log errors, open dialogs. */
let complaints;
let count = 0;
/** A text that no other message in the meeting has, however often the tests ran on it. */
const unique = (text) => {
  const made = `${text} ${Date.now().toString(36)}${count++}`;
  remember(made);
  return made;
};
/** What no log of the server may hold; see scripts/checklogs. */
function remember(text) {
  const folder = process.env.PARLEY_TEST_LOGS;
  if (!folder) return;
  mkdirSync(join(folder, "secrets"), { recursive: true });
  appendFileSync(join(folder, "secrets", `demo-${process.pid}.txt`), `${JSON.stringify(text)}\n`);
}

before(async () => {
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});
after(() => browser?.close());

beforeEach(async () => {
  complaints = [];
  await openPage({ viewport: wide });
});
afterEach(async () => {
  await page.context().close();
  assert.deepEqual(complaints, []);
});

async function openPage(options, address = "") {
  const context = await browser.newContext({ ...options, locale: "en-GB" });
  page = await context.newPage();
  page.setDefaultTimeout(limit);
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !/404|Failed to load resource/.test(message.text())) {
      complaints.push(`console: ${message.text()}`);
    }
  });
  await page.goto(new URL(address, demoUrl).href);
}

const at = (root, id) => root.getByTestId(id);
const pane = (index) => page.getByTestId(`pane-${index}`);
const message = (index, text) => at(pane(index), "message").filter({ hasText: text });

async function visible(locator) {
  await locator.first().waitFor({ state: "visible" });
}
async function gone(locator) {
  await locator.first().waitFor({ state: "detached" });
}

async function connected(index) {
  await at(pane(index), "state").filter({ hasText: /^connected$/ }).waitFor();
}
async function bothConnected() {
  await connected(0);
  await connected(1);
}

async function say(index, text) {
  await at(pane(index), "composer").fill(text);
  await at(pane(index), "send").click();
}

/** Presses a button of a message. The buttons show when the pointer or the keyboard is on the message. */
async function press(locator, button) {
  await locator.hover();
  await at(locator, button).click();
}

async function choose(index, name) {
  await at(pane(index), "private-to").selectOption({ label: name });
}

async function names() {
  return [await pane(0).locator("h2").textContent(), await pane(1).locator("h2").textContent()];
}

describe("two participants side by side", () => {
  beforeEach(bothConnected);

  test("each sees that the other is here", async () => {
    const [first, second] = await names();
    await visible(at(pane(0), "people").getByText(second, { exact: true }));
    await visible(at(pane(1), "people").getByText(first, { exact: true }));
    await visible(at(pane(0), "people").getByText(`${first} (you)`));
    assert.notEqual(await at(page, "meeting-title").textContent(), "");
  });

  test("a text arrives as it was written, as text", async () => {
    const text = `${unique("hello 😀 שלום")} <b>bold</b> <img src=x onerror=alert(1)>`;
    await say(0, text);
    await visible(message(1, text));
    await visible(message(0, text));
    assert.equal(await at(message(1, text), "message-text").textContent(), text);
    assert.equal(await message(1, text).locator("b, img").count(), 0);
    assert.equal(await at(message(1, text), "message-author").textContent(), (await names())[0]);
    assert.equal(await at(pane(0), "composer").inputValue(), "");
    assert.equal(await at(pane(0), "pending").count(), 0);
  });

  test("Enter sends, Shift+Enter begins a line", async () => {
    const [one, two] = [unique("one"), unique("two")];
    await at(pane(0), "composer").focus();
    await page.keyboard.type(one);
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type(two);
    await page.keyboard.press("Enter");
    await visible(message(1, two));
    assert.equal(await at(message(1, two), "message-text").textContent(), `${one}\n${two}`);
  });

  test("an image is shown on both sides", async () => {
    const images = at(pane(1), "message-image");
    const before = await images.count();
    await at(pane(0), "attach-image").setInputFiles({ name: "square.png", mimeType: "image/png", buffer: png });
    await images.nth(before).waitFor();
    for (const index of [0, 1]) {
      const picture = at(pane(index), "message-image").nth(before);
      const loaded = (element) => element.complete && element.naturalWidth > 0;
      await page.waitForFunction(loaded, await picture.elementHandle());
      assert.equal(await picture.evaluate((element) => element.naturalWidth), 2);
      assert.equal(new URL(await picture.getAttribute("src")).origin, new URL(demoUrl).origin);
    }
  });

  test("a file can be downloaded, every byte of it", async () => {
    const name = `${unique("notes")}.txt`;
    const buffer = Buffer.from("first line\r\nünï\u0000end");
    await at(pane(0), "attach-file").setInputFiles({ name, mimeType: "text/plain", buffer });
    const link = at(message(1, name), "message-file");
    await visible(link);
    assert.match(await link.textContent(), /\d+ bytes/);
    const response = await page.request.get(await link.getAttribute("href"));
    assert.equal(response.status(), 200);
    assert.deepEqual(await response.body(), buffer);
    const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
    assert.equal(download.suggestedFilename(), name);
  });

  test("an edit is seen on both sides, and marked", async () => {
    const [before, after] = [unique("before"), unique("after")];
    await say(0, before);
    await visible(message(0, before));
    await press(message(0, before), "edit");
    await at(pane(0), "edit-text").fill(after);
    await at(pane(0), "edit-save").click();
    for (const index of [0, 1]) {
      await visible(message(index, after));
      await visible(at(message(index, after), "message-edited"));
      assert.equal(await message(index, before).count(), 0);
    }
  });

  test("an edit can be given up with Escape", async () => {
    const text = unique("as it was");
    await say(0, text);
    await press(message(0, text), "edit");
    await at(pane(0), "edit-text").fill("changed");
    await page.keyboard.press("Escape");
    await visible(message(0, text));
    assert.equal(await at(pane(0), "editor").count(), 0);
    assert.equal(await at(message(0, text), "message-edited").isVisible(), false);
  });

  test("a file of a message can be replaced", async () => {
    const [before, after] = [`${unique("old")}.txt`, `${unique("new")}.txt`];
    await at(pane(0), "attach-file").setInputFiles({ name: before, mimeType: "text/plain", buffer: Buffer.from("a") });
    await visible(message(0, before));
    const picked = page.waitForEvent("filechooser");
    await press(message(0, before), "edit");
    await (await picked).setFiles({ name: after, mimeType: "text/plain", buffer: Buffer.from("bb") });
    await visible(message(1, after));
    assert.equal(await message(1, before).count(), 0);
  });

  test("a deleted message is gone on both sides", async () => {
    const text = unique("oops");
    await say(0, text);
    await visible(message(1, text));
    await press(message(0, text), "delete");
    await gone(message(0, text));
    await gone(message(1, text));
  });

  test("edit and delete are offered for one's own messages only", async () => {
    const text = unique("mine");
    await say(0, text);
    await visible(message(1, text));
    await message(1, text).hover();
    assert.equal(await at(message(1, text), "edit").isVisible(), false);
    assert.equal(await at(message(1, text), "delete").isVisible(), false);
    assert.equal(await at(message(1, text), "pin").isVisible(), true);
  });

  test("a pinned message is marked and listed on both sides until it is unpinned", async () => {
    const text = unique("agenda");
    await say(0, text);
    await visible(message(1, text));
    await press(message(1, text), "pin");
    const listed = (index) => at(pane(index), "pinned-message").filter({ hasText: text });
    for (const index of [0, 1]) {
      await visible(at(message(index, text), "message-pinned"));
      await listed(index).waitFor({ state: "attached" });
    }
    assert.equal(await at(message(0, text), "message-edited").isVisible(), false);

    await at(pane(0), "pinned").locator("summary").click();
    await at(listed(0), "unpin").click();
    for (const index of [0, 1]) await gone(listed(index));
    assert.equal(await at(message(1, text), "message-pinned").isVisible(), false);
  });

  test("a private message is marked as one, on both sides", async () => {
    const [, second] = await names();
    const text = unique("psst");
    await choose(0, second);
    await say(0, text);
    await visible(message(1, text));
    assert.equal(await at(message(0, text), "message-private").textContent(), `private to ${second}`);
    assert.equal(await at(message(1, text), "message-private").textContent(), "private to you");
    await choose(0, "Everyone");
    const aloud = unique("aloud");
    await say(0, aloud);
    await visible(message(1, aloud));
    assert.equal(await at(message(1, aloud), "message-private").isVisible(), false);
  });

  test("the history is there after a reload, in order", async () => {
    const texts = [unique("first"), unique("second"), unique("third")];
    for (const text of texts) {
      await say(texts.indexOf(text) % 2, text);
      await visible(message(0, text));
      await visible(message(1, text));
    }
    await page.reload();
    await bothConnected();
    for (const index of [0, 1]) {
      await visible(message(index, texts[2]));
      const shown = await at(pane(index), "message-text").allTextContents();
      assert.deepEqual(shown.slice(-3), texts);
    }
  });

  test("a refused message is kept with the reason, and can be discarded", async () => {
    const text = unique("x").padEnd(2001, "x");
    await say(0, text);
    const failed = at(pane(0), "pending").filter({ hasText: text });
    await visible(at(failed, "error"));
    assert.match(await at(failed, "error").textContent(), /refused/);
    assert.equal(await message(0, text).count(), 0);
    assert.equal(await message(1, text).count(), 0);
    await at(failed, "discard").click();
    await gone(failed);
    const fine = unique("fine");
    await say(0, fine);
    await visible(message(1, fine));
  });

  test("the log is announced to screen readers as it grows, the history is not", async () => {
    const log = at(pane(0), "log");
    assert.equal(await log.getAttribute("role"), "log");
    assert.equal(await log.getAttribute("aria-relevant"), "additions");
    await page.waitForFunction((element) => element.getAttribute("aria-live") === "polite", await log.elementHandle());
  });

  test("everything can be reached with the keyboard", async () => {
    const text = unique("by hand");
    await say(0, text);
    await visible(message(0, text));
    await message(0, text).getByTestId("edit").focus();
    await page.keyboard.press("Enter");
    assert.equal(await at(pane(0), "edit-text").evaluate((element) => element === document.activeElement), true);
    await page.keyboard.press("Escape");
    assert.equal(await at(message(0, text), "edit").evaluate((element) => element === document.activeElement), true);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter"); // edit, pin, delete
    await gone(message(0, text));
    const focused = await page.evaluate(() => document.activeElement?.getAttribute("data-part"));
    assert.equal(focused, "scroll");
  });
});

describe("one participant alone", () => {
  for (const [address, index] of [
    ["#solo=1", 0],
    ["?as=0", 0],
    ["?as=1", 1],
  ]) {
    test(`${address} shows one pane`, async () => {
      await page.context().close();
      await openPage({ viewport: wide }, address);
      await connected(index);
      assert.equal(await page.locator(".pane").count(), 1);
    });
  }

  test("the other is seen coming and going", async () => {
    await page.context().close();
    await openPage({ viewport: wide }, "?as=0");
    await connected(0);
    const others = at(pane(0), "person").filter({ hasNotText: "(you)" });
    const before = await others.count();
    const first = page;
    const context = await browser.newContext();
    const second = await context.newPage();
    await second.goto(new URL("?as=1", demoUrl).href);
    await others.nth(before).waitFor();
    await second.goto("about:blank");
    await first.waitForFunction(
      (count) => document.querySelectorAll('[data-testid="person"]').length === count,
      before + 1, // and oneself
    );
    await context.close();
  });
});

describe("a narrow screen", () => {
  beforeEach(async () => {
    await page.context().close();
    await openPage({ viewport: narrow });
    await connected(0);
  });

  test("shows one pane at a time, chosen by tabs", async () => {
    assert.equal(await pane(0).isVisible(), true);
    assert.equal(await pane(1).isVisible(), false);
    await at(page, "tab-1").click();
    assert.equal(await pane(0).isVisible(), false);
    assert.equal(await pane(1).isVisible(), true);
    await page.keyboard.press("ArrowLeft");
    assert.equal(await pane(0).isVisible(), true);
    assert.equal(await at(page, "tab-0").getAttribute("aria-selected"), "true");
  });

  test("fits without scrolling sideways", async () => {
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(overflow, 0);
  });
});

test("the page as it looks", async () => {
  await bothConnected();
  const [first, second] = await names();
  await say(0, "Good morning! Shall we start with the agenda?");
  await visible(message(1, "Shall we start"));
  await say(1, "Yes. I put the numbers into a file.");
  await visible(message(0, "the numbers into"));
  await at(pane(1), "attach-file").setInputFiles({
    name: "numbers.csv",
    mimeType: "text/csv",
    buffer: Buffer.from("quarter,total\nQ1,42\n"),
  });
  await visible(message(0, "numbers.csv"));
  await choose(1, first);
  const whisper = unique("Are you free for a minute afterwards?");
  await say(1, whisper);
  await visible(message(0, whisper));
  assert.equal(await at(message(1, whisper), "message-private").textContent(), `private to ${first}`);
  assert.equal(await at(message(0, whisper), "message-author").textContent(), second);
  if (PARLEY_DEMO_SCREENSHOT) await page.screenshot({ path: PARLEY_DEMO_SCREENSHOT });
});
