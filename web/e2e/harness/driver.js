// Runs in the page, beside the SDK: does what a test asks, and reports what the SDK tells its app.
// It uses the SDK's public API only. `report(name, detail)` is put into the page by the test.

/* global RealtimeKitClient, report */

globalThis.driver = (() => {
  let meeting;

  /** What can be shown of something the SDK hands out; times become ISO strings. Some objects of the SDK hold themselves. */
  const plain = (value) => {
    const inside = [];
    const text = JSON.stringify(value ?? null, function (_, inner) {
      if (inner === null || typeof inner !== 'object') return typeof inner === 'bigint' ? String(inner) : inner;
      while (inside.length > 0 && inside.at(-1) !== this) inside.pop();
      if (inside.includes(inner)) return undefined;
      inside.push(inner);
      return inner;
    });
    return JSON.parse(text ?? 'null');
  };

  /** Stores of meeting.stores that calls have asked for, by name. */
  const stores = {};

  /**
   * What a call is made on, and the name of its last part: "chat.pin", "participant.kick" with the peer id as `of`,
   * "store.set" with the store's name as `of`, "store.create" being meeting.stores.create.
   */
  const find = async (path, of) => {
    const parts = path.split('.');
    const last = parts.pop();
    let on = meeting;
    if (parts[0] === 'participant') {
      parts.shift();
      on = of ? meeting.participants.joined.get(of) : meeting.participants.joined.toArray()[0];
    } else if (parts[0] === 'store') {
      parts.shift();
      on = stores[of] ??= await meeting.stores.create(of);
    }
    for (const part of parts) on = on?.[part];
    if (on === undefined || on === null) throw new Error(`nothing to call ${path} on`);
    return [on, last];
  };

  const person = ({ id, userId, name, customParticipantId, presetName }) => ({ id, userId, name, customParticipantId, presetName });

  /** Tests describe a file as {$file: name, type, base64}; the SDK wants a File. */
  const revive = (value) => {
    if (Array.isArray(value)) return value.map(revive);
    if (value === null || typeof value !== 'object') return value;
    if ('$file' in value) {
      const bytes = Uint8Array.from(atob(value.base64), (character) => character.charCodeAt(0));
      return new File([bytes], value.$file, { type: value.type });
    }
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]));
  };

  const listen = () => {
    const { chat, self, meta, participants, polls, stage } = meeting;
    chat.on('chatUpdate', ({ action, message }) => report('chatUpdate', { action, message: plain(message) }));
    chat.on('pinMessage', ({ message }) => report('pinMessage', { message: plain(message) }));
    chat.on('unpinMessage', ({ message }) => report('unpinMessage', { message: plain(message) }));
    self.on('roomJoined', (detail) => report('roomJoined', plain(detail)));
    self.on('roomLeft', (detail) => report('roomLeft', plain(detail)));
    meta.on('socketConnectionUpdate', (detail) => report('socket', plain(detail)));
    meta.on('mediaConnectionUpdate', (detail) => report('media', plain(detail)));
    participants.joined.on('participantJoined', (who) => report('participantJoined', person(who)));
    participants.joined.on('participantLeft', (who) => report('participantLeft', person(who)));
    participants.waitlisted.on('participantJoined', (who) => report('waitlisted', person(who)));
    participants.waitlisted.on('participantLeft', (who) => report('waitlistLeft', person(who)));
    participants.on('broadcastedMessage', (detail) => report('broadcast', plain(detail)));
    self.permissions.on('permissionsUpdate', (detail) => report('permissionsUpdate', plain(detail)));
    stage.on('stageStatusUpdate', (status) => report('stageStatus', status));
    polls.on('pollsUpdate', (detail) => report('polls', plain(detail)));
  };

  const { mediaDevices } = navigator;
  const askForMedia = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = (constraints) => {
    report('getUserMedia', plain(constraints));
    return askForMedia(constraints);
  };

  return {
    async init(options) {
      meeting = await RealtimeKitClient.init(options);
      listen();
    },
    join: () => meeting.join(),
    leave: () => meeting.leave(),

    self() {
      const { self, meta } = meeting;
      const { roomJoined, roomState, permissions } = self;
      const { chatPublic, chatPrivate } = permissions;
      const { meetingTitle, mediaState } = meta;
      return plain({ ...person(self), roomJoined, roomState, chatPublic, chatPrivate, meetingTitle, mediaState });
    },
    others: () => meeting.participants.joined.toArray().map(person),
    messages: () => plain(meeting.chat.messages),
    pinned: () => plain(meeting.chat.pinned),

    /** Calls a method of meeting.chat. */
    chat: async (method, args) => plain(await meeting.chat[method](...revive(args))),

    /** Whether this version has what a path names. */
    async has(path, of) {
      if (path === 'init') return typeof RealtimeKitClient.init === 'function';
      const [on, last] = await find(path, of);
      return last in on;
    },

    /** Calls what a path names, or gets it. */
    async call(path, of, args) {
      const [on, last] = await find(path, of);
      if (typeof on[last] !== 'function') throw new Error(`${path} is no method`);
      return plain(await on[last](...revive(args)));
    },
    async get(path, of) {
      const [on, last] = await find(path, of);
      return plain(on[last]);
    },

    /** Reports what changes in a store, as an app would learn of it. */
    async watch(name) {
      const [store] = await find('store.subscribe', name);
      store.subscribe('*', (change) => report('store', plain(change)));
    },

    /** The app's own meeting object, for other parts of the page. */
    get meeting() {
      return meeting;
    },

    /** Fetches a link as an app would, and gives the bytes in base64. */
    async download(link) {
      const answer = await fetch(link);
      if (!answer.ok) throw new Error(`GET of a link: ${answer.status}`);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    },

    /** Shows a link as an image, as an app would, and gives its size in pixels. */
    async show(link) {
      const image = document.createElement('img');
      image.src = link;
      document.body.append(image);
      await image.decode();
      return { width: image.naturalWidth, height: image.naturalHeight };
    },
  };
})();
