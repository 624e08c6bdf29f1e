import assert from 'node:assert/strict';
import { anyBytes, attachment, png } from '../harness/attachment.js';
import { request } from '../harness/loopback.js';

/** @param {import('../harness/suite.js').Scenario} scenario */
export function attachments(scenario) {
  scenario('an image arrives and can be shown', async (room, { parley }) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const bytes = png(40, 30, [200, 30, 60]);

    await ada.chat('sendImageMessage', attachment('red.png', 'image/png', bytes));

    for (const reader of [ada, bob]) {
      const { message } = await reader.sees('chatUpdate', ({ message }) => message.type === 'image');
      assert.equal(message.userId, ada.userId);
      assert.deepEqual(await reader.show(message.link), { width: 40, height: 30 });
      assert.ok((await reader.download(message.link)).equals(bytes), 'the image is the one that was sent');
      assert.deepEqual(await reader.messages(), [message]);
      assert.equal((await request(message.link, { ca: parley.ca })).headers['content-type'], 'image/png');
    }
  });

  scenario('a file arrives byte for byte', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const bytes = anyBytes(300_000);
    const name = 'naïve — 測試 (1) "a&b".bin';

    await ada.chat('sendFileMessage', attachment(name, 'application/octet-stream', bytes));

    for (const reader of [ada, bob]) {
      const { message } = await reader.sees('chatUpdate', ({ message }) => message.type === 'file');
      assert.equal(message.name, name);
      assert.equal(message.size, bytes.length);
      assert.ok((await reader.download(message.link)).equals(bytes), 'the file is the one that was sent');
      assert.deepEqual(await reader.messages(), [message]);
    }
  });

  scenario('a file that is a web page is never shown as one', async (room, { parley }) => {
    const ada = await room.join('Ada');
    const page = Buffer.from('<!doctype html><script>alert(document.domain)</script>');

    await ada.chat('sendFileMessage', attachment('page.html', 'text/html', page));

    const { message } = await ada.sees('chatUpdate');
    const { status, headers, body } = await request(message.link, { ca: parley.ca });
    assert.equal(status, 200);
    assert.ok(body.equals(page));
    assert.match(headers['content-disposition'], /^attachment\b/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
  });

  scenario('a custom message arrives with all its parts', async (room) => {
    const [ada, bob] = await room.joinAll('Ada', 'Bob');
    const [picture, notes] = [png(8, 8, [0, 0, 255]), anyBytes(1_000)];

    await ada.chat('sendCustomMessage', {
      type: 'custom',
      message: 'see <these> 😀',
      html: '<b>bold</b><script>alert(1)</script><img src="x" onerror="alert(1)">',
      images: [attachment('blue.png', 'image/png', picture)],
      files: [attachment('notes.bin', 'application/octet-stream', notes)],
    });

    for (const reader of [ada, bob]) {
      const { message } = await reader.sees('chatUpdate', ({ message }) => message.type === 'custom');
      assert.equal(message.message, 'see <these> 😀');
      assert.ok(message.html.includes('<b>bold</b>'), 'harmless markup stays');
      assert.doesNotMatch(message.html, /script|onerror|alert/i, 'harmful markup goes');
      const [image, file] = [message.images[0], message.files[0]];
      assert.deepEqual([image.name, image.type, image.size], ['blue.png', 'image/png', picture.length]);
      assert.deepEqual([file.name, file.type, file.size], ['notes.bin', 'application/octet-stream', notes.length]);
      assert.deepEqual([message.images.length, message.files.length, message.videos], [1, 1, []]);
      assert.ok((await reader.download(image.link)).equals(picture));
      assert.ok((await reader.download(file.link)).equals(notes));
      assert.deepEqual(await reader.messages(), [message]);
    }
  });
}
