// Runs in the page, beside the SDK: does what a test asks, and reports what the SDK tells its app.
// It uses the SDK's public API only. `report(name, detail)` is put into the page by the test.

/* global RealtimeKitClient, report */

globalThis.driver = (() => {
  let meeting;

  /** What can be shown of something the SDK hands out; times become ISO strings. */
  const plain = (value) => JSON.parse(JSON.stringify(value ?? null));

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
    const { chat, self, meta, participants } = meeting;
    chat.on('chatUpdate', ({ action, message }) => report('chatUpdate', { action, message: plain(message) }));
    chat.on('pinMessage', ({ message }) => report('pinMessage', { message: plain(message) }));
    chat.on('unpinMessage', ({ message }) => report('unpinMessage', { message: plain(message) }));
    self.on('roomJoined', (detail) => report('roomJoined', plain(detail)));
    self.on('roomLeft', (detail) => report('roomLeft', plain(detail)));
    meta.on('socketConnectionUpdate', (detail) => report('socket', plain(detail)));
    meta.on('mediaConnectionUpdate', (detail) => report('media', plain(detail)));
    participants.joined.on('participantJoined', (who) => report('participantJoined', person(who)));
    participants.joined.on('participantLeft', (who) => report('participantLeft', person(who)));
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
