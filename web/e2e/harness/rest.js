import { request } from './loopback.js';

/**
 * The part of the REST API an app's own server would call: it makes meetings and participants.
 * Two forms exist, with the same resources below different addresses and credentials.
 */
export class Rest {
  #meetings;
  #authorization;
  #ca;

  constructor(meetings, authorization, ca) {
    this.#meetings = meetings;
    this.#authorization = authorization;
    this.#ca = ca;
  }

  /** The form with account and app in the path and a bearer token. */
  static accounts({ info, ca }) {
    const app = `${info.rest_url}/accounts/${info.account_id}/realtime/kit/${info.app_id}`;
    return new Rest(`${app}/meetings`, `Bearer ${info.api_token}`, ca);
  }

  /** The older form, where the app is the user name of the credentials. */
  static v2({ info, ca }) {
    const credentials = Buffer.from(`${info.app_id}:${info.api_token}`).toString('base64');
    return new Rest(`${info.v2_url}/meetings`, `Basic ${credentials}`, ca);
  }

  /** @returns {Promise<{id: string, title: string}>} */
  createMeeting(title) {
    return this.#create(this.#meetings, { title });
  }

  /** @returns {Promise<{id: string, token: string}>} the participant, with the token that lets it join */
  addParticipant(meetingId, { name, preset, customId }) {
    return this.#create(`${this.#meetings}/${meetingId}/participants`, {
      name,
      preset_name: preset,
      custom_participant_id: customId,
    });
  }

  async #create(url, body) {
    const { status, body: answer } = await request(url, {
      method: 'POST',
      headers: { authorization: this.#authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      ca: this.#ca,
    });
    if (status !== 201) throw new Error(`POST ${new URL(url).pathname}: ${status} ${answer}`);
    return JSON.parse(answer).data;
  }
}
