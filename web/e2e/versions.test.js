import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { calls } from './calls/all.js';
import { Room } from './harness/room.js';
import { Stage } from './harness/stage.js';
import { readTable } from './harness/table.js';

/** Versions tried at once. */
const AT_ONCE = 3;

/** How long one call may take in one version, in milliseconds. */
const CALL_LIMIT = 60_000;

const FILE = fileURLToPath(new URL('../../docs/compatibility.md', import.meta.url));
const { versions, rows } = await readTable(FILE);

test('the table has a row for each call that is tried, and no other', () => {
  assert.deepEqual([...rows.keys()].toSorted(), Object.keys(calls).toSorted());
});

describe('each call in each version', { concurrency: AT_ONCE }, () => {
  /** @type {Stage} */
  let stage;
  /** @type {Stage} */
  let tcp;
  before(async () => {
    stage = await Stage.open((host) => host.sdkPage('rtk-2.0.2'));
    tcp = await stage.withOwnServer(['--ice-addr', 'off']);
  });
  after(async () => {
    await tcp?.parley.close();
    await stage?.close();
  });

  for (const version of versions) {
    describe(version, { concurrency: 1 }, () => {
      /** @type {import('./calls/call.js').Table} */
      let table;
      before(async () => {
        const own = stage.withPage(stage.host.sdkPage(`rtk-${version}`));
        const room = new Room(own, `Meeting of ${version}`);
        table = { version, room, stage: own, tcp };
        [table.ada, table.bob, table.eve] = await Promise.all([
          room.join('Ada', { preset: 'group_call_host' }),
          room.join('Bob'),
          room.join('Eve'),
        ]);
        for (const each of [table.bob, table.eve]) await table.ada.peerOf(each);
      });
      after(() => table?.room.close());

      for (const [name, play] of Object.entries(calls)) {
        const expected = rows.get(name)?.get(version);
        test(`${name}: ${expected}`, { timeout: CALL_LIMIT }, async () => {
          try {
            assert.equal(await outcomeOf(name, play, table), expected);
          } catch (error) {
            error.message += `\n\n${table.room.report()}\n\nparley:\n${stage.parley.log}`;
            throw error;
          }
        });
      }

      test('nothing happened that no call asked for', () => {
        assert.deepEqual([...table.room.surprises(), ...stage.parley.errors, ...tcp.parley.errors], []);
      });
    });
  }
});

/** What a call does: "-" where this version has no such thing, else what its play says, which is "yes" as a rule. */
async function outcomeOf(name, play, table) {
  const [path] = /^[\w.]+/.exec(name);
  const of = path.startsWith('store.') ? 'board' : undefined;
  if (path.includes('.') && name !== 'chat event pinMessage' && !(await table.ada.has(path, of))) return '-';
  return (await play(table)) ?? 'yes';
}
