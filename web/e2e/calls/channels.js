import assert from 'node:assert/strict';
import { refused } from './call.js';

const CHANNEL = '01900000-0000-7000-8000-000000000000';

/** Chat channels, which versions up to 1.2.3 have and Parley has not. @type {import('./call.js').Calls} */
export const channels = {
  'chat.createChannel': ({ ada, bob }) => refused(ada, ada.chat('createChannel', 'side', [bob.userId])),
  async 'chat.updateChannel'({ ada }) {
    assert.deepEqual(await ada.get('chat.channels'), []);
    return 'none';
  },
  'chat.getChannelMembers': ({ ada }) => refused(ada, ada.chat('getChannelMembers', CHANNEL)),
  'chat.sendMessageToChannel': ({ ada }) => refused(ada, ada.chat('sendMessageToChannel', { type: 'text', message: 'x' }, CHANNEL)),
  'chat.markLastReadMessage': ({ ada }) => refused(ada, ada.chat('markLastReadMessage', CHANNEL, { userId: ada.userId, channelIndex: '1' })),
};
