import { request } from './loopback.js';

/**
 * The part of the REST API an app's own server would call: it makes meetings, participants and presets.
 * Two forms exist, with the same resources below different addresses and credentials.
 */
export class Rest {
  #app;
  #authorization;
  #ca;

  constructor(app, authorization, ca) {
    this.#app = app;
    this.#authorization = authorization;
    this.#ca = ca;
  }

  /** The form with account and app in the path and a bearer token. */
  static accounts({ info, ca }) {
    const app = `${info.rest_url}/accounts/${info.account_id}/realtime/kit/${info.app_id}`;
    return new Rest(app, `Bearer ${info.api_token}`, ca);
  }

  /** The older form, where the app is the user name of the credentials. */
  static v2({ info, ca }) {
    const credentials = Buffer.from(`${info.app_id}:${info.api_token}`).toString('base64');
    return new Rest(info.v2_url, `Basic ${credentials}`, ca);
  }

  /** @returns {Promise<{id: string, title: string}>} */
  createMeeting(title, options = {}) {
    return this.#send('POST', '/meetings', { title, ...options }, 201);
  }

  /** @returns {Promise<object>} the meeting as it is now */
  changeMeeting(id, change) {
    return this.#send('PATCH', `/meetings/${id}`, change);
  }

  /** Sends participants out of the live session. */
  kick(meetingId, ...ids) {
    return this.#send('POST', `/meetings/${meetingId}/active-session/kick`, { participant_ids: ids });
  }

  /** Sends everybody out, which ends the session. */
  kickAll(meetingId) {
    return this.#send('POST', `/meetings/${meetingId}/active-session/kick-all`);
  }

  /** @returns {Promise<{id: string}>} */
  createWebhook(name, url, events) {
    return this.#send('POST', '/webhooks', { name, url, events, enabled: true }, 201);
  }

  deleteWebhook(id) {
    return this.#send('DELETE', `/webhooks/${id}`);
  }

  /** @returns {Promise<{chat_download_url: string, chat_download_url_expiry: string}>} a fresh link to what was said */
  chatOf(sessionId) {
    return this.#send('GET', `/sessions/${sessionId}/chat`);
  }

  /** @returns {Promise<{id: string, token: string}>} the participant, with the token that lets it join */
  addParticipant(meetingId, { name, preset, customId, picture }) {
    const body = { name, picture, preset_name: preset, custom_participant_id: customId };
    return this.#send('POST', `/meetings/${meetingId}/participants`, body, 201);
  }

  changeParticipant(meetingId, id, change) {
    return this.#send('PATCH', `/meetings/${meetingId}/participants/${id}`, change);
  }

  deleteParticipant(meetingId, id) {
    return this.#send('DELETE', `/meetings/${meetingId}/participants/${id}`);
  }

  /**
   * Makes a preset that differs from the default in what is given.
   *
   * @param {{config?: object, permissions?: object, ui?: object}} parts
   * @returns {Promise<{id: string, name: string}>}
   */
  createPreset(name, { config = {}, permissions = {}, ui = {} }) {
    return this.#send('POST', '/presets', { name, config, permissions, ui });
  }

  /** Changes what is given of a preset. */
  changePreset(id, change) {
    return this.#send('PATCH', `/presets/${id}`, change);
  }

  async #send(method, path, body, expected = 200) {
    const url = `${this.#app}${path}`;
    const { status, body: answer } = await request(url, {
      method,
      headers: { authorization: this.#authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ca: this.#ca,
    });
    if (status !== expected) throw new Error(`${method} ${new URL(url).pathname}: ${status} ${answer}`);
    return JSON.parse(answer).data;
  }
}
