import assert from 'node:assert/strict';
import tls from 'node:tls';
import { eventually } from '../harness/eventually.js';

/** Well below the time for which a lost participant is waited for, in milliseconds. */
const AT_ONCE = 10_000;

/** @param {import('../harness/suite.js').Scenario} scenario */
export function join(scenario) {
  scenario('join with default options', async (room, { parley }) => {
    const ada = await room.join('Ada', { preset: 'group_call_host' });

    const self = await ada.self();
    assert.equal(self.roomJoined, true);
    assert.equal(self.roomState, 'joined');
    assert.equal(self.userId, ada.userId);
    assert.equal(self.name, 'Ada');
    assert.equal(self.customParticipantId, 'custom-ada');
    assert.equal(self.presetName, 'group_call_host');
    assert.equal(self.meetingTitle, room.title);
    assert.deepEqual(self.chatPublic, { canSend: true, text: true, files: true });
    assert.deepEqual(self.chatPrivate, { canSend: true, canReceive: true, text: true, files: true });
    assert.deepEqual(await ada.messages(), []);

    const { send, recv } = self.mediaState;
    assert.deepEqual([send.state, recv.state], ['connected', 'connected']);
    assert.deepEqual(ada.eventsOf('getUserMedia'), [], 'nobody is asked for a camera or a microphone');

    await checkCertificate('api.localhost', parley);
    await checkCertificate(ada.sockets[0].url.hostname, parley);
  });

  scenario('join a meeting made by the older form of REST', async (room) => {
    room.useV2();
    const [ada, bob] = await room.joinAll('Ada', 'Bob');

    await ada.says('hello', bob);
  });

  scenario('init with a damaged token is refused before anything else', async (room) => {
    const ada = await room.admit('Ada');
    const [head, payload, signature] = ada.token.split('.');
    const damaged = [head, payload, signature.split('').reverse().join('')].join('.');

    await assert.rejects(ada.init({ baseURI: room.baseURI(), authToken: damaged }), /ERR0004/);
    assert.equal(ada.sockets.length, 0);
  });

  scenario('each participant sees the others come and go', async (room) => {
    const ada = await room.join('Ada');
    const bob = await room.join('Bob', { preset: 'group_call_host' });
    const eve = await room.join('Eve');

    const isBob = ({ userId }) => userId === bob.userId;
    const isEve = ({ userId }) => userId === eve.userId;
    const { id, ...seen } = await ada.sees('participantJoined', isBob);
    assert.deepEqual(seen, { userId: bob.userId, name: 'Bob', customParticipantId: 'custom-bob', presetName: 'group_call_host' });
    assert.equal(id, (await bob.self()).id, 'a participant is known by its peer id');
    await ada.sees('participantJoined', isEve);
    await bob.sees('participantJoined', isEve);
    assert.deepEqual((await eve.others()).map(({ name }) => name).sort(), ['Ada', 'Bob'], 'who came late sees who was there');

    await bob.leave();
    await ada.sees('participantLeft', isBob, AT_ONCE);
    await eve.sees('participantLeft', isBob, AT_ONCE);
    await bob.sees('roomLeft', ({ state }) => state === 'left');
    await eve.goAway();
    await ada.sees('participantLeft', isEve, AT_ONCE);

    assert.deepEqual(await ada.others(), []);
    assert.equal(ada.eventsOf('participantJoined').length, 2);
    assert.equal(ada.eventsOf('participantLeft').length, 2);
  });

  scenario('a second tab with the same token is the same participant once more', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const tab = await room.join('Ada', { as: ada });

    const [self, twin] = [await ada.self(), await tab.self()];
    assert.equal(self.userId, twin.userId);
    assert.notEqual(self.id, twin.id);
    await bob.sees('participantJoined', ({ id }) => id === twin.id);

    const fromTab = await tab.says('from the second tab', ada, bob);
    const fromAda = await ada.says('from the first tab', tab, bob);
    const fromBob = await bob.says('to both tabs', ada, tab);
    assert.equal(fromTab.userId, ada.userId);
    for (const participant of [ada, tab, bob]) {
      assert.deepEqual(await participant.messages(), [fromTab, fromAda, fromBob]);
    }

    await tab.leave();
    await bob.sees('participantLeft', ({ id }) => id === twin.id);
    await ada.says('the first tab stays', bob);
    await eventually('Bob sees only the first tab', async () => {
      const others = await bob.others();
      return others.length === 1 && others[0].id === self.id;
    });
  });
}

/** Checks strictly what the browser was told to overlook: the certificate a host name gets. */
function checkCertificate(host, { ca, httpsPort }) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port: httpsPort, servername: host, ca }, () => resolve(socket.end()));
    socket.on('error', (error) => reject(new Error(`certificate for ${host}: ${error.message}`)));
  });
}
