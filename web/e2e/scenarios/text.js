import assert from 'node:assert/strict';

/** The longest text there may be, in UTF-16 units. */
const LONGEST = 2_000;

const TEXTS = {
  'a family of emoji': '👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇺🇳',
  'combining marks': 'Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L̠ͨͧͩ͘G̴̻͈͍͔̹̑͗̎̅͛́Ǫ̵̹̻̝̳͂̌̌͘ é is not é',
  'right to left': 'שלום עולם, \u202Eمرحبا\u202C بالعالم',
  'line ends': 'one\r\ntwo\nthree\rfour\u2028five\n\n',
  'space around': ' \t text \t ',
  markup: '<script>alert("x")</script><img src=x onerror=alert(1)> &amp; &#39;',
  'a formula': '=1+1',
  'a reply as the UI kit writes it': '<blockquote>quoted</blockquote>\n\nanswer',
  'JSON and percent signs': '{"a":"\\u0000"} %s %00 ${x} {{y}}',
  'the ends of planes': '\uFFFD\uFEFF\u0001\u007F\u{10FFFF}',
};
TEXTS['as long as can be'] = fill(Object.values(TEXTS).join('|'), LONGEST);
TEXTS['a thousand emoji'] = '😀'.repeat(LONGEST / 2);

/** @param {import('../harness/suite.js').Scenario} scenario */
export function text(scenario) {
  scenario('a text arrives exactly as written', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');

    const before = Date.now();
    for (const [what, written] of Object.entries(TEXTS)) {
      await ada.chat('sendTextMessage', written);
      for (const reader of [ada, bob]) {
        const message = await reader.receives(written);
        assert.equal(message.message, written, `${what}, to ${reader.name}`);
      }
    }
    const after = Date.now();

    const messages = await ada.messages();
    assert.deepEqual(messages.map(({ message }) => message), Object.values(TEXTS));
    assert.deepEqual(await bob.messages(), messages);
    assert.deepEqual(await bob.chat('fetchPublicMessages', { timestamp: before, limit: 50, direction: 'after' }), messages);
    assert.equal(new Set(messages.map(({ id }) => id)).size, messages.length, 'ids are unique');
    for (const [index, message] of messages.entries()) {
      const { type, userId, displayName, isEdited, pinned, targetUserIds, time, timeMs } = message;
      assert.deepEqual(
        { type, userId, displayName, isEdited, pinned, targetUserIds },
        { type: 'text', userId: ada.userId, displayName: 'Ada', isEdited: false, pinned: false, targetUserIds: [] },
      );
      assert.ok(timeMs >= before && timeMs <= after, 'the time is that of sending');
      assert.equal(Date.parse(time), Math.floor(timeMs / 1000) * 1000);
      assert.ok(index === 0 || timeMs > messages[index - 1].timeMs, 'times increase');
    }
  });

  scenario('a text that is too long is refused, and the connection lives', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const longer = `${'😀'.repeat(LONGEST / 2)}x`;
    const kept = await ada.says('kept', bob);

    await assert.rejects(ada.chat('sendTextMessage', longer), /ERR0503/, 'the SDK has a limit of its own');
    await ada.chat('setMaxTextLimit', longer.length);
    await ada.chat('sendTextMessage', longer);
    await ada.refusal();
    await ada.chat('editTextMessage', kept.id, longer);
    await ada.refusal();

    const next = await ada.says('next', bob);
    for (const reader of [ada, bob]) {
      assert.deepEqual(await reader.messages(), [kept, next]);
      assert.deepEqual(reader.eventsOf('chatUpdate').map(({ action }) => action), ['add', 'add']);
      assert.deepEqual(reader.sockets.map(({ isOpen }) => isOpen), [true], 'the first socket is still open');
    }
    assert.deepEqual(await bob.chat('fetchPublicMessages', { limit: 10, direction: 'before' }), [next, kept]);
  });

  scenario('a text from who has not joined is refused', async (room) => {
    const ada = await room.join('Ada');
    const eve = await room.admit('Eve');
    await eve.init({ baseURI: room.baseURI(), authToken: eve.token });

    await eve.chat('sendTextMessage', 'too early');
    await eve.refusal();

    await eve.join();
    const inTime = await eve.says('in time', ada);
    for (const reader of [ada, eve]) assert.deepEqual(await reader.messages(), [inTime]);
  });

  scenario('everybody sees one order of what several write at once', async (room) => {
    const writers = await room.joinAll('Ada', 'Bob', 'Eve');
    const linesOf = ({ name }) => Array.from({ length: 15 }, (_, line) => `${name} ${line}`);
    const total = 15 * writers.length;

    await Promise.all(writers.flatMap((writer) => linesOf(writer).map((line) => writer.chat('sendTextMessage', line))));

    const [first, ...others] = await Promise.all(
      writers.map((writer) => writer.hasMessages(`${total} of them`, ({ length }) => length >= total)),
    );
    for (const other of others) assert.deepEqual(other, first);
    for (const writer of writers) {
      const own = first.filter(({ userId }) => userId === writer.userId).map(({ message }) => message);
      assert.deepEqual(own, linesOf(writer), `${writer.name}'s lines, once each, as they were written`);
      const told = writer.eventsOf('chatUpdate').map(({ message }) => message.id);
      assert.deepEqual(told, first.map(({ id }) => id), `${writer.name} was told in that order`);
    }
  });
}

/** Repeats a piece up to a length in UTF-16 units, without cutting a character in two. */
function fill(piece, length) {
  let filled = '';
  for (;;) {
    for (const character of piece) {
      if (filled.length + character.length > length) return filled.padEnd(length, '.');
      filled += character;
    }
  }
}
