import assert from 'node:assert/strict';
import { eventually } from '../harness/eventually.js';
import { Room } from '../harness/room.js';
import { isKicked, refused, rejection } from './call.js';

/** How soon a change by REST has to reach who is there, in milliseconds. */
const REACHES_WITHIN = 1_000;

/** The same for who is sent out: before it says so, the SDK takes its media down. */
const OUT_WITHIN = 5_000;

/**
 * What an app's server changes by REST while people talk: the official SDK learns of it at once.
 *
 * @type {import('./call.js').Calls}
 */
export const rules = {
  'chat.sendTextMessage, chat mode HOSTS': ({ ada, bob, room }) =>
    under(room, { mode: 'HOSTS' }, { mode: 'EVERYONE' }, async () => {
      await may(bob, 'chatPublic', false);
      assert.ok((await ada.get('self.permissions.chatPublic')).canSend);
      await ada.says('the hosts speak', bob);
      return rejection(bob.chat('sendTextMessage', 'from the hall'));
    }, () => may(bob, 'chatPublic', true)),

  'chat.sendTextMessage, chat mode OFF': ({ ada, bob, room }) =>
    under(room, { mode: 'OFF' }, { mode: 'EVERYONE' }, async () => {
      await Promise.all([may(ada, 'chatPublic', false), may(bob, 'chatPublic', false)]);
      return rejection(ada.chat('sendTextMessage', 'nobody speaks'));
    }, () => Promise.all([may(ada, 'chatPublic', true), may(bob, 'chatPublic', true)])),

  'chat.sendTextMessage to some, private chat off': ({ ada, bob, room }) =>
    under(room, { private: false }, { private: true }, async () => {
      await Promise.all([may(ada, 'chatPrivate', false), may(bob, 'chatPrivate', false)]);
      await bob.says('in public one may', ada);
      return rejection(bob.chat('sendTextMessage', 'psst', [await bob.peerOf(ada)]));
    }, () => may(bob, 'chatPrivate', true)),

  async 'chat.pin, pins for hosts'({ ada, bob, room }) {
    const { id } = await ada.says('who may pin', bob);
    return under(room, { pin: 'HOSTS' }, { pin: 'EVERYONE' }, async () => {
      const outcome = await rejection(bob.chat('pin', id));
      if (await bob.has('chat.fetchPinnedMessages')) await bob.refusal();
      await ada.chat('pin', id);
      await bob.sees('chatUpdate', ({ action, message }) => action === 'edit' && message.id === id && message.pinned);
      return outcome;
    });
  },

  'chat.sendTextMessage, slow mode': ({ ada, bob, room }) =>
    under(room, { slow_mode_in_secs: 600 }, { slow_mode_in_secs: 0 }, async () => {
      await bob.says('not too fast', ada);
      const outcome = await refused(bob, bob.chat('sendTextMessage', 'much too fast'));
      await ada.says('hosts are in a hurry', bob);
      await ada.says('and may be', bob);
      assert.ok(!ada.everReceived('much too fast'));
      return outcome;
    }, () => bob.says('as fast as ever', ada)),

  async 'chat.deleteMessage as a moderator'({ ada, bob, eve }) {
    const { id } = await bob.says('off topic', ada, eve);
    await ada.chat('deleteMessage', id);
    for (const each of [ada, bob, eve]) {
      await each.sees('chatUpdate', ({ action, message }) => action === 'delete' && message.id === id);
      assert.ok(!(await each.messages()).some((message) => message.id === id));
    }
  },

  async 'self.permissions, preset changed by REST'({ ada, room }) {
    await room.preset('speaker', { permissions: { chat: { public: { can_send: true } } } });
    const eve = await room.join('Eve 6', { preset: 'speaker' });
    await eve.says('before', ada);
    await room.preset('speaker', { permissions: { chat: { public: { can_send: false } } } });
    await may(eve, 'chatPublic', false);
    assert.ok(eve.eventsOf('permissionsUpdate').length > 0);
    assert.equal(await rejection(eve.chat('sendTextMessage', 'after')), 'ERR0501');
    await eve.leaveForGood();
  },

  async 'self.permissions, other preset by REST'({ ada, eve, room }) {
    await room.preset('listener', { permissions: { chat: { public: { can_send: false } } } });
    await room.change(eve, { preset: 'listener' });
    await may(eve, 'chatPublic', false);
    assert.equal(await rejection(eve.chat('sendTextMessage', 'listeners listen')), 'ERR0501');
    await room.change(eve, { preset: 'group_call_participant' });
    await may(eve, 'chatPublic', true);
    await eve.says('a speaker again', ada);
  },

  async 'participant deleted by REST'({ ada, room }) {
    const eve = await room.join('Eve 7');
    await ada.peerOf(eve);
    await room.remove(eve);
    await isKicked(ada, eve, OUT_WITHIN);
  },

  async 'participant kicked by REST'({ ada, room }) {
    const eve = await room.join('Eve 17');
    await ada.peerOf(eve);
    await room.kick(eve);
    await isKicked(ada, eve, OUT_WITHIN);
  },

  'all kicked by REST': (table) => isOver(table, (side) => side.kickAll()),
  'meeting made INACTIVE by REST': (table) => isOver(table, (side) => side.changeMeeting({ status: 'INACTIVE' })),
};

/** Sets rules of the meeting's chat, and sets the others when all has been tried. */
async function under(room, rules, others, play, after = () => {}) {
  await room.changeMeeting({ chat: rules });
  try {
    return await play();
  } finally {
    await room.changeMeeting({ chat: others });
    await after();
  }
}

function may(who, chat, canSend) {
  const what = `${who.name}'s ${chat}.canSend is ${canSend}`;
  return eventually(what, async () => (await who.get(`self.permissions.${chat}`)).canSend === canSend, REACHES_WITHIN);
}

/** Ends a meeting with two people in it, and checks that they are told. */
async function isOver({ stage, version }, end) {
  const side = new Room(stage, `Side of ${version}`);
  try {
    const people = await side.joinAll('One', 'Two');
    await end(side);
    await Promise.all(people.map((each) => each.sees('roomLeft', ({ state }) => state === 'ended', OUT_WITHIN)));
    assert.deepEqual(side.surprises(), []);
  } catch (error) {
    error.message += `\n\n${side.report()}`;
    throw error;
  } finally {
    await side.close();
  }
}
