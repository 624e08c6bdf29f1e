import { rejection } from './call.js';

/** @type {import('./call.js').Calls} */
export const stage = {
  'stage.requestAccess, stage off': ({ bob }) => rejection(bob.call('stage.requestAccess')),
  'stage.leave, stage off': ({ bob }) => rejection(bob.call('stage.leave')),
  'stage.grantAccess, stage off': ({ ada, bob }) => rejection(ada.call('stage.grantAccess', [bob.userId])),

  async 'stage.requestAccess'({ room }) {
    await room.preset('audience', { permissions: { stage_enabled: true, stage_access: 'CAN_REQUEST' } });
    const eve = await room.join('Eve 21', { preset: 'audience' });
    const outcome = await rejection(eve.call('stage.requestAccess'));
    await eve.leaveForGood();
    return outcome;
  },
};
