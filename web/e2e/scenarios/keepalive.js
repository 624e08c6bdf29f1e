import assert from 'node:assert/strict';
import { eventually } from '../harness/eventually.js';

/** Longer than the 30 s of silence after which the SDK gives a connection up, in milliseconds. */
const IDLE = 41_000;

/** @param {import('../harness/suite.js').Scenario} scenario */
export function keepalive(scenario) {
  scenario('who says nothing for 40 seconds stays connected', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const start = performance.now();

    for (const idle of [ada, bob]) {
      const pings = () => idle.sockets[0].texts.filter(({ from, text, at }) => from === 'server' && text === '2' && at > start);
      await eventually(`${idle.name} is pinged after ${IDLE} ms`, () => pings().some(({ at }) => at - start > IDLE), IDLE + 35_000);
      const { texts } = idle.sockets[0];
      const count = (wanted) => texts.filter(({ text }) => text === wanted).length;
      await eventually(`${idle.name} answers each ping`, () => count('2') === count('3'));
      for (const { from, text } of texts) assert.equal(text, from === 'server' ? '2' : '3');
    }

    for (const idle of [ada, bob]) {
      assert.equal(idle.sockets.length, 1, 'no second connection was needed');
      assert.deepEqual(idle.eventsOf('roomLeft'), []);
      assert.equal((await idle.self()).roomState, 'joined');
    }
    await ada.says('awake', bob);
    await bob.says('me too', ada);
  });
}
