import assert from 'node:assert/strict';
import { attachment, png } from '../harness/attachment.js';

/** @param {import('../harness/suite.js').Scenario} scenario */
export function privately(scenario) {
  scenario('a private message stays between two', async (room) => {
    const [ada, bob, eve] = await room.joinAll('Ada', 'Bob', 'Eve');
    const twoOfThem = [ada, bob];
    const open = await ada.says('to everybody', bob, eve);

    await ada.chat('sendTextMessage', 'secret: question', [await ada.peerOf(bob)]);
    const question = await received('secret: question', twoOfThem);
    await bob.chat('sendTextMessage', 'secret: answer', [await bob.peerOf(ada)]);
    const answer = await received('secret: answer', twoOfThem);
    assert.deepEqual(question.targetUserIds.toSorted(), [ada.userId, bob.userId].sort());
    assert.deepEqual(answer.targetUserIds.toSorted(), [ada.userId, bob.userId].sort());
    assert.deepEqual([question.userId, answer.userId], [ada.userId, bob.userId]);

    await ada.chat('editTextMessage', question.id, 'secret: better question');
    for (const reader of twoOfThem) await reader.sees('chatUpdate', ({ message }) => message.message === 'secret: better question');
    await ada.chat('sendTextMessage', 'secret: slip of the tongue', [await ada.peerOf(bob)]);
    const slip = await received('secret: slip of the tongue', twoOfThem);
    await ada.chat('deleteMessage', slip.id);
    for (const reader of twoOfThem) await reader.sees('chatUpdate', ({ action }) => action === 'delete');
    await ada.chat('sendImageMessage', attachment('secret.png', 'image/png', png(5, 5, [1, 2, 3])), [await ada.peerOf(bob)]);
    for (const reader of twoOfThem) await reader.sees('chatUpdate', ({ message }) => message.type === 'image');

    const last = await eve.says('to everybody again', ada, bob);
    const late = await room.join('Mallory');
    await late.hasMessages('the public two', ({ length }) => length === 2);

    for (const third of [eve, late]) {
      assert.deepEqual(await third.messages(), [open, last]);
      assert.deepEqual(await everythingFetched(third, [ada, bob, eve]), [open, last].map(({ id }) => id).sort());
      assert.ok(!third.everReceived('secret'), `${third.name} never got a byte of it`);
      for (const { id } of [question, answer, slip]) assert.ok(!third.everReceived(id), `${third.name} cannot even count them`);
    }
    assert.deepEqual(eve.eventsOf('chatUpdate').map(({ message }) => message.id), [open.id, last.id]);
    for (const reader of twoOfThem) {
      const { userId } = other(reader, twoOfThem);
      const conversation = await reader.chat('fetchPrivateMessages', { limit: 10, direction: 'before', userId });
      assert.deepEqual(conversation.map(({ message }) => message), ['', 'secret: answer', 'secret: better question']);
      const publicOnes = await reader.chat('fetchPublicMessages', { limit: 10, direction: 'before' });
      assert.deepEqual(publicOnes.map(({ id }) => id), [last.id, open.id]);
      assert.deepEqual(await reader.texts(), ['to everybody', 'secret: better question', 'secret: answer', '', 'to everybody again']);
    }
  });

  scenario('a private message cannot be touched by a third', async (room) => {
    const [ada, bob, eve] = await room.joinAll('Ada', 'Bob', 'Eve');
    await ada.chat('sendTextMessage', 'between us', [await ada.peerOf(bob)]);
    const message = await received('between us', [ada, bob]);

    await eve.chat('editTextMessage', message.id, 'between us three');
    await eve.refusal();
    await eve.chat('deleteMessage', message.id);
    await eve.refusal();
    await assert.rejects(eve.chat('pin', message.id), /No message found/);
    await eve.refusal();

    const fence = await eve.says('fence', ada, bob);
    for (const reader of [ada, bob]) assert.deepEqual(await reader.messages(), [message, fence]);
    assert.deepEqual(await eve.messages(), [fence]);
  });

  scenario('a private message reaches every tab of its two, and whoever of them comes late', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const [adaToo, bobToo] = await Promise.all([room.join('Ada', { as: ada }), room.join('Bob', { as: bob })]);

    await ada.chat('sendTextMessage', 'between us', [await ada.peerOf(bob)]);

    const message = await received('between us', [ada, bob, adaToo, bobToo]);
    const bobLater = await room.join('Bob', { as: bob });
    assert.deepEqual(await bobLater.hasMessages('the private one', ({ length }) => length > 0), [message]);
  });
}

/** Waits until all of them were told of a text, and gives the message, which is the same for all. */
async function received(text, readers) {
  const [message, ...others] = await Promise.all(readers.map((reader) => reader.receives(text)));
  for (const same of others) assert.deepEqual(same, message);
  return message;
}

/** The ids of everything a participant gets by any way of asking. */
async function everythingFetched(reader, people) {
  const ways = [];
  for (const direction of ['before', 'after']) {
    const timestamp = direction === 'before' ? Date.now() : 0;
    const page = { timestamp, limit: 50, direction };
    ways.push(['fetchPublicMessages', page], ['fetchPinnedMessages', page]);
    for (const { userId } of people) ways.push(['fetchPrivateMessages', { ...page, userId }]);
  }
  const ids = new Set();
  for (const [method, page] of ways) {
    for (const { id } of await reader.chat(method, page)) ids.add(id);
  }
  return [...ids].sort();
}

function other(one, two) {
  return two.find((participant) => participant !== one);
}
