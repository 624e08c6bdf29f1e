import assert from 'node:assert/strict';
import { eventually } from '../harness/eventually.js';

/** The store all of one version's calls share. */
const STORE = 'board';

const holds = (reader, key, value) =>
  eventually(`${reader.name}'s ${key} is ${JSON.stringify(value)}`, async () => JSON.stringify(await reader.callOn('store', STORE, 'get', key)) === JSON.stringify(value));

/** @type {import('./call.js').Calls} */
export const stores = {
  async 'stores.create'({ ada, bob }) {
    for (const each of [ada, bob]) await each.call('stores.create', 'fresh');
  },

  async 'store.set'({ ada, bob }) {
    for (const each of [ada, bob]) await each.watch(STORE);
    await ada.callOn('store', STORE, 'set', 'colour', { r: 1 });
    for (const each of [ada, bob]) await holds(each, 'colour', { r: 1 });
  },

  async 'store.update'({ ada, bob }) {
    await ada.callOn('store', STORE, 'update', 'colour', { g: 2 });
    await holds(bob, 'colour', { r: 1, g: 2 });
  },

  async 'store.get, late'({ ada, room }) {
    await ada.callOn('store', STORE, 'set', 'early', 'bird');
    const late = await room.join('Late 2');
    await holds(late, 'early', 'bird');
    await late.leaveForGood();
  },

  async 'store.delete'({ ada, bob }) {
    await ada.callOn('store', STORE, 'set', 'gone', 1);
    await holds(bob, 'gone', 1);
    await ada.callOn('store', STORE, 'delete', 'gone');
    await eventually('Bob has it no more', async () => (await bob.callOn('store', STORE, 'get', 'gone')) === null);
  },

  async 'store.bulkSet'({ ada, bob }) {
    await ada.callOn('store', STORE, 'bulkSet', [
      { key: 'one', payload: 1 },
      { key: 'two', payload: 2 },
    ]);
    await holds(bob, 'one', 1);
    await holds(bob, 'two', 2);
  },

  async 'store.bulkDelete'({ ada, bob }) {
    await ada.callOn('store', STORE, 'bulkSet', [{ key: 'three', payload: 3 }]);
    await holds(bob, 'three', 3);
    await ada.callOn('store', STORE, 'bulkDelete', [{ key: 'three' }]);
    await eventually('Bob has it no more', async () => (await bob.callOn('store', STORE, 'get', 'three')) === null);
  },

  async 'stores.refresh'({ ada, bob }) {
    await ada.callOn('store', STORE, 'set', 'kept', 4);
    await holds(bob, 'kept', 4);
    await bob.callOn('store', STORE, 'clear');
    await bob.call('stores.refresh', STORE);
    await holds(bob, 'kept', 4);
  },

  async 'store.clear'({ bob }) {
    await bob.callOn('store', STORE, 'clear');
    assert.deepEqual(await bob.callOn('store', STORE, 'getAll'), {});
  },
};
