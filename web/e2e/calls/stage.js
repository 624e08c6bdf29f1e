import { refused, rejection } from './call.js';

/** @type {import('./call.js').Calls} */
export const stage = {
  'stage.requestAccess, stage off': ({ bob }) => rejection(bob.call('stage.requestAccess')),
  'stage.leave, stage off': ({ bob }) => rejection(bob.call('stage.leave')),
  'stage.grantAccess, stage off': ({ ada, bob }) => rejection(ada.call('stage.grantAccess', [bob.userId])),

  'stage.requestAccess': (table) => onStage(table, 'Eve 21', {}, (eve) => rejection(eve.call('stage.requestAccess'))),

  // Who watches a livestream is not on the stage, and may ask for it.
  'stage.requestAccess, LIVESTREAM': (table) => onStage(table, 'Eve 22', WATCHES, (eve) => refused(eve, eve.call('stage.requestAccess'))),
  'stage.cancelRequestAccess, LIVESTREAM': (table) =>
    onStage(table, 'Eve 23', WATCHES, (eve) => refused(eve, eve.call('stage.cancelRequestAccess'))),
  'stage.join, LIVESTREAM': (table) =>
    onStage(table, 'Eve 24', { ...WATCHES, stage_access: 'ALLOWED' }, async (eve) => {
      await eve.call('stage.requestAccess');
      return refused(eve, eve.call('stage.join'));
    }),
  'stage.grantAccess': (table) => onStage(table, 'Eve 25', HOST, (eve) => refused(eve, eve.call('stage.grantAccess', [eve.userId]))),
  'stage.denyAccess': (table) => onStage(table, 'Eve 26', HOST, (eve) => refused(eve, eve.call('stage.denyAccess', [eve.userId]))),
  'stage.kick': (table) => onStage(table, 'Eve 27', HOST, (eve) => refused(eve, eve.call('stage.kick', [table.bob.userId]))),
};

const WATCHES = { view_type: 'LIVESTREAM' };
const HOST = { accept_stage_requests: true };

/** Tries something as somebody whose preset has a stage, and who stays able to chat. */
async function onStage({ room, ada, bob }, name, { view_type = 'GROUP_CALL', ...permissions }, play) {
  const preset = `stage ${name}`;
  await room.preset(preset, { config: { view_type }, permissions: { stage_enabled: true, stage_access: 'CAN_REQUEST', ...permissions } });
  const eve = await room.join(name, { preset });
  const outcome = await play(eve);
  await eve.says(`${name} can still talk`, ada, bob);
  await eve.leaveForGood();
  return outcome;
}
