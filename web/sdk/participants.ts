// Who is in the meeting: the others, and oneself.
import type { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";
import { ProtocolError } from "./errors.js";
import { FrameEvent } from "./frames.js";
import { type Peer, PeerInfo, PresetUpdates, RoomPeers } from "./generated/rtk.js";
import { type ChatPermissions, patchPermissions } from "./permissions.js";

/** One connection of a participant to the meeting. Somebody with two tabs open is there twice, with one `userId`. */
export interface Participant {
  /** The peer id, new with each page load; a private message is addressed to it. */
  readonly id: string;
  /** The participant id, which stays; messages name their sender by it. */
  readonly userId: string;
  readonly name: string;
  /** URL of a picture, or "". */
  readonly picture: string;
  /** The app's own id for this participant, or "". */
  readonly customParticipantId: string;
  readonly presetName: string;
}

export interface ParticipantsEvents {
  participantJoined: Participant;
  participantLeft: Participant;
}

/** The others in the meeting. In very large meetings the server names only some of them. */
export class Participants extends Emitter<ParticipantsEvents> {
  readonly #selfId: string;
  readonly #joined = new Map<string, Participant>();

  /** @internal */
  constructor(connection: Connection, selfId: string) {
    super();
    this.#selfId = selfId;
    connection.handle(FrameEvent.joinRoom, (payload) => this.#add(readPeer(payload)));
    connection.handle(FrameEvent.leaveRoom, (payload) => this.#remove(readPeer(payload).peerId));
    connection.handle(FrameEvent.getRoomPeersInfo, (payload) => this.#replace(RoomPeers.fromBinary(payload).peers));
  }

  /** Everybody present but oneself, by peer id. The map is live. */
  get joined(): ReadonlyMap<string, Participant> {
    return this.#joined;
  }

  #add(peer: Peer): void {
    if (peer.peerId === this.#selfId || peer.flags?.hiddenParticipant) return;
    const known = this.#joined.has(peer.peerId);
    const participant = toParticipant(peer);
    this.#joined.set(peer.peerId, participant);
    if (!known) this.emit("participantJoined", participant);
  }

  #remove(peerId: string): void {
    const participant = this.#joined.get(peerId);
    if (!participant) return;
    this.#joined.delete(peerId);
    this.emit("participantLeft", participant);
  }

  #replace(peers: readonly Peer[]): void {
    const present = new Set(peers.map(({ peerId }) => peerId));
    for (const id of [...this.#joined.keys()]) if (!present.has(id)) this.#remove(id);
    for (const peer of peers) this.#add(peer);
  }
}

export interface SelfEvents {
  /** The preset was changed while in the meeting. */
  permissionsUpdate: ChatPermissions;
}

/** The participant the token stands for. */
export class Self extends Emitter<SelfEvents> implements Participant {
  readonly id: string;
  readonly userId: string;
  readonly name: string;
  readonly picture: string;
  readonly customParticipantId: string;
  readonly presetName: string;
  #permissions: ChatPermissions;

  /** @internal */
  constructor(connection: Connection, who: Participant, permissions: ChatPermissions) {
    super();
    this.id = who.id;
    this.userId = who.userId;
    this.name = who.name;
    this.picture = who.picture;
    this.customParticipantId = who.customParticipantId;
    this.presetName = who.presetName;
    this.#permissions = permissions;
    connection.handle(FrameEvent.updateUserPreset, (payload) => this.#patch(PresetUpdates.fromBinary(payload)));
  }

  /** What this participant may do now; the server enforces the same. */
  get permissions(): ChatPermissions {
    return this.#permissions;
  }

  #patch({ updatePeersPresets }: PresetUpdates): void {
    for (const { userIds, patch } of updatePeersPresets) {
      if (userIds !== this.userId || !patch?.chat) continue; // one id, despite the plural
      this.#permissions = patchPermissions(this.#permissions, patch.chat);
      this.emit("permissionsUpdate", this.#permissions);
    }
  }
}

function readPeer(payload: Uint8Array): Peer {
  const { peer } = PeerInfo.fromBinary(payload);
  if (!peer) throw new ProtocolError("a participant without identity came or went");
  return peer;
}

function toParticipant(peer: Peer): Participant {
  return {
    id: peer.peerId,
    userId: peer.userId,
    name: peer.displayName,
    picture: peer.displayPictureUrl ?? "",
    customParticipantId: peer.customParticipantId ?? "",
    presetName: peer.flags?.presetName ?? "",
  };
}
