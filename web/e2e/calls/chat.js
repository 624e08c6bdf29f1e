import assert from 'node:assert/strict';
import { anyBytes, attachment, png } from '../harness/attachment.js';
import { rejection } from './call.js';

const UNKNOWN = '01900000-0000-7000-8000-000000000000';

/** @type {import('./call.js').Calls} */
export const chat = {
  async 'chat.sendTextMessage'({ ada, bob }) {
    const message = await ada.says('a text', bob);
    const { type, userId, displayName, isEdited } = message;
    assert.deepEqual({ type, userId, displayName, isEdited }, { type: 'text', userId: ada.userId, displayName: 'Ada', isEdited: false });
  },

  async 'chat.sendTextMessage to some'({ ada, bob, eve }) {
    await ada.chat('sendTextMessage', 'between us', [await ada.peerOf(bob)]);
    for (const reader of [ada, bob]) {
      const { targetUserIds } = await reader.receives('between us');
      assert.deepEqual(targetUserIds.toSorted(), [ada.userId, bob.userId].toSorted());
    }
    await ada.says('to everybody again', bob, eve);
    assert.ok(!eve.everReceived('between us'));
  },

  'chat.sendTextMessage, too long': ({ ada }) => rejection(ada.chat('sendTextMessage', 'x'.repeat(2001))),

  async 'chat.sendImageMessage'({ ada, bob }) {
    const bytes = png(6, 5, [1, 2, 3]);
    const { link } = await sent(ada, bob, 'image', 'sendImageMessage', attachment('a.png', 'image/png', bytes));
    assert.deepEqual(await bob.show(link), { width: 6, height: 5 });
    assert.ok((await ada.download(link)).equals(bytes));
  },

  async 'chat.sendFileMessage'({ ada, bob }) {
    const bytes = anyBytes(70_000);
    const file = attachment('a file.bin', 'application/octet-stream', bytes);
    const { link, name, size } = await sent(ada, bob, 'file', 'sendFileMessage', file);
    assert.deepEqual({ name, size }, { name: 'a file.bin', size: 70_000 });
    assert.ok((await bob.download(link)).equals(bytes));
  },

  async 'chat.sendMessage'({ ada, bob }) {
    await ada.chat('sendMessage', { type: 'text', message: 'by sendMessage' });
    assert.equal((await bob.receives('by sendMessage')).type, 'text');
  },

  async 'chat.sendCustomMessage'({ ada, bob }) {
    const custom = { type: 'custom', message: 'a custom one', html: '<b>b</b>' };
    const message = await sent(ada, bob, 'custom', 'sendCustomMessage', custom);
    assert.deepEqual([message.message, message.html], ['a custom one', '<b>b</b>']);
  },

  async 'chat.editTextMessage'({ ada, bob }) {
    const { id } = await ada.says('before the edit', bob);
    await ada.chat('editTextMessage', id, 'after the edit');
    const { message } = await changed(bob, 'edit', id);
    assert.deepEqual([message.message, message.isEdited], ['after the edit', true]);
  },

  async 'chat.editImageMessage'({ ada, bob }) {
    const { id } = await sent(ada, bob, 'image', 'sendImageMessage', attachment('b.png', 'image/png', png(2, 2, [0, 0, 0])));
    await ada.chat('editImageMessage', id, attachment('c.png', 'image/png', png(9, 3, [0, 0, 0])));
    const { message } = await changed(bob, 'edit', id);
    assert.deepEqual(await bob.show(message.link), { width: 9, height: 3 });
  },

  async 'chat.editFileMessage'({ ada, bob }) {
    const { id } = await sent(ada, bob, 'file', 'sendFileMessage', attachment('d.bin', 'application/octet-stream', anyBytes(300)));
    await ada.chat('editFileMessage', id, attachment('e.bin', 'application/octet-stream', anyBytes(500)));
    const { message } = await changed(bob, 'edit', id);
    assert.deepEqual([message.name, message.size], ['e.bin', 500]);
  },

  async 'chat.editMessage'({ ada, bob }) {
    const { id } = await ada.says('before the other edit', bob);
    await ada.chat('editMessage', id, { type: 'text', message: 'after the other edit' });
    assert.equal((await changed(bob, 'edit', id)).message.message, 'after the other edit');
  },

  async "chat.editTextMessage of another's"({ ada, bob }) {
    const { id } = await ada.says('not yours', bob);
    await bob.chat('editTextMessage', id, 'mine');
    await bob.refusal();
    return 'refused';
  },

  async 'chat.deleteMessage'({ ada, bob }) {
    const { id } = await ada.says('soon gone', bob);
    await ada.chat('deleteMessage', id);
    await changed(bob, 'delete', id);
    assert.ok(!(await bob.messages()).some((message) => message.id === id));
  },

  async "chat.deleteMessage of another's"({ ada, bob }) {
    const { id } = await ada.says('not yours either', bob);
    await bob.chat('deleteMessage', id);
    await bob.refusal();
    return 'refused';
  },

  async 'chat.pin'({ ada, bob }) {
    const { id } = await ada.says('to be pinned', bob);
    await ada.chat('pin', id);
    assert.equal((await changed(bob, 'edit', id)).message.pinned, true);
  },

  async 'chat.pin of an unknown message'({ ada }) {
    const outcome = await rejection(ada.chat('pin', UNKNOWN));
    // Before 1.2.4 the SDK itself looks whether the message is there.
    if (await ada.has('chat.fetchPinnedMessages')) await ada.refusal();
    return outcome;
  },

  async 'chat.unpin'({ ada, bob }) {
    const { id } = await ada.says('to be unpinned', bob);
    await ada.chat('pin', id);
    await changed(bob, 'edit', id, ({ pinned }) => pinned);
    await ada.chat('unpin', id);
    await changed(bob, 'edit', id, ({ pinned }) => !pinned);
  },

  async 'chat event pinMessage'({ ada, bob }) {
    const { id } = await ada.says('a pin is an event', bob);
    await ada.chat('pin', id);
    await changed(bob, 'edit', id);
    await bob.says('fence', ada);
    return bob.eventsOf('pinMessage').some(({ message }) => message.id === id) ? 'yes' : '-';
  },

  async 'chat.messages'({ ada, bob, room }) {
    const last = await ada.says('the last one', bob);
    const late = await room.join('Late');
    const messages = await late.hasMessages('the history', ({ length }) => length > 0);
    assert.deepEqual(messages.at(-1), last);
    await late.leaveForGood();
  },

  async 'chat.pinned'({ ada, bob }) {
    const { id } = await ada.says('pinned for the list', bob);
    await ada.chat('pin', id);
    await changed(bob, 'edit', id);
    assert.ok((await bob.pinned()).some((message) => message.id === id));
  },

  async 'chat.fetchPublicMessages'({ ada, bob }) {
    const [one, two] = [await ada.says('page 1', bob), await bob.says('page 2', ada)];
    const before = await bob.chat('fetchPublicMessages', { timestamp: two.timeMs, limit: 2, direction: 'before' });
    assert.deepEqual(before, [two, one]);
    const after = await bob.chat('fetchPublicMessages', { timestamp: one.timeMs, limit: 2, direction: 'after' });
    assert.deepEqual(after, [one, two]);
  },

  async 'chat.fetchPrivateMessages'({ ada, bob }) {
    await ada.chat('sendTextMessage', 'a private page', [await ada.peerOf(bob)]);
    const message = await bob.receives('a private page');
    const found = await bob.chat('fetchPrivateMessages', { limit: 1, direction: 'before', userId: ada.userId });
    assert.deepEqual(found, [message]);
  },

  async 'chat.fetchPinnedMessages'({ ada, bob }) {
    const { id } = await ada.says('pinned for the page', bob);
    await ada.chat('pin', id);
    await changed(bob, 'edit', id);
    const found = await bob.chat('fetchPinnedMessages', { limit: 1, direction: 'before' });
    assert.deepEqual(found.map((message) => message.id), [id]);
  },

  async 'chat.getMessages'({ ada, bob }) {
    const [one, two] = [await ada.says('old page 1', bob), await bob.says('old page 2', ada)];
    const { messages } = await bob.chat('getMessages', two.timeMs, 2, true);
    assert.deepEqual(messages.map(({ id }) => id), [two.id, one.id]);
  },

  async 'chat.getMessagesByUser'({ ada, bob }) {
    const { id } = await ada.says("Ada's", bob);
    const found = await bob.chat('getMessagesByUser', ada.userId);
    assert.ok(found.some((message) => message.id === id) && found.every(({ userId }) => userId === ada.userId));
  },

  async 'chat.getMessagesByType'({ ada, bob }) {
    const { id } = await ada.says('a text by type', bob);
    const found = await bob.chat('getMessagesByType', 'text');
    assert.ok(found.some((message) => message.id === id) && found.every(({ type }) => type === 'text'));
  },

  async 'chat.searchMessages'({ ada, bob }) {
    const { id } = await ada.says('Where is the NEEDLE?', bob);
    await ada.says('in the haystack', bob);
    let found;
    const outcome = await rejection(bob.chat('searchMessages', 'needle').then((messages) => (found = messages)));
    if (outcome !== 'resolves') return outcome;
    assert.deepEqual(found.map((message) => message.id), [id]);
  },

  async 'chat.setMaxTextLimit'({ bob }) {
    await bob.chat('setMaxTextLimit', 5);
    const outcome = await rejection(bob.chat('sendTextMessage', 'longer'));
    await bob.chat('setMaxTextLimit', 2000);
    assert.equal(outcome, 'ERR0503');
  },
};

/** Sends by a method, and gives the message as another one was told of it. */
async function sent(writer, reader, type, method, content) {
  const known = reader.eventsOf('chatUpdate');
  await writer.chat(method, content);
  const isIt = (update) => update.action === 'add' && update.message.type === type && !known.includes(update);
  return (await reader.sees('chatUpdate', isIt)).message;
}

function changed(reader, action, id, isIt = () => true) {
  return reader.sees('chatUpdate', (update) => update.action === action && update.message.id === id && isIt(update.message));
}
