import assert from 'node:assert/strict';
import { eventually } from '../harness/eventually.js';

/**
 * How long coming back may take, in milliseconds: the SDK notices, waits 3 s, and then tries again and again with growing
 * pauses of up to 10 s.
 */
const COMING_BACK = 45_000;

/**
 * @param {import('../harness/suite.js').Scenario} scenario
 * @param {{major: number}} sdk
 */
export function reconnect(scenario, sdk) {
  scenario('what was said while the connection was cut arrives once', async (room) => {
    const link = await room.link();
    const [ada, bob] = await Promise.all([room.join('Ada', { preset: 'group_call_host' }), room.join('Bob', { over: link })]);
    const toBob = await ada.peerOf(bob);
    const [kept, edited, deleted, pinned] = [
      await ada.says('kept', bob),
      await ada.says('to be edited', bob),
      await ada.says('to be deleted', bob),
      await ada.says('to be pinned', bob),
    ];

    // As both come at the same time, the SDK may tell of one as joined, left and joined.
    const [arrivals, departures] = [ada.eventsOf('participantJoined').length, ada.eventsOf('participantLeft').length];

    await cut(link, bob);
    const missed = [await ada.says('missed 1'), await ada.says('missed 2')];
    await ada.chat('sendTextMessage', 'missed 3, private', [toBob]);
    missed.push(await ada.receives('missed 3, private'));
    await ada.chat('editTextMessage', edited.id, 'was edited');
    await ada.chat('deleteMessage', deleted.id);
    await ada.chat('pin', pinned.id);
    missed.push(await ada.says('missed 4'));
    link.mend();
    await isBack(bob);

    for (const { message } of missed) await bob.receives(message);
    const expected = await ada.messages();
    assert.deepEqual(
      expected.map(({ message }) => message),
      [kept.message, 'was edited', pinned.message, ...missed.map(({ message }) => message)],
    );
    await bob.hasMessages('what was said, once each', sameAs(expected));
    for (const { id } of missed) {
      const told = bob.eventsOf('chatUpdate').filter(({ action, message }) => action === 'add' && message.id === id);
      assert.equal(told.length, 1, 'Bob was told of each missed message once');
    }
    const fromAda = await ada.says('live again', bob);
    const fromBob = await bob.says('live again, too', ada);
    for (const reader of [ada, bob]) assert.deepEqual(await reader.messages(), [...expected, fromAda, fromBob]);
    assert.equal(ada.eventsOf('participantLeft').length, departures, 'a short absence is no departure');
    assert.equal(ada.eventsOf('participantJoined').length, arrivals, 'and coming back no arrival');
    assert.equal(await ada.peerOf(bob), toBob);
  });

  scenario('a connection that is cut again and again loses nothing', async (room) => {
    const link = await room.link();
    const [ada, bob] = await Promise.all([room.join('Ada'), room.join('Bob', { over: link })]);

    const said = [];
    for (let round = 1; round <= 2; round++) {
      said.push(await ada.says(`round ${round}: connected`, bob));
      await cut(link, bob);
      said.push(await ada.says(`round ${round}: cut`));
      link.mend();
      await isBack(bob, round);
      await bob.receives(said.at(-1).message);
    }
    said.push(await bob.says('at last', ada));

    for (const reader of [ada, bob]) await reader.hasMessages('what was said, once each', sameAs(said));
  });

  if (sdk.major === 1) {
    scenario('what was written while the connection was cut is sent once', async (room) => {
      const link = await room.link();
      const [ada, bob] = await Promise.all([room.join('Ada'), room.join('Bob', { over: link })]);
      const before = await bob.says('before', ada);

      await cut(link, bob);
      await bob.chat('sendTextMessage', 'written offline 1');
      await bob.chat('sendTextMessage', 'written offline 2');
      link.mend();
      await isBack(bob);

      await ada.receives('written offline 2');
      const after = await bob.says('after', ada);
      for (const reader of [ada, bob]) {
        const messages = await reader.hasMessages('all four', ({ length }) => length >= 4);
        assert.deepEqual(messages.map(({ message }) => message), ['before', 'written offline 1', 'written offline 2', 'after']);
        assert.deepEqual([messages[0], messages[3]], [before, after]);
      }
    });
  }

  scenario(
    'everybody comes back after the server was killed, and nothing is lost',
    (room, { parley }) => surviveRestart(room, parley, () => parley.kill()),
    { ownServer: true },
  );

  scenario(
    'everybody comes back after the server was restarted, and nothing is lost',
    (room, { parley }) => surviveRestart(room, parley, () => parley.halt()),
    { ownServer: true },
  );
}

async function surviveRestart(room, parley, end) {
  const [ada, bob] = await room.joinAll('Ada', 'Bob');
  const peers = [await ada.peerOf(bob), await bob.peerOf(ada)];
  const said = [];
  for (let line = 0; line < 5; line++) said.push(await ada.says(`line ${line}`, bob));
  await bob.chat('sendTextMessage', 'the last words', [peers[1]]);
  said.push(await bob.receives('the last words'));

  await end();
  for (const each of [ada, bob]) await eventually(`${each.name} notices`, () => !each.sockets.at(-1).isOpen);
  await parley.restart();
  await Promise.all([isBack(ada), isBack(bob)]);

  for (const reader of [ada, bob]) await reader.hasMessages('what was said, once each', sameAs(said));
  assert.deepEqual([await ada.peerOf(bob), await bob.peerOf(ada)], peers);
  const fromAda = await ada.says('live again', bob);
  const fromBob = await bob.says('live again, too', ada);
  const eve = await room.join('Eve');
  const publicOnes = [...said.slice(0, 5), fromAda, fromBob];
  await eve.hasMessages('the public history', sameAs(publicOnes));
  for (const reader of [ada, bob]) {
    assert.deepEqual(await reader.messages(), [...said, fromAda, fromBob]);
    assert.deepEqual(await reader.chat('fetchPublicMessages', { timestamp: 0, limit: 50, direction: 'after' }), publicOnes);
  }
}

/** Cuts the path of one participant and waits until its page has noticed. */
async function cut(link, participant) {
  link.cut();
  await eventually(`${participant.name} notices the cut`, () => !participant.sockets.at(-1).isOpen);
}

/** Waits until the SDK has said, for the given time, that it is back in the room. */
function isBack(participant, times = 1) {
  const returns = () => participant.eventsOf('roomJoined').filter(({ reconnected }) => reconnected);
  return eventually(`${participant.name} is back in the room`, () => returns().length >= times, COMING_BACK);
}

function sameAs(expected) {
  const wanted = JSON.stringify(expected);
  return (messages) => JSON.stringify(messages) === wanted;
}
