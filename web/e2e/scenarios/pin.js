import assert from 'node:assert/strict';

/**
 * @param {import('../harness/suite.js').Scenario} scenario
 * @param {{major: number}} sdk
 */
export function pin(scenario, sdk) {
  scenario('a message is pinned and unpinned for everybody', async (room) => {
    const ada = await room.join('Ada', { preset: 'group_call_host' });
    const bob = await room.join('Bob');
    const [own, foreign] = [await ada.says('from the host', bob), await bob.says('from a participant', ada)];

    for (const message of [own, foreign]) {
      await ada.chat('pin', message.id);
      for (const reader of [ada, bob]) {
        const isIt = ({ message: { id } }) => id === message.id;
        assert.deepEqual((await reader.sees('pinMessage', isIt)).message, { ...message, pinned: true });
        assert.ok(await reader.sees('chatUpdate', (update) => update.action === 'edit' && isIt(update)));
      }
    }
    for (const reader of [ada, bob]) {
      const both = [own, foreign].map((message) => ({ ...message, pinned: true }));
      assert.deepEqual(await reader.messages(), both);
      assert.deepEqual(await pinnedOf(reader), both);
      if (sdk.major === 1) assert.deepEqual(await reader.pinned(), both);
    }

    await ada.chat('unpin', own.id);
    for (const reader of [ada, bob]) {
      assert.deepEqual((await reader.sees('unpinMessage')).message, own, 'a pin leaves no trace');
      const rest = { ...foreign, pinned: true };
      assert.deepEqual(await reader.messages(), [own, rest]);
      assert.deepEqual(await pinnedOf(reader), [rest]);
      if (sdk.major === 1) assert.deepEqual(await reader.pinned(), [rest]);
    }

    await ada.says('fence', bob);
    for (const reader of [ada, bob]) {
      assert.equal(reader.eventsOf('pinMessage').length, 2);
      assert.equal(reader.eventsOf('unpinMessage').length, 1);
      assert.equal(reader.eventsOf('chatUpdate').filter(({ action }) => action === 'edit').length, 3);
    }
  });

  scenario('pinning an unknown message is an error', async (room) => {
    const ada = await room.join('Ada', { preset: 'group_call_host' });
    const gone = await ada.says('soon gone');
    await ada.chat('deleteMessage', gone.id);
    await ada.sees('chatUpdate', ({ action }) => action === 'delete');

    for (const id of ['01900000-0000-7000-8000-000000000000', 'nonsense', gone.id]) {
      for (const method of ['pin', 'unpin']) {
        await assert.rejects(ada.chat(method, id), /No message found/, `${method} of ${id}`);
        await ada.refusal();
      }
    }
    await ada.says('still here');
    assert.equal(ada.eventsOf('pinMessage').length + ada.eventsOf('unpinMessage').length, 0);
  });
}

function pinnedOf(reader) {
  return reader.chat('fetchPinnedMessages', { timestamp: 0, limit: 10, direction: 'after' });
}
