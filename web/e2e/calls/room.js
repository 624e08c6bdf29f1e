import assert from 'node:assert/strict';
import { rejection } from './call.js';

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
    await eve.leave();
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
  },

  async 'self.setName before join'({ ada, room }) {
    const eve = await room.admit('Eve 3');
    await eve.init({ baseURI: room.baseURI(), authToken: eve.token });
    await eve.call('self.setName', 'Evelyn');
    await eve.join();
    const { name } = await ada.sees('participantJoined', ({ userId }) => userId === eve.userId);
    const { displayName } = await eve.says('who am I');
    await eve.leave();
    assert.equal(displayName, name);
    return name === 'Evelyn' ? 'yes' : `stays ${name}`;
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

  async 'connectedMeetings.getConnectedMeetings'({ ada, room }) {
    const { parentMeeting, meetings } = await ada.call('connectedMeetings.getConnectedMeetings');
    assert.deepEqual([parentMeeting.title, meetings], [room.title, []]);
  },

  async 'plugins.all'({ ada }) {
    assert.equal(await ada.get('plugins.all.size'), 0);
  },

  'stage.requestAccess, stage off': ({ bob }) => rejection(bob.call('stage.requestAccess')),
};
