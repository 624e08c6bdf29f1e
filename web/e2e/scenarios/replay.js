import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'csv-parse/sync';
import { anyBytes, attachment, png } from '../harness/attachment.js';
import { Receiver } from '../harness/receiver.js';
import { Rest } from '../harness/rest.js';

const DOWNLOAD = fileURLToPath(new URL('../apps/download.mjs', import.meta.url));
const NAMES = new URL('../harness/names.js', import.meta.url).href;

const COLUMNS = ['id', 'participantId', 'sessionId', 'meetingId', 'displayName', 'pinned', 'isEdited', 'payloadType', 'payload', 'createdAt'];

/** What readers of CSV trip over. */
const TEXTS = [
  'hello',
  'a,b;c\td',
  'say "hi"',
  '"',
  'line\nfeed',
  'carriage\rreturn',
  'both\r\nof them\r\n\r\n',
  '\ufeffwith a mark',
  '  spaces around  ',
  '\u{1f600} e\u0301 \u202eabc \u2028',
  '=1+1',
  '@SUM(A1)',
  '<script>alert(1)</script>',
  'x'.repeat(2000),
];

/** @param {import('../harness/suite.js').Scenario} scenario */
export function replay(scenario) {
  scenario('what was said can be downloaded once the session has ended', async (room, { parley }) => {
    const receiver = await Receiver.open();
    const rest = Rest.accounts(parley);
    const hook = await rest.createWebhook('replay', receiver.url, ['meeting.chatSynced']);
    try {
      const ada = await room.join('Ada, "the" host', { preset: 'group_call_host' });
      const bob = await room.join('Bob');
      const said = await talk(ada, bob);
      const [sessionId, meetingId] = [await ada.get('meta.sessionId'), await ada.get('meta.meetingId')];
      await room.kickAll();

      const told = await receiver.receives('that the chat can be downloaded', (it) => it.sessionId === sessionId);
      assert.deepEqual([told.event, told.meetingId, told.title], ['meeting.chatSynced', meetingId, room.title]);
      const { chat_download_url: link } = await rest.chatOf(sessionId);

      const files = [];
      for (const url of [told.chatDownloadUrl, link]) {
        files.push(await downloadInBrowser(ada.page, url), await downloadInNode(url, parley.info.ca_file));
      }
      for (const file of files) assert.ok(file.equals(files[0]), 'every way gives the same file');
      assert.deepEqual(rowsOf(files[0], { sessionId, meetingId }), said);
      await checkRanges(ada.page, link, files[0]);
      const altered = await ada.page.evaluate((url) => fetch(url).then(({ status }) => status), link.replace(/sig=.{4}/, 'sig=AAAA'));
      assert.equal(altered, 403, 'the app can read why it gets nothing');
    } finally {
      await rest.deleteWebhook(hook.id);
      await receiver.close();
    }
  });

  scenario('a session without a word gives a file without a row', async (room, { parley }) => {
    const ada = await room.join('Ada', { preset: 'group_call_host' });
    const sessionId = await ada.get('meta.sessionId');
    await room.kickAll();
    await ada.sees('roomLeft');

    const { chat_download_url: link } = await Rest.accounts(parley).chatOf(sessionId);

    assert.deepEqual(rowsOf(await downloadInBrowser(ada.page, link), {}), []);
  });
}

/** Says everything there is to be said, and gives the rows that the file must hold. */
async function talk(ada, bob) {
  const rows = [];
  const add = ({ id, userId, displayName, timeMs }, payloadType, payload, { pinned = 'false', isEdited = 'false' } = {}) =>
    rows.push({ id, participantId: userId, displayName, pinned, isEdited, payloadType, payload, createdAt: new Date(timeMs).toISOString() });

  for (const text of TEXTS) add(await ada.says(text, bob), 'TEXT_MESSAGE', text);
  const edited = await bob.says('before the edit', ada);
  await bob.chat('editTextMessage', edited.id, 'after "the" edit,\r\n=2');
  add(edited, 'TEXT_MESSAGE', 'after "the" edit,\r\n=2', { isEdited: 'true' });
  const pinned = await bob.says('pinned', ada);
  await ada.chat('pin', pinned.id);
  add(pinned, 'TEXT_MESSAGE', 'pinned', { pinned: 'true' });
  await ada.chat('deleteMessage', (await bob.says('deleted by a host', ada)).id);
  await ada.chat('sendTextMessage', 'between us', [await ada.peerOf(bob)]);
  await bob.receives('between us');

  const sends = async (type, method, content) => {
    await bob.chat(method, content);
    return (await ada.sees('chatUpdate', ({ action, message }) => action === 'add' && message.type === type)).message;
  };
  const image = await sends('image', 'sendImageMessage', attachment('a.png', 'image/png', png(6, 5, [1, 2, 3])));
  add(image, 'IMAGE_MESSAGE', withoutQuery(image.link));
  const file = await sends('file', 'sendFileMessage', attachment('a "file", b.bin', 'application/octet-stream', anyBytes(3000)));
  add(file, 'FILE_MESSAGE', { link: withoutQuery(file.link), name: 'a "file", b.bin', size: 3000 });
  await ada.says('the end', bob);
  add(await ada.receives('the end'), 'TEXT_MESSAGE', 'the end');
  return rows;
}

/** The rows of a file as talk() gives them, read strictly. */
function rowsOf(file, { sessionId, meetingId }) {
  assert.equal(file.toString('utf8', 0, COLUMNS.join().length), COLUMNS.join(), 'the header begins the file');
  const rows = parse(file, { columns: true, bom: false, record_delimiter: '\r\n', relax_quotes: false, trim: false });
  return rows.map(({ sessionId: session, meetingId: meeting, ...row }) => {
    assert.deepEqual([session, meeting], [sessionId, meetingId]);
    if (row.payloadType === 'IMAGE_MESSAGE') row.payload = withoutQuery(row.payload);
    if (row.payloadType === 'FILE_MESSAGE') {
      const { link, ...rest } = JSON.parse(row.payload);
      row.payload = { link: withoutQuery(link), ...rest };
    }
    return row;
  });
}

/** Links are made anew each time; they lead to the same. */
function withoutQuery(link) {
  return link.replace(/\?.*$/, '');
}

/** Downloads as an app's page does: by fetch, into a link that is clicked. */
async function downloadInBrowser(page, link) {
  const saved = page.waitForEvent('download');
  await page.evaluate(async (url) => {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`GET of a chat: ${answer.status}`);
    const click = document.createElement('a');
    click.style.display = 'none';
    click.href = URL.createObjectURL(await answer.blob());
    click.download = 'chat.csv';
    document.body.append(click);
    click.click();
  }, link);
  const download = await saved;
  assert.equal(download.suggestedFilename(), 'chat.csv');
  return readFile(await download.path());
}

/** Downloads as an app's server does, in a process that trusts the development certificate authority. */
async function downloadInNode(link, ca) {
  const directory = await mkdtemp(path.join(tmpdir(), 'parley-e2e-chat-'));
  try {
    const file = path.join(directory, 'chat.csv');
    await promisify(execFile)(process.execPath, ['--import', NAMES, DOWNLOAD, link, file], { env: { ...process.env, NODE_EXTRA_CA_CERTS: ca } });
    return await readFile(file);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Checks that a page may ask for a part of a file, and for its size alone. */
async function checkRanges(page, link, file) {
  const { head, part } = await page.evaluate(async (url) => {
    const read = async (answer) => ({ status: answer.status, length: answer.headers.get('content-length'), type: answer.headers.get('content-type'), text: await answer.text() });
    return {
      head: await read(await fetch(url, { method: 'HEAD' })),
      part: await read(await fetch(url, { headers: { range: 'bytes=3-16' } })),
    };
  }, link);
  assert.deepEqual([head.status, Number(head.length), head.text], [200, file.length, '']);
  assert.match(head.type, /^text\/csv/);
  assert.deepEqual([part.status, part.text], [206, file.toString('utf8', 3, 17)]);
}
