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
}

async function canJoin(room) {
  const [ada, bob] = await room.joinAll('Ada', 'Bob');

  for (const each of [ada, bob]) {
    const { send, recv } = (await each.self()).mediaState;
    assert.deepEqual([send.state, recv.state], ['connected', 'connected']);
  }
  await ada.says('hello', bob);
}
