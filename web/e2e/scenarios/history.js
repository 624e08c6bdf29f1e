import assert from 'node:assert/strict';
import { anyBytes, attachment, png } from '../harness/attachment.js';
import { withoutExpiry } from '../harness/message.js';

/**
 * @param {import('../harness/suite.js').Scenario} scenario
 * @param {{major: number}} sdk
 */
export function history(scenario, sdk) {
  scenario('who comes late finds the history as it stands', async (room) => {
    const ada = await room.join('Ada', { preset: 'group_call_host' });
    const edited = await ada.says('to be edited');
    const deleted = await ada.says('to be deleted');
    const pinned = await ada.says('to be pinned');
    const [picture, bytes] = [png(3, 7, [1, 1, 1]), anyBytes(400)];
    await ada.chat('sendImageMessage', attachment('a.png', 'image/png', picture));
    await ada.sees('chatUpdate', ({ message }) => message.type === 'image');
    await ada.chat('sendFileMessage', attachment('b.bin', 'application/octet-stream', bytes));
    await ada.sees('chatUpdate', ({ message }) => message.type === 'file');
    await ada.chat('sendCustomMessage', { type: 'custom', message: 'custom' });
    await ada.sees('chatUpdate', ({ message }) => message.type === 'custom');
    await ada.chat('editTextMessage', edited.id, 'was edited');
    await ada.chat('deleteMessage', deleted.id);
    await ada.chat('pin', pinned.id);
    const last = await ada.says('last');

    const bob = await room.join('Bob');

    const messages = await bob.hasMessages('the history', ({ length }) => length > 0);
    assert.deepEqual(withoutExpiry(messages), withoutExpiry(await ada.messages()));
    assert.deepEqual(
      messages.map(({ type, message, isEdited, pinned }) => ({ type, message, isEdited, pinned })),
      [
        { type: 'text', message: 'was edited', isEdited: true, pinned: false },
        { type: 'text', message: 'to be pinned', isEdited: false, pinned: true },
        { type: 'image', message: '', isEdited: false, pinned: false },
        { type: 'file', message: '', isEdited: false, pinned: false },
        { type: 'custom', message: 'custom', isEdited: false, pinned: false },
        { type: 'text', message: 'last', isEdited: false, pinned: false },
      ],
    );
    assert.deepEqual(await bob.show(messages[2].link), { width: 3, height: 7 });
    assert.ok((await bob.download(messages[3].link)).equals(bytes));
    assert.deepEqual(bob.eventsOf('chatUpdate'), [], 'history is no news');
    assert.equal(messages.at(-1).id, last.id);

    await bob.leave();
    const again = await room.join('Bob', { as: bob });
    const found = await again.hasMessages('the history', ({ length }) => length > 0);
    assert.deepEqual(withoutExpiry(found), withoutExpiry(messages), 'so does who comes back');
  });

  scenario('pages of public messages hold each once, both ways', async (room) => {
    const { ada, bob, eve, said } = await conversation(room);
    const expected = said.filter(({ targetUserIds }) => targetUserIds.length === 0);

    for (const reader of [ada, bob, eve]) await checkPages(reader, 'fetchPublicMessages', {}, expected);
  });

  scenario('pages of private messages hold each once, both ways', async (room) => {
    const { ada, bob, eve, said } = await conversation(room);
    const between = (one, two) => said.filter(({ targetUserIds: ids }) => ids.includes(one.userId) && ids.includes(two.userId));

    await checkPages(ada, 'fetchPrivateMessages', { userId: bob.userId }, between(ada, bob));
    await checkPages(bob, 'fetchPrivateMessages', { userId: ada.userId }, between(ada, bob));
    await checkPages(eve, 'fetchPrivateMessages', { userId: ada.userId }, between(ada, eve));
    await checkPages(bob, 'fetchPrivateMessages', { userId: eve.userId }, []);
  });

  scenario('pages of pinned messages hold each once, both ways', async (room) => {
    const { ada, bob, said } = await conversation(room);
    const pinned = said.filter(({ targetUserIds }, index) => targetUserIds.length === 0 && index % 2 === 0);
    for (const { id } of pinned.toReversed()) await ada.chat('pin', id);

    const expected = pinned.map((message) => ({ ...message, pinned: true }));
    for (const reader of [ada, bob]) await checkPages(reader, 'fetchPinnedMessages', {}, expected);
  });

  if (sdk.major !== 1) return;

  scenario('getMessages pages both ways and tells when more exist', async (room) => {
    const { bob, said } = await conversation(room);
    const expected = said.filter(({ targetUserIds }) => targetUserIds.length === 0);

    for (const reversed of [true, false]) {
      const pages = [];
      let cursor = reversed ? Date.now() : 0;
      for (let next = true; next; ) {
        const page = await bob.chat('getMessages', cursor, 5, reversed);
        next = page.next;
        pages.push(page.messages);
        cursor = page.messages.at(-1).timeMs + (reversed ? -1 : 1);
      }
      assert.equal(pages.length, Math.ceil(expected.length / 5), 'no page says that more exist when none does');
      assert.deepEqual(pages.flat(), reversed ? expected.toReversed() : expected);
    }
  });

  scenario('messages can be had by user and by type', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const a = await ada.says('a', bob);
    const b = await bob.says('b', ada);
    await ada.chat('sendImageMessage', attachment('a.png', 'image/png', png(2, 2, [1, 1, 1])));
    const { message: image } = await bob.sees('chatUpdate', ({ message }) => message.type === 'image');
    await bob.chat('sendFileMessage', attachment('b.bin', 'application/octet-stream', anyBytes(300)));
    const { message: file } = await bob.sees('chatUpdate', ({ message }) => message.type === 'file');

    assert.deepEqual(await bob.chat('getMessagesByUser', ada.userId), [a, image]);
    assert.deepEqual(await bob.chat('getMessagesByUser', bob.userId), [b, file]);
    assert.deepEqual(await bob.chat('getMessagesByType', 'text'), [a, b]);
    assert.deepEqual(await bob.chat('getMessagesByType', 'image'), [image]);
    assert.deepEqual(await bob.chat('getMessagesByType', 'file'), [file]);
    assert.deepEqual(await bob.chat('getMessagesByType', 'custom'), []);
  });
}

/** A meeting with public and private messages mixed: 18 public ones, 9 between Ada and Bob, 9 between Ada and Eve. */
async function conversation(room) {
  const [ada, [bob, eve]] = await Promise.all([room.join('Ada', { preset: 'group_call_host' }), room.joinAll('Bob', 'Eve')]);
  const [toBob, toEve, toAda] = [await ada.peerOf(bob), await ada.peerOf(eve), await eve.peerOf(ada)];
  for (let round = 0; round < 9; round++) {
    await bob.chat('sendTextMessage', `public ${round} from Bob`);
    await ada.chat('sendTextMessage', `private ${round} to Bob`, [toBob]);
    await eve.chat('sendTextMessage', `private ${round} to Ada`, [toAda]);
    await ada.chat('sendTextMessage', `public ${round} from Ada`);
  }
  assert.notEqual(toBob, toEve);
  const said = await ada.hasMessages('all 36', ({ length }) => length === 36);
  return { ada, bob, eve, said };
}

/**
 * Reads everything in pages as the UI kit does, one millisecond beyond the last message of the page before, and then with
 * the bounds themselves, which belong to the page.
 */
async function checkPages(reader, method, filter, expected) {
  for (const [direction, start, step] of [['before', Date.now(), -1], ['after', 0, +1]]) {
    const inOrder = direction === 'before' ? expected.toReversed() : expected;
    for (const limit of [4, 100]) {
      const seen = [];
      for (let cursor = start; ; ) {
        const page = await reader.chat(method, { ...filter, timestamp: cursor, limit, direction });
        assert.ok(page.length <= limit, 'a page is no longer than asked for');
        if (page.length === 0) break;
        seen.push(...page);
        cursor = page.at(-1).timeMs + step;
      }
      assert.deepEqual(seen, inOrder, `${method} ${direction}, ${limit} a page`);
    }
    const [, bound, next] = inOrder;
    if (!next) continue;
    const page = await reader.chat(method, { ...filter, timestamp: bound.timeMs, limit: 2, direction });
    assert.deepEqual(page, [bound, next], `${method} ${direction} a time includes that time`);
  }
}
