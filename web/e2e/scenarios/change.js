import assert from 'node:assert/strict';
import { anyBytes, attachment, png } from '../harness/attachment.js';
import { withoutExpiry } from '../harness/message.js';

/** @param {import('../harness/suite.js').Scenario} scenario */
export function change(scenario) {
  scenario('the author edits a text', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const first = await ada.says('first', bob);
    const second = await bob.says('second', ada);

    await ada.chat('editTextMessage', first.id, 'first, better: שלום 😀\r\n<b>');

    await allSeeOneEdit([ada, bob], { ...first, message: 'first, better: שלום 😀\r\n<b>', isEdited: true }, second);
  });

  scenario('the author edits an image', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    await ada.chat('sendImageMessage', attachment('small.png', 'image/png', png(4, 4, [0, 0, 0])));
    const { message: first } = await bob.sees('chatUpdate');
    const second = await bob.says('second', ada);

    await ada.chat('editImageMessage', first.id, attachment('wide.png', 'image/png', png(64, 2, [9, 9, 9])));

    const { link } = (await bob.sees('chatUpdate', ({ action }) => action === 'edit')).message;
    assert.notEqual(link, first.link);
    assert.deepEqual(await bob.show(link), { width: 64, height: 2 });
    await allSeeOneEdit([ada, bob], { ...first, link, isEdited: true }, second);
  });

  scenario('the author edits a file', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    await ada.chat('sendFileMessage', attachment('draft.bin', 'application/octet-stream', anyBytes(300)));
    const { message: first } = await bob.sees('chatUpdate');
    const second = await bob.says('second', ada);
    const bytes = anyBytes(900);

    await ada.chat('editFileMessage', first.id, attachment('final.bin', 'application/octet-stream', bytes));

    const { link } = (await bob.sees('chatUpdate', ({ action }) => action === 'edit')).message;
    assert.ok((await bob.download(link)).equals(bytes));
    await allSeeOneEdit([ada, bob], { ...first, link, name: 'final.bin', size: 900, isEdited: true }, second);
  });

  scenario('the author deletes a message', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const first = await ada.says('first', bob);
    const second = await bob.says('second', ada);

    await ada.chat('deleteMessage', first.id);

    for (const reader of [ada, bob]) {
      const { message } = await reader.sees('chatUpdate', ({ action }) => action === 'delete');
      assert.equal(message.id, first.id);
      assert.deepEqual(await reader.messages(), [second]);
    }
    assert.deepEqual(await bob.chat('fetchPublicMessages', { limit: 10, direction: 'before' }), [second]);
    const third = await ada.says('third', bob);
    for (const reader of [ada, bob]) {
      assert.equal(reader.eventsOf('chatUpdate').filter(({ action }) => action === 'delete').length, 1);
      assert.deepEqual(await reader.messages(), [second, third]);
    }
  });

  scenario("another's message can neither be edited nor deleted", async (room) => {
    const [ada, bob, eve] = await room.joinAll('Ada', 'Bob', 'Eve');
    const message = await ada.says("Ada's words", bob, eve);

    await bob.chat('editTextMessage', message.id, "Bob's words");
    await bob.refusal();
    await bob.chat('deleteMessage', message.id);
    await bob.refusal();
    const unknown = '01900000-0000-7000-8000-000000000000';
    await bob.chat('editTextMessage', unknown, 'of nothing');
    await bob.refusal();
    await bob.chat('deleteMessage', unknown);
    await bob.refusal();

    const fence = await bob.says('Bob is still here', ada, eve);
    for (const reader of [ada, bob, eve]) {
      assert.deepEqual(await reader.messages(), [message, fence]);
      assert.deepEqual(reader.eventsOf('chatUpdate').map(({ action }) => action), ['add', 'add']);
      assert.deepEqual(await reader.chat('fetchPublicMessages', { limit: 10, direction: 'before' }), [fence, message]);
    }
  });
}

/** All are told of one edit, the author too and once only; the message keeps its place and its time. */
async function allSeeOneEdit(readers, edited, next) {
  for (const reader of readers) {
    const { message } = await reader.sees('chatUpdate', ({ action }) => action === 'edit');
    assert.deepEqual(message, edited);
  }
  const [writer, ...others] = readers;
  const last = await writer.says('after the edit', ...others);
  for (const reader of readers) {
    assert.deepEqual(await reader.messages(), [edited, next, last]);
    assert.equal(reader.eventsOf('chatUpdate').filter(({ action }) => action === 'edit').length, 1);
    const fetched = await reader.chat('fetchPublicMessages', { limit: 10, direction: 'before' });
    assert.deepEqual(withoutExpiry(fetched), withoutExpiry([last, next, edited]));
  }
}
