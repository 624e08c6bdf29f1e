import assert from 'node:assert/strict';
import { anyBytes, png } from '../harness/attachment.js';
import { eventually } from '../harness/eventually.js';
import { Kit } from '../harness/uikit.js';

/** How long coming back after a cut may take, in milliseconds; see reconnect.js. */
const COMING_BACK = 45_000;

/**
 * @param {import('../harness/suite.js').Scenario} scenario
 * @param {{sdk: string, kit: string}} packages
 */
export function uikit(scenario, { sdk, kit: version }) {
  /** Ada has the kit, everybody else a page with the SDK alone. */
  const join = async (room, { host }, { with: names = ['Bob'], ...ada } = {}) => {
    const page = host.sdkPage(sdk);
    const others = await Promise.all(names.map((name) => room.join(name, { page, preset: 'group_call_host' })));
    const first = await room.join('Ada', { preset: 'group_call_host', ...ada });
    return [await Kit.of(first), ...others];
  };

  scenario('the kit shows the history, what is typed and what others write', async (room, stage) => {
    const picture = stage.host.add('/bob.png', 'image/png', png(12, 8, [30, 160, 90]));
    const bob = await room.join('Bob', { page: stage.host.sdkPage(sdk), picture });
    for (const text of ['before 1', 'before 2', 'before 3']) await bob.says(text);

    const [kit] = await join(room, stage, { with: [] });
    await kit.shows('before 3');
    await kit.types('typed by Ada');
    await bob.receives('typed by Ada');
    await bob.says('written by Bob', kit.participant);
    await kit.shows('written by Bob');

    assert.deepEqual(await kit.texts(), ['before 1', 'before 2', 'before 3', 'typed by Ada', 'written by Bob']);
    assert.equal(await kit.message('typed by Ada').locator('.header').innerText(), 'Ada (You)');
    assert.equal(await kit.message('before 1').locator('.header').innerText(), 'Bob');
    const face = kit.message('written by Bob').locator('rtk-avatar img');
    await eventually("Bob's picture is drawn", () => face.evaluate(({ naturalWidth: width }) => width === 12));
    await kit.message('before 1').getByText(/^(just now|1 minute ago)$/).first().waitFor();
    await kit.picture(`${version}-talk`);
  });

  scenario('the kit edits and deletes', async (room, stage) => {
    const [kit, bob] = await join(room, stage);
    await kit.types('to be edited');
    await kit.types('to be deleted');
    await kit.shows('to be deleted');
    await bob.receives('to be deleted');

    await kit.choose(kit.message('to be edited'), 'Edit');
    await eventually('the composer holds the text', async () => (await kit.composer.inputValue()) === 'to be edited');
    await kit.composer.fill('was edited');
    await kit.page.keyboard.press('Enter');
    await bob.sees('chatUpdate', ({ action, message }) => action === 'edit' && message.message === 'was edited');
    await kit.shows('was edited');
    await kit.picture(`${version}-edited`);

    await kit.choose(kit.message('to be deleted'), 'Delete');
    await bob.sees('chatUpdate', ({ action }) => action === 'delete');
    await kit.hides('to be deleted');
    assert.deepEqual(await kit.texts(), ['was edited']);
    assert.deepEqual(await bob.texts(), ['was edited']);
  });

  scenario('the kit shows what others edit and delete', async (room, stage) => {
    const [kit, bob] = await join(room, stage);
    const [first, second] = [await bob.says('first'), await bob.says('second', kit.participant)];
    await kit.shows('second');

    await bob.chat('editTextMessage', first.id, 'first, better');
    await bob.chat('deleteMessage', second.id);

    await kit.shows('first, better');
    await kit.hides('second');
    assert.deepEqual(await kit.texts(), ['first, better']);
  });

  scenario('the kit pins, and lists what is pinned', async (room, stage) => {
    const [kit, bob] = await join(room, stage);
    await bob.says('from Bob', kit.participant);
    await kit.types('from Ada');
    await kit.shows('from Ada');

    await kit.choose(kit.message('from Ada'), 'Pin');
    await bob.sees('pinMessage', ({ message }) => message.message === 'from Ada');
    await bob.chat('pin', (await bob.messages())[0].id);

    const list = await kit.pinned();
    await list.nth(1).waitFor();
    assert.deepEqual(await list.locator('.pinned-message-preview').allInnerTexts(), ['from Bob', 'from Ada']);
    await kit.picture(`${version}-pinned`);
    await bob.chat('unpin', (await bob.messages())[0].id);
    await list.nth(1).waitFor({ state: 'detached' });
    assert.deepEqual(await list.locator('.pinned-message-preview').allInnerTexts(), ['from Ada']);
  });

  scenario('the kit sends and shows images and files', async (room, stage) => {
    const [kit, bob] = await join(room, stage);
    const [picture, bytes] = [png(60, 40, [200, 30, 60]), anyBytes(40_000)];

    await kit.attaches('Send an image', { name: 'red.png', mimeType: 'image/png', buffer: picture });
    const image = (await bob.sees('chatUpdate', ({ message }) => message.type === 'image')).message;
    assert.ok((await bob.download(image.link)).equals(picture));
    await kit.attaches('Send a file', { name: 'notes.bin', mimeType: 'application/octet-stream', buffer: bytes });
    const file = (await bob.sees('chatUpdate', ({ message }) => message.type === 'file')).message;
    assert.equal(file.name, 'notes.bin');
    assert.ok((await bob.download(file.link)).equals(bytes));

    const drawn = kit.page.locator('rtk-chat-messages-ui-paginated img.image, rtk-image-message-view img');
    await eventually('the image is drawn', () => drawn.first().evaluate(({ naturalWidth: width }) => width === 60));
    await kit.page.locator('rtk-file-message-view', { hasText: 'notes.bin' }).waitFor();
    await kit.picture(`${version}-attachments`);

    const saved = kit.page.waitForEvent('download');
    await kit.page.locator('rtk-file-message-view').locator('rtk-button, a, button').first().click();
    assert.equal((await saved).suggestedFilename(), 'notes.bin');
  });

  scenario('the kit talks to one person', async (room, stage) => {
    const [kit, bob, eve] = await join(room, stage, { with: ['Bob', 'Eve'] });
    await bob.says('to everybody', kit.participant, eve);
    await kit.shows('to everybody');

    await kit.turnsTo('Bob');
    await kit.hides('to everybody');
    await kit.types('between us');
    const { targetUserIds } = await bob.receives('between us');
    assert.deepEqual(targetUserIds.toSorted(), [bob.userId, kit.participant.userId].toSorted());
    await bob.chat('sendTextMessage', 'yes, us', [await bob.peerOf(kit.participant)]);
    await kit.shows('yes, us');
    assert.deepEqual(await kit.texts(), ['between us', 'yes, us']);
    await kit.picture(`${version}-private`);

    await kit.turnsTo('Everyone');
    await kit.shows('to everybody');
    assert.deepEqual(await kit.texts(), ['to everybody']);
    await kit.turnsTo('Bob');
    await kit.shows('yes, us');
    assert.deepEqual(await kit.texts(), ['between us', 'yes, us'], 'the conversation is in the history');
    assert.ok(!eve.everReceived('between us') && !eve.everReceived('yes, us'));
  });

  scenario('the toggle counts what is unread', async (room, stage) => {
    const bob = await room.join('Bob', { page: stage.host.sdkPage(sdk) });
    for (const text of ['one', 'two', 'three']) await bob.says(text);
    const [kit] = await join(room, stage, { with: [] });
    const count = kit.page.locator('rtk-chat-toggle .unread-count');

    await count.filter({ hasText: /^3$/ }).waitFor();
    await bob.says('four', kit.participant);
    await count.filter({ hasText: /^4$/ }).waitFor();
    await kit.types('my own');
    await kit.shows('my own');
    assert.equal(await count.innerText(), '4', 'what one writes oneself is read');

    await kit.page.locator('rtk-chat-toggle rtk-controlbar-button').click();
    await count.waitFor({ state: 'detached' });
  });

  scenario('a long history is paged by scrolling', async (room, stage) => {
    const bob = await room.join('Bob', { page: stage.host.sdkPage(sdk) });
    const lines = Array.from({ length: 120 }, (_, index) => `line ${index + 1}`);
    for (const line of lines) await bob.chat('sendTextMessage', line);
    await bob.receives(lines.at(-1));

    const [kit] = await join(room, stage, { with: [] });
    await kit.shows('line 120');
    assert.deepEqual(await kit.texts(), lines.slice(-25), 'the newest page');
    const list = kit.page.locator('rtk-chat-messages-ui-paginated .container');
    const seen = new Set(await kit.texts());
    for (let page = 2; page <= 5; page++) {
      const oldest = lines[Math.max(0, lines.length - 25 * page)];
      await list.evaluate((element) => element.scrollTo({ top: -element.scrollHeight }));
      await kit.shows(oldest);
      const drawn = await kit.texts();
      assert.deepEqual(drawn, lines.slice(lines.indexOf(drawn[0]), lines.indexOf(drawn.at(-1)) + 1), 'in order, each once');
      for (const text of drawn) seen.add(text);
    }
    assert.deepEqual(seen.size, lines.length, 'each line was on some page');
    await kit.picture(`${version}-paged`);
  });

  scenario('the kit shows a reply with its quote', async (room, stage) => {
    const [kit, bob] = await join(room, stage);

    await bob.says('<blockquote>the question</blockquote>\n\nthe answer', kit.participant);

    const message = kit.message(/the answer/);
    await message.waitFor();
    assert.equal(await message.locator('blockquote').innerText(), 'the question');
    await kit.picture(`${version}-reply`);
  });

  scenario('the kit shows what was missed while the connection was cut', async (room, stage) => {
    const link = await room.link();
    const [kit, bob] = await join(room, stage, { over: link });
    await bob.says('before the cut', kit.participant);
    await kit.shows('before the cut');
    await kit.participant.isKnownToBeCaughtUp();

    link.cut();
    await eventually('Ada notices the cut', () => !kit.participant.sockets.at(-1).isOpen);
    await bob.says('missed 1');
    await bob.says('missed 2');
    link.mend();
    await kit.participant.sees('roomJoined', ({ reconnected }) => reconnected, COMING_BACK);

    await kit.shows('missed 2');
    await bob.says('after the cut', kit.participant);
    await kit.shows('after the cut');
    assert.deepEqual(await kit.texts(), ['before the cut', 'missed 1', 'missed 2', 'after the cut']);
  });

  scenario('nothing that a hostile peer writes runs in the kit', async (room, stage) => {
    const [kit, eve] = await join(room, stage, { with: [HOSTILE[0]] });
    for (const text of HOSTILE) await eve.chat('sendTextMessage', text);
    await eve.chat('sendCustomMessage', { type: 'custom', message: HOSTILE[0], html: HOSTILE.join('') });
    await eve.chat('sendFileMessage', {
      $file: '<img src=x onerror=pwned=1>.html',
      type: 'text/html',
      base64: Buffer.from('<script>opener.pwned = 1</script>').toString('base64'),
    });
    await eve.says('the end', kit.participant);
    await kit.shows('the end');
    const first = await eve.messages();
    await eve.chat('pin', first[0].id);
    const list = await kit.pinned();
    await list.first().waitFor();

    for (const link of await kit.page.locator('rtk-chat a').all()) {
      assert.match((await link.getAttribute('href')) ?? '', /^(https?:\/\/|mailto:|tel:|$)/, 'no link with a dangerous scheme');
    }
    assert.equal(await kit.page.locator('rtk-chat :is(script, iframe, object, embed, form, [onerror], [onload], [onclick])').count(), 0);
    assert.equal(await kit.page.evaluate(() => globalThis.pwned), undefined, 'no script ran');
    assert.equal(await kit.message(/click me/).count() > 0, true, 'the text is there to be read');
    await kit.picture(`${version}-hostile`);
  });

  scenario('the kit lives without what it looks for elsewhere', async (room, stage) => {
    const [kit, bob] = await join(room, stage);
    kit.participant.overlooks('Failed to fetch');

    await kit.page.locator('rtk-emoji-picker-button rtk-button').click();
    await eventually('it asked for its emoji', () => kit.participant.hosts.includes('rtk-assets.realtime.cloudflare.com'));
    await kit.types('no emoji, then');
    await bob.receives('no emoji, then');
    await kit.shows('no emoji, then');
  });
}

/** The kit makes a link of what stands between <a> and </a>, whatever its scheme, and by detours, too. */
const HOSTILE = [
  '<a>javascript:pwned=1</a>',
  'x <A>JavaScript:pwned=1</A> < a >javascript:pwned=1</ a > <a\t>javascript:pwned=1</a\t>',
  '<<blockquote>q</blockquote>a>javascript:pwned=1</a>',
  '<blockquote><a>javascript:pwned=1</a></blockquote>\n\n<a>data:text/html,<script>opener.pwned=1</script></a>',
  JSON.stringify({ target: 'all', message: '<a>javascript:pwned=1</a>' }),
  '{"target":"all","message":"\\u003ca\\u003ejavascript:pwned=1\\u003c/a\\u003e"}',
  '<a href="javascript:pwned=1">click me</a>',
  "<a href='JaVaScRiPt:pwned=1' target=_self>click me 2</a>",
  '<a href="data:text/html,<script>opener.pwned=1</script>">click me 3</a>',
  '<a href="vbscript:pwned">click me 4</a> <A HREF=javascript:pwned=1>click me 5</A>',
  '<script>pwned = 1</script>',
  '<img src=x onerror="pwned=1">',
  '<svg onload="pwned=1"><script>pwned=1</script></svg>',
  '<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>',
  '[click me 6](javascript:pwned=1) ![x](x"onerror="pwned=1)',
  'javascript:pwned=1 https://example.com/"onmouseover="pwned=1',
  '<blockquote><img src=x onerror="pwned=1"><a href="javascript:pwned=1">quoted</a></blockquote>\n\nanswer',
  '`<img src=x onerror=pwned=1>` **<img src=x onerror=pwned=1>** _<script>pwned=1</script>_',
];
