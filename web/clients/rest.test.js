import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Validator } from '@seriousme/openapi-schema-validator';
import Cloudflare, { APIError, AuthenticationError, BadRequestError, ConflictError, NotFoundError } from 'cloudflare';
import { WebSocket } from 'ws';
import { ParleyClient } from '../dist/parley-client.js';
import { Binary } from '../e2e/harness/binary.js';
import { Parley } from '../e2e/harness/parley.js';
import { Judge } from './judge.js';

globalThis.WebSocket ??= WebSocket;

/** The properties of `client.realtimeKit`, and the files that declare them. */
const RESOURCES = {
  apps: 'apps', meetings: 'meetings', presets: 'presets', sessions: 'sessions', webhooks: 'webhooks',
  activeSession: 'active-session', recordings: 'recordings', livestreams: 'livestreams', analytics: 'analytics',
};

/** An id that nothing has. */
const NOBODY = '00000000-0000-4000-8000-000000000000';
const judge = new Judge(Object.values(RESOURCES));
const called = new Set();
let binary;
let parley;
let allApps;

before(async () => {
  binary = await Binary.find();
  parley = await Parley.start(binary.path);
  const data = path.dirname(path.dirname(parley.info.ca_file));
  const made = await promisify(execFile)(binary.path, ['token', 'create', '--data', data, '--json', 'clients']);
  allApps = JSON.parse(made.stdout).token;
});

after(async () => {
  await parley?.close();
  await binary?.remove();
});

/** The official client with its base URL changed, and what it needs to be told in each call. */
class World {
  constructor(v2, token = allApps) {
    this.v2 = v2;
    this.token = token;
    this.answers = [];
    this.client = new Cloudflare({
      baseURL: parley.info.rest_url, apiToken: token,
      fetch: async (url, init) => {
        const answer = await fetch(...this.#written(String(url), init));
        this.answers.push(answer.status);
        return answer;
      },
    });
  }

  /** Writes a request anew as older clients send it. */
  #written(url, init) {
    const prefix = `${parley.info.rest_url}/accounts/${parley.info.account_id}/realtime/kit/${this.app}/`;
    if (!this.v2 || !url.startsWith(prefix)) return [url, init];
    const headers = new Headers(init.headers);
    headers.set('authorization', `Basic ${btoa(`${this.app}:${this.token}`)}`);
    return [`${parley.info.v2_url}/${url.slice(prefix.length)}`, { ...init, headers }];
  }

  /** Calls a method such as "meetings.create" with the last id of its path, or the app's, and its parameters. */
  async try(name, id, params = {}) {
    const [resource, method] = name.split('.');
    called.add(`${RESOURCES[resource]}.${method}`);
    this.answers.length = 0;
    const all = { account_id: parley.info.account_id, ...params };
    if (resource === 'apps') return this.client.realtimeKit.apps[method](all);
    if (id !== undefined) all.app_id = this.app;
    return this.client.realtimeKit[resource][method](id ?? this.app, all);
  }

  /** try() for what must go well, with one answer of this status. Gives the data. */
  async call(status, name, id, params) {
    const answer = await this.try(name, id, params);
    assert.deepEqual(this.answers, [status], name);
    assert.equal(answer.success, true, name);
    const [resource, method] = name.split('.');
    assert.deepEqual(judge.complaints(`${RESOURCES[resource]}.${method}`, answer), [], name);
    this.paging = answer.paging;
    return answer.data;
  }

  /** try() for what must not: one answer, and the error that the client has for it. */
  async refused(kind, status, about, name, id, params) {
    const error = await this.try(name, id, params).then(() => assert.fail(`${name} went well`), (e) => e);
    assert.ok(error instanceof kind && error instanceof APIError, `${name}: ${error}`);
    assert.equal(error.status, status, name);
    assert.match(error.errors[0].message, about, name);
    assert.deepEqual(this.answers, [status], name);
  }
}

/** Compares what is wanted with what is there, which may be more: a later server has more fields. */
const holds = (object, wanted) => assert.deepEqual(part(object, wanted), wanted);

function part(object, wanted) {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) return object;
  return Object.fromEntries(Object.keys(wanted).map((key) => [key, part(object?.[key], wanted[key])]));
}

for (const v2 of [false, true]) {
  describe(v2 ? 'the v2 form' : 'the account form', () => {
    let w;

    before(async () => {
      w = new World(v2);
      const name = `Acme ${v2}`;
      const { app } = await w.call(200, 'apps.post', undefined, { name });
      const listed = await w.call(200, 'apps.get', undefined, { search: name, sort_order: 'ASC', page_no: 1, per_page: 5 });
      assert.deepEqual(listed, [app]);
      w.app = app.id;
    });

    test('meetings', async () => {
      const made = await w.call(201, 'meetings.create', undefined, {
        title: 'Standup', persist_chat: true, session_keep_alive_time_in_secs: 90, ai_config: { transcription: { language: 'de' } },
      });
      holds(made, { title: 'Standup', persist_chat: true, session_keep_alive_time_in_secs: 90, status: 'ACTIVE', ai_config: { transcription: { language: 'de' } } });
      assert.deepEqual(await w.call(200, 'meetings.getMeetingByID', made.id), made);
      holds(await w.call(200, 'meetings.updateMeetingByID', made.id, { status: 'INACTIVE' }), { title: 'Standup', status: 'INACTIVE' });
      holds(await w.call(200, 'meetings.replaceMeetingByID', made.id, { title: 'Retro' }), { title: 'Retro', persist_chat: false });
      for (let i = 0; i < 5; i++) await w.call(201, 'meetings.create', undefined, { title: `Paged ${i}` });
      const titles = [];
      for (let page_no = 1; ; page_no++) {
        const rows = await w.call(200, 'meetings.get', undefined, { page_no, per_page: 2, search: 'paged', status: 'ACTIVE' });
        assert.equal(w.paging.total_count, 5);
        if (rows.length === 0) break;
        assert.equal(w.paging.end_offset, w.paging.start_offset + rows.length - 1);
        titles.push(...rows.map(({ title }) => title));
      }
      assert.deepEqual(titles, ['Paged 4', 'Paged 3', 'Paged 2', 'Paged 1', 'Paged 0']);
      await w.refused(BadRequestError, 400, /600/, 'meetings.create', undefined, { session_keep_alive_time_in_secs: 601 });
      await w.refused(BadRequestError, 400, /page_no/, 'meetings.get', undefined, { page_no: -1 });
      await w.refused(BadRequestError, 400, /valid GUID/, 'meetings.getMeetingByID', 'nonsense');
      await w.refused(NotFoundError, 404, /meeting/, 'meetings.getMeetingByID', NOBODY);
    });

    test('participants', async () => {
      const { id: meeting_id } = await w.call(201, 'meetings.create');
      const added = await w.call(201, 'meetings.addParticipant', meeting_id, { custom_participant_id: 'u', preset_name: 'group_call_host', name: 'Ada' });
      holds(added, { custom_participant_id: 'u', preset_name: 'group_call_host', name: 'Ada', picture: null });
      const in_meeting = { meeting_id };
      holds(await w.call(200, 'meetings.getMeetingParticipant', added.id, in_meeting), { id: added.id, name: 'Ada' });
      assert.equal((await w.call(200, 'meetings.getMeetingParticipants', meeting_id, { page_no: 1, per_page: 3 })).length, 1);
      holds(await w.call(200, 'meetings.editParticipant', added.id, { ...in_meeting, name: 'Ada L.' }), { name: 'Ada L.', preset_name: 'group_call_host' });
      assert.match((await w.call(200, 'meetings.refreshParticipantToken', added.id, in_meeting)).token, /^eyJ/);
      await w.refused(NotFoundError, 404, /preset/, 'meetings.addParticipant', meeting_id, { custom_participant_id: 'u', preset_name: 'nobody' });
      holds(await w.call(200, 'meetings.deleteMeetingParticipant', added.id, in_meeting), { custom_participant_id: 'u' });
      await w.refused(NotFoundError, 404, /participant/, 'meetings.deleteMeetingParticipant', added.id, in_meeting);
    });

    test('presets', async () => {
      const preset = JSON.parse(await readFile(new URL('../../test/clients/testdata/preset.json', import.meta.url), 'utf8'));
      const made = await w.call(200, 'presets.create', undefined, preset);
      holds(made, preset);
      assert.deepEqual(await w.call(200, 'presets.getPresetByID', made.id), made);
      const listed = await w.call(200, 'presets.get', undefined, { search: 'teach', page_no: 1, per_page: 10 });
      assert.deepEqual(listed.map(({ id }) => id), [made.id]);
      const changed = await w.call(200, 'presets.update', made.id, { permissions: { chat: { public: { files: true } } } });
      preset.permissions.chat.public.files = true;
      holds(changed, preset);
      preset.name = 'pupil';
      holds(await w.call(200, 'presets.replacePresetByID', made.id, preset), preset);
      await w.refused(ConflictError, 409, /name/, 'presets.create', undefined, preset);
      holds(await w.call(200, 'presets.delete', made.id), { name: 'pupil' });
      await w.refused(NotFoundError, 404, /preset/, 'presets.delete', made.id);
    });

    test('sessions', async () => {
      const { id: meeting } = await w.call(201, 'meetings.create', undefined, { title: 'Live' });
      const people = [];
      for (const name of ['Ada', 'Bob']) {
        const { token } = await w.call(201, 'meetings.addParticipant', meeting, { custom_participant_id: name, preset_name: 'group_call_host', name });
        people.push(await ParleyClient.join({ url: parley.info.http_url, token }));
      }
      await people[0].chat.sendTextMessage('Hello');
      const active = await w.call(200, 'activeSession.getActiveSession', meeting);
      holds(active, { associated_id: meeting, meeting_display_name: 'Live', status: 'LIVE', live_participants: 2, organization_id: w.app, type: 'meeting' });
      holds(await w.call(200, 'sessions.getSessionDetails', active.id, { include_breakout_rooms: false }), { id: active.id, status: 'LIVE' });
      const { sessions } = await w.call(200, 'sessions.getSessions', undefined, {
        associated_id: meeting, status: 'LIVE', sort_by: 'minutesConsumed', sort_order: 'DESC', participants: '1:10', search: 'live', page_no: 1, per_page: 3,
      });
      assert.deepEqual(sessions.map(({ id }) => id), [active.id]);
      const { participants } = await w.call(200, 'sessions.getSessionParticipants', active.id, {
        include_peer_events: true, sort_by: 'joinedAt', sort_order: 'ASC', view: 'raw', page_no: 1, per_page: 5,
      });
      assert.deepEqual(participants.map(({ display_name, peer_events }) => [display_name, peer_events[0].event_name]), [['Ada', 'PEER_JOINING'], ['Bob', 'PEER_JOINING']]);
      const one = await w.call(200, 'sessions.getSessionParticipantDetails', people[0].self.id, { session_id: active.id });
      holds(one.participant, { id: people[0].self.id, user_id: people[0].self.userId, custom_participant_id: 'Ada' });
      holds(await w.call(200, 'activeSession.kickParticipants', meeting, { custom_participant_ids: ['Bob'], participant_ids: [] }), { action: 'kick' });
      assert.deepEqual(await w.call(200, 'activeSession.kickAllParticipants', meeting), { action: 'kick_all', kicked_participants_count: 1 });
      await w.refused(NotFoundError, 404, /^No active session found for meeting_id/, 'activeSession.getActiveSession', meeting);
      holds(await w.call(200, 'sessions.getSessionDetails', active.id), { status: 'ENDED', live_participants: 0 });
      const link = await w.call(200, 'sessions.getSessionChat', active.id);
      const file = new URL(link.chat_download_url);
      const csv = await (await fetch(parley.info.http_url + file.pathname + file.search)).text();
      assert.match(csv, /^id,participantId,.*\r\n.*,TEXT_MESSAGE,Hello,/);
    });

    test('webhooks', async () => {
      const wish = { name: 'mine', url: 'https://example.com/hook', events: ['meeting.chatSynced', 'recording.statusUpdate'] };
      const made = await w.call(201, 'webhooks.createWebhook', undefined, wish);
      holds(made, { ...wish, enabled: true });
      assert.deepEqual(await w.call(200, 'webhooks.getWebhooks'), [made]);
      assert.deepEqual(await w.call(200, 'webhooks.getWebhookByID', made.id), made);
      holds(await w.call(200, 'webhooks.editWebhook', made.id, { enabled: false }), { ...wish, enabled: false });
      holds(await w.call(200, 'webhooks.replaceWebhook', made.id, { ...wish, name: 'other' }), { name: 'other', enabled: true });
      await w.refused(BadRequestError, 400, /"url"/, 'webhooks.createWebhook', undefined, { ...wish, url: 'http://[::ffff:10.0.0.1]/' });
      holds(await w.call(200, 'webhooks.deleteWebhook', made.id), { id: made.id });
      await w.refused(NotFoundError, 404, /webhook/, 'webhooks.getWebhookByID', made.id);
    });

    test('what a chat server has not', async () => {
      for (const method of judge.methods) {
        const [file, name] = method.split('.');
        const resource = Object.keys(RESOURCES).find((key) => RESOURCES[key] === file);
        if (!/^(recordings|livestreams|analytics)$|^active-session.createPoll|Summary|Transcript|PeerID/.test(['recordings', 'livestreams', 'analytics'].includes(file) ? file : method)) continue;
        const id = { getOrgAnalytics: undefined }[name] ?? NOBODY;
        await w.refused(NotFoundError, 404, /this server carries chat only|there is none/, `${resource}.${name}`, id, {
          account_id: parley.info.account_id, app_id: w.app, meeting_id: NOBODY, session_id: NOBODY,
        });
      }
    });

    test('a key that is none', async () => {
      const other = new World(v2, 'parley_wrong');
      other.app = w.app;
      await other.refused(AuthenticationError, 401, v2 ? /Unauthorized/ : /Authentication error/, 'meetings.get');
    });
  });
}

test('each method of the client is in the table', () => {
  assert.deepEqual(judge.methods.filter((method) => !called.has(method)), []);
});

test('the judge sees what the client lets pass', () => {
  const day = '2026-05-01T09:00:00.000Z';
  const data = { id: NOBODY, created_at: day, updated_at: day };
  const of = (changes) => judge.complaints('meetings.create', { success: true, data: { ...data, ...changes } });
  assert.deepEqual(of({ extra: 1 }), []);
  assert.deepEqual(of({ id: undefined }), ['answer.data.id is missing']);
  assert.deepEqual(of({ title: 7 }), ['answer.data.title is 7, which is no string']);
  assert.match(of({ status: 'ASLEEP' })[0], /^answer\.data\.status is "ASLEEP"/);
});

test('the description of the API is valid OpenAPI 3.1', async () => {
  const description = await (await fetch(`${parley.info.http_url}/openapi.json`)).json();
  const validator = new Validator();
  assert.deepEqual(await validator.validate(description), { valid: true });
  assert.equal(validator.version, '3.1');
  assert.equal((await new Validator().validate({ ...description, paths: { x: 1 } })).valid, false);
  const dangling = JSON.stringify(description).match(/"\$ref":"[^"]+"/g).map((ref) => ref.slice(8, -1))
    .filter((ref) => !ref.slice(2).split('/').reduce((at, key) => at?.[key], description));
  assert.deepEqual(dangling, []);
});
