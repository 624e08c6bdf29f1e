import assert from 'node:assert/strict';

/** @param {import('../harness/suite.js').Scenario} scenario */
export function network(scenario) {
  const ways = {
    'UDP alone': ['--ice-tcp-addr', 'off'],
    'TCP alone': ['--ice-addr', 'off'],
  };
  for (const [way, flags] of Object.entries(ways)) {
    scenario(`join where ${way} gets through`, canJoin, { flags });
  }

  // A preset with the view type LIVESTREAM is for networks where neither does.
  scenario('join a livestream without any media connection', async (room) => {
    await room.preset('viewer', { config: { view_type: 'LIVESTREAM' } });
    const [ada, bob] = await Promise.all(['Ada', 'Bob'].map((name) => room.join(name, { preset: 'viewer' })));

    const said = [await ada.says('no media at all', bob), await bob.says('none here, either', ada)];
    await ada.chat('editTextMessage', said[0].id, 'no media whatsoever');
    await bob.sees('chatUpdate', ({ action, message }) => action === 'edit' && message.message === 'no media whatsoever');

    const eve = await room.join('Eve', { preset: 'viewer' });
    assert.deepEqual(await eve.messages(), [], 'this view type asks for no history at join');
    const page = await eve.chat('fetchPublicMessages', { timestamp: 0, limit: 10, direction: 'after' });
    assert.deepEqual(page.map(({ message }) => message), ['no media whatsoever', 'none here, either']);
    for (const each of [ada, bob, eve]) {
      assert.equal((await each.self()).roomState, 'joined');
      assert.deepEqual(each.eventsOf('media'), []);
    }
    await eve.leave();
    await ada.says('two are left', bob);
  });
}

async function canJoin(room) {
  const [ada, bob] = await room.joinAll('Ada', 'Bob');

  for (const each of [ada, bob]) {
    const { send, recv } = (await each.self()).mediaState;
    assert.deepEqual([send.state, recv.state], ['connected', 'connected']);
  }
  await ada.says('hello', bob);
}
