import assert from 'node:assert/strict';
import { eventually } from '../harness/eventually.js';
import { Room } from '../harness/room.js';
import { isKicked, refused, rejection } from './call.js';

/** @type {import('./call.js').Calls} */
export const room = {
  async init({ ada }) {
    assert.ok(await ada.has('init'));
  },

  async join({ ada }) {
    assert.equal((await ada.self()).roomState, 'joined');
    const { send, recv } = await ada.get('meta.mediaState');
    assert.deepEqual([send.state, recv.state], ['connected', 'connected']);
  },

  async self({ ada }) {
    const { name, userId, customParticipantId, presetName, chatPublic } = await ada.self();
    assert.deepEqual(
      { name, userId, customParticipantId, presetName },
      { name: 'Ada', userId: ada.userId, customParticipantId: 'custom-ada', presetName: 'group_call_host' },
    );
    assert.deepEqual(chatPublic, { canSend: true, text: true, files: true });
  },

  async meta({ ada, room }) {
    assert.equal(await ada.get('meta.meetingTitle'), room.title);
    assert.match(await ada.get('meta.meetingId'), /^[0-9a-f-]{36}$/);
    assert.match(await ada.get('meta.sessionId'), /^[0-9a-f-]{36}$/);
    const started = Date.parse(await ada.get('meta.meetingStartedTimestamp'));
    assert.ok(Math.abs(Date.now() - started) < 10 * 60_000);
  },

  async 'participants.joined'({ ada, room }) {
    const eve = await room.join('Eve 1');
    const isEve = ({ userId }) => userId === eve.userId;
    await ada.sees('participantJoined', isEve);
    assert.ok((await ada.others()).some(isEve));
    assert.ok((await eve.others()).some(({ userId }) => userId === ada.userId));
    await eve.leaveForGood();
    await ada.sees('participantLeft', isEve);
    assert.ok(!(await ada.others()).some(isEve));
  },

  async 'participants.count'({ ada, bob }) {
    await ada.peerOf(bob);
    assert.equal(await ada.get('participants.count'), (await ada.others()).length);
  },

  async leave({ ada, room }) {
    const eve = await room.join('Eve 2');
    await ada.peerOf(eve);
    await eve.call('leave');
    await eve.sees('roomLeft', ({ state }) => state === 'left');
    await ada.sees('participantLeft', ({ userId }) => userId === eve.userId);
    await eve.close();
  },

  async 'self.setName before join'({ ada, room }) {
    const eve = await room.admit('Eve 3');
    await eve.init({ baseURI: room.baseURI(), authToken: eve.token });
    await eve.call('self.setName', 'Evelyn');
    await eve.join();
    const { name } = await ada.sees('participantJoined', ({ userId }) => userId === eve.userId);
    const { displayName } = await eve.says('who am I');
    await eve.leaveForGood();
    assert.equal(displayName, name);
    return name === 'Evelyn' ? 'yes' : `stays ${name}`;
  },

  async 'self.setName without the right'({ ada, room }) {
    await room.preset('named', { permissions: { can_edit_display_name: false } });
    const eve = await room.admit('Eve 18', { preset: 'named' });
    await eve.init({ baseURI: room.baseURI(), authToken: eve.token });
    await eve.call('self.setName', 'Adam');
    await eve.join();
    const { name } = await ada.sees('participantJoined', ({ userId }) => userId === eve.userId);
    assert.equal(name, 'Eve 18');
    assert.equal((await eve.says('still me', ada)).displayName, 'Eve 18');
    await eve.leaveForGood();
    return 'nothing';
  },

  async 'join, view type LIVESTREAM'({ ada, room }) {
    await room.preset('viewer', { config: { view_type: 'LIVESTREAM' } });
    const eve = await room.join('Eve 19', { preset: 'viewer' });
    assert.equal((await eve.self()).roomState, 'joined');
    await ada.peerOf(eve);
    await eve.says('from a viewer', ada);
    await ada.says('to a viewer', eve);
    assert.deepEqual(eve.eventsOf('media'), [], 'no media connection was tried');
    await eve.leaveForGood();
  },

  async 'join, TCP alone'({ tcp, version }) {
    const side = new Room(tcp.withPage(tcp.host.sdkPage(`rtk-${version}`)), `TCP of ${version}`);
    try {
      const eve = await side.join('Eve 20');
      const { send, recv } = await eve.get('meta.mediaState');
      assert.deepEqual([send.state, recv.state, eve.eventsOf('roomJoined').length], ['connected', 'connected', 1]);
      await eve.says('by TCP');
      assert.deepEqual(side.surprises(), []);
    } finally {
      await side.close();
    }
  },

  async 'participants.broadcastMessage'({ ada, bob }) {
    await ada.call('participants.broadcastMessage', 'wave', { with: 'both hands' });
    for (const reader of [ada, bob]) {
      const { type, payload } = await reader.sees('broadcast', (it) => it.type === 'wave');
      assert.deepEqual([type, payload], ['wave', { with: 'both hands' }]);
    }
  },

  async 'participants.broadcastMessage to some'({ ada, bob, eve }) {
    const target = { participantIds: [await ada.peerOf(bob)] };
    await ada.call('participants.broadcastMessage', 'whisper', { to: 'Bob' }, target);
    assert.deepEqual((await bob.sees('broadcast', (it) => it.type === 'whisper')).payload, { to: 'Bob' });
    await ada.call('participants.broadcastMessage', 'fence', {});
    await eve.sees('broadcast', (it) => it.type === 'fence');
    assert.ok(!eve.everReceived('whisper'));
  },

  async 'participants.kick'({ ada, room }) {
    const eve = await room.join('Eve 4');
    await ada.call('participants.kick', await ada.peerOf(eve));
    await isKicked(ada, eve);
  },

  async 'participant.kick'({ ada, room }) {
    const eve = await room.join('Eve 5');
    await ada.callOn('participant', await ada.peerOf(eve), 'kick');
    await isKicked(ada, eve);
  },

  async 'participants.kickAll'({ stage, version }) {
    const side = new Room(stage, `Side of ${version}`);
    try {
      const host = await side.join('Host', { preset: 'group_call_host' });
      const [one, two] = await side.joinAll('One', 'Two');
      await host.call('participants.kickAll');
      for (const each of [one, two]) await each.sees('roomLeft', ({ state }) => state === 'ended');
      await host.call('leave');
      assert.deepEqual(side.surprises(), []);
    } catch (error) {
      error.message += `\n\n${side.report()}`;
      throw error;
    } finally {
      await side.close();
    }
  },

  async 'participant.kick without the right'({ ada, bob }) {
    return rejection(bob.callOn('participant', await bob.peerOf(ada), 'kick'));
  },

  async 'participant.getPermissions'({ ada, bob }) {
    const { chat } = await ada.callOn('participant', await ada.peerOf(bob), 'getPermissions');
    assert.equal((chat.public.canSend ?? chat.public.can_send), true);
  },

  async 'participants.updatePermissions'({ ada, bob }) {
    const peer = [await ada.peerOf(bob)];
    const may = (canSend) => ({ chat: { public: { canSend, text: true, files: true } } });
    await ada.call('participants.updatePermissions', peer, may(false));
    await eventually('Bob may not send', async () => !(await bob.get('self.permissions.chatPublic')).canSend);
    assert.match(await rejection(bob.chat('sendTextMessage', 'silenced')), /ERR0501/);
    await ada.call('participants.updatePermissions', peer, may(true));
    await eventually('Bob may send again', async () => (await bob.get('self.permissions.chatPublic')).canSend);
    await bob.says('free again', ada);
  },

  async 'participants.getAllJoinedPeers'({ ada, bob }) {
    const peers = await ada.call('participants.getAllJoinedPeers', '', 10, 0);
    assert.ok(peers.some(({ userId }) => userId === bob.userId));
  },

  async 'participants.getParticipantsInMeetingPreJoin'({ ada, bob }) {
    const { peers } = await ada.call('participants.getParticipantsInMeetingPreJoin');
    assert.ok(peers.some(({ userId }) => userId === bob.userId));
  },

  async 'polls.items'({ ada }) {
    assert.deepEqual(await ada.get('polls.items'), []);
  },

  async 'polls.create'({ ada }) {
    await ada.call('polls.create', 'Tea?', ['yes', 'no']);
    assert.deepEqual(await ada.get('polls.items'), []);
    return 'nothing';
  },

  async 'connectedMeetings.getConnectedMeetings'({ ada, room }) {
    const { parentMeeting, meetings } = await ada.call('connectedMeetings.getConnectedMeetings');
    assert.deepEqual([parentMeeting.title, meetings], [room.title, []]);
  },

  async 'plugins.all'({ ada }) {
    assert.equal(await ada.get('plugins.all.size'), 0);
  },

  async 'connectedMeetings.createMeetings'({ room }) {
    await room.preset('opener', { permissions: { connected_meetings: { can_alter_connected_meetings: true } } });
    const eve = await room.join('Eve 16', { preset: 'opener' });
    const outcome = await refused(eve, eve.call('connectedMeetings.createMeetings', [{ title: 'Side room' }]));
    await eve.leaveForGood();
    return outcome;
  },

  async 'hidden participant'({ ada, room }) {
    await room.preset('hidden', { permissions: { hidden_participant: true } });
    const eve = await room.join('Eve 8', { preset: 'hidden' });
    await ada.says('nobody else here', eve);
    assert.ok(!(await ada.others()).some(({ userId }) => userId === eve.userId));
    await eve.leaveForGood();
  },

  async 'reconnect'({ ada, room }) {
    const link = await room.link();
    const eve = await room.join('Eve 9', { over: link });
    eve.overlooks('request timeout'); // of a request that was under way when the connection was cut
    const peer = await ada.peerOf(eve);
    link.cut();
    await eventually('Eve notices the cut', () => !eve.sockets.at(-1).isOpen);
    await ada.says('while Eve was away');
    link.mend();
    await eve.sees('roomJoined', ({ reconnected }) => reconnected, COMING_BACK);
    await eve.receives('while Eve was away');
    await eve.says('back again', ada);
    assert.equal((await eve.messages()).filter(({ message }) => message === 'while Eve was away').length, 1);
    assert.equal(await ada.peerOf(eve), peer);
    await eve.leaveForGood();
  },
};

/** How long coming back may take, in milliseconds: see scenarios/reconnect.js. */
const COMING_BACK = 45_000;
