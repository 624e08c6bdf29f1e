import assert from 'node:assert/strict';
import { eventually } from '../harness/eventually.js';

/** @type {import('./call.js').Calls} */
export const waiting = {
  async 'participants.waitlisted'(table) {
    const eve = await waits(table, 'Eve 11');
    await eve.chat('sendTextMessage', 'from outside');
    await eve.refusal();
    await table.ada.says('from inside', table.bob);
    assert.ok(!eve.everReceived('from inside'), 'who waits hears nothing');
    assert.ok(!(await table.bob.others()).some(({ userId }) => userId === eve.userId));
    await eve.goAway();
    await table.ada.sees('waitlistLeft', ({ userId }) => userId === eve.userId);
  },

  async 'participants.acceptWaitingRoomRequest'(table) {
    const eve = await waits(table, 'Eve 12');
    const { id } = table.ada.eventsOf('waitlisted').find(({ userId }) => userId === eve.userId);
    await table.ada.call('participants.acceptWaitingRoomRequest', id);
    await isLetIn(table, eve);
  },

  async 'participants.acceptAllWaitingRoomRequest'(table) {
    const [one, two] = [await waits(table, 'Eve 13'), await waits(table, 'Eve 14')];
    await table.ada.call('participants.acceptAllWaitingRoomRequest', [one.userId, two.userId]);
    await isLetIn(table, one);
    await isLetIn(table, two);
  },

  async 'participants.rejectWaitingRoomRequest'(table) {
    const eve = await waits(table, 'Eve 15');
    await table.ada.call('participants.rejectWaitingRoomRequest', eve.userId);
    await eve.sees('roomLeft', ({ state }) => state === 'rejected');
    await table.ada.sees('waitlistLeft', ({ userId }) => userId === eve.userId);
    await eve.close();
  },
};

/** Somebody who has to wait, and of whom Ada knows. */
async function waits({ ada, room }, name) {
  await room.preset('waiting', { permissions: { waiting_room_type: 'SKIP_ON_ACCEPT' } });
  const eve = await room.join(name, { preset: 'waiting' });
  await ada.sees('waitlisted', ({ userId }) => userId === eve.userId);
  assert.equal((await eve.self()).roomState, 'waitlisted');
  return eve;
}

async function isLetIn({ ada }, eve) {
  await eventually(`${eve.name} is in`, async () => (await eve.self()).roomState === 'joined');
  await ada.peerOf(eve);
  await eve.says(`${eve.name} is in`, ada);
  await eve.leaveForGood();
}
