// The HTTP calls beside the socket.
import type { Endpoint } from "./endpoint.js";
import { HttpError, ProtocolError, UnreachableError } from "./errors.js";
import { asRecord, asString, parseJson } from "./json.js";
import { type ChatPermissions, readPermissions } from "./permissions.js";

const callLimitMs = 10_000;
const uploadLimitMs = 10 * 60_000;

/** Who the token stands for, and which meeting it opens. */
export interface ParticipantDetails {
  participant: { id: string; name: string; picture: string; customParticipantId: string };
  meeting: { id: string; title: string };
  presetName: string;
  permissions: ChatPermissions;
}

/** The calls of one participant; the token goes with each. */
export class Api {
  readonly #endpoint: Endpoint;
  readonly #token: string;

  constructor(endpoint: Endpoint, token: string) {
    this.#endpoint = endpoint;
    this.#token = token;
  }

  async participantDetails(signal?: AbortSignal): Promise<ParticipantDetails> {
    const data = await this.#call("/v2/internals/participant-details", { method: "GET" }, signal);
    const participant = asRecord(data["participant"]);
    const meeting = asRecord(data["meeting"]);
    const details: ParticipantDetails = {
      participant: {
        id: asString(participant["id"]),
        name: asString(participant["name"]),
        picture: asString(participant["picture"]),
        customParticipantId: asString(participant["custom_participant_id"]),
      },
      meeting: { id: asString(meeting["id"]), title: asString(meeting["title"]) },
      presetName: asString(asRecord(data["preset"])["name"]),
      permissions: readPermissions(data["preset"]),
    };
    if (!details.participant.id || !details.meeting.id) {
      throw new ProtocolError("the server's participant details name no participant or no meeting");
    }
    return details;
  }

  /** Uploads a file and gives the link to be sent in a message, as the server wrote it. */
  async upload(meetingId: string, file: File): Promise<string> {
    const body = JSON.stringify({ roomUUID: meetingId, filename: file.name });
    const data = await this.#call("/v2/meetings/chat-upload", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
    });
    const target = this.#endpoint.resolve(asString(data["put_location"]));
    const link = asString(data["get_location"]);
    if (!target || !link) throw new ProtocolError("the server's answer to an upload request has no links");

    // No token here: the link carries the right to write, and may belong to an object store.
    await request(`upload of ${file.name}`, target, uploadLimitMs, {
      method: "PUT",
      headers: { "Content-Type": file.type || "application/octet-stream" },
      body: file,
    });
    return link;
  }

  async #call(path: string, init: RequestInit, signal?: AbortSignal): Promise<Record<string, unknown>> {
    const headers = { ...init.headers, Authorization: `Bearer ${this.#token}` };
    const text = await request(path, this.#endpoint.http(path), callLimitMs, { ...init, headers }, signal);
    return asRecord(asRecord(parseJson(text))["data"]);
  }
}

/** Makes one request and reads its answer; any status but success is an HttpError. `what` names it in errors. */
async function request(
  what: string,
  url: string,
  limitMs: number,
  init: RequestInit,
  signal?: AbortSignal,
): Promise<string> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), limitMs);
  const forward = (): void => abort.abort();
  signal?.throwIfAborted();
  signal?.addEventListener("abort", forward);
  try {
    const response = await fetch(url, { ...init, signal: abort.signal });
    const text = await response.text();
    if (!response.ok) throw new HttpError(errorMessage(text) || `${what}: status ${response.status}`, response.status);
    return text;
  } catch (error) {
    if (error instanceof HttpError) throw error;
    signal?.throwIfAborted();
    const why = abort.signal.aborted ? `no answer within ${limitMs / 1000} s` : "the server could not be reached";
    throw new UnreachableError(`${what}: ${why}`, { cause: error });
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", forward);
  }
}

function errorMessage(body: string): string {
  const answer = asRecord(parseJson(body));
  return asString(asRecord(answer["error"])["message"]) || asString(answer["message"]);
}
