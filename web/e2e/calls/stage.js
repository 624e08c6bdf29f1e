import { refused, rejection } from './call.js';

/** @type {import('./call.js').Calls} */
export const stage = {
  'stage.requestAccess, stage off': ({ bob }) => rejection(bob.call('stage.requestAccess')),
  'stage.leave, stage off': ({ bob }) => rejection(bob.call('stage.leave')),
  'stage.grantAccess, stage off': ({ ada, bob }) => rejection(ada.call('stage.grantAccess', [bob.userId])),

  'stage.requestAccess': (table) => onStage(table, CAN_ASK, (eve) => rejection(eve.call('stage.requestAccess'))),

  // Who watches a livestream is not on the stage, and may ask for it.
  'stage.requestAccess, LIVESTREAM': (table) => onStage(table, WATCHES, (eve) => refused(eve, eve.call('stage.requestAccess'))),
  'stage.cancelRequestAccess, LIVESTREAM': (table) => onStage(table, WATCHES, (eve) => refused(eve, eve.call('stage.cancelRequestAccess'))),
  'stage.join, LIVESTREAM': (table) =>
    onStage(table, MAY_JOIN, async (eve) => {
      await eve.call('stage.requestAccess');
      return refused(eve, eve.call('stage.join'));
    }),
  'stage.grantAccess': (table) => onStage(table, CAN_ASK, (eve) => refused(eve, eve.call('stage.grantAccess', [table.bob.userId]))),
  'stage.denyAccess': (table) => onStage(table, CAN_ASK, (eve) => refused(eve, eve.call('stage.denyAccess', [table.bob.userId]))),
  'stage.kick': (table) => onStage(table, CAN_ASK, (eve) => refused(eve, eve.call('stage.kick', [table.bob.userId]))),
};

const CAN_ASK = { name: 'Eve 21', stage_access: 'CAN_REQUEST', accept_stage_requests: true };
const WATCHES = { name: 'Eve 22', view_type: 'LIVESTREAM', stage_access: 'CAN_REQUEST' };
const MAY_JOIN = { name: 'Eve 23', view_type: 'LIVESTREAM', stage_access: 'ALLOWED' };

/** Tries something as somebody whose preset has a stage, who joins when needed first, and who stays able to chat. */
async function onStage(table, { name, view_type = 'GROUP_CALL', ...permissions }, play) {
  const { ada, bob, room } = table;
  table[name] ??= await room
    .preset(name, { config: { view_type }, permissions: { stage_enabled: true, ...permissions } })
    .then(() => room.join(name, { preset: name }));
  const outcome = await play(table[name]);
  await table[name].says(`still heard ${++talks}`, ada, bob);
  return outcome;
}

/** Makes each text another one. */
let talks = 0;
