import assert from 'node:assert/strict';

/**
 * What is tried of one call of the SDK, the same way in each version.
 *
 * @typedef {object} Table
 * @property {import('../harness/room.js').Room} room the meeting of all calls of one version
 * @property {import('../harness/stage.js').Stage} stage
 * @property {import('../harness/stage.js').Stage} tcp the same with a server that answers ICE over TCP alone
 * @property {import('../harness/participant.js').Participant} ada a host, joined
 * @property {import('../harness/participant.js').Participant} bob a participant, joined
 * @property {import('../harness/participant.js').Participant} eve another one
 * @property {string} version such as "1.5.1"
 *
 * @callback Play does the call, and checks all that it promises; gives the outcome where that is not "yes"
 * @param {Table} table
 * @returns {Promise<string | void>}
 *
 * @typedef {Record<string, Play>} Calls by name, which begins with the path of what is called, such as "chat.pin" or
 *   "chat.pin of an unknown message"
 */

/** Does what the SDK should not allow, and gives the code of the SDK's error, or else the sentence. */
export async function rejection(call) {
  try {
    await call;
  } catch (error) {
    return codeOf(error) ?? error.message.split('\n')[0];
  }
  return 'resolves';
}

/**
 * Does what the server should not allow, and waits for its refusal. Gives "refused", or the code of the SDK's error
 * where the app is told by one.
 *
 * @param {import('../harness/participant.js').Participant} participant
 */
export async function refused(participant, call) {
  const outcome = await call.then(() => undefined, (error) => codeOf(error));
  await participant.refusal();
  return outcome ?? 'refused';
}

/** Checks that somebody was sent out, and that all learn of it who are still there. */
export async function isKicked(host, kicked, within) {
  await kicked.sees('roomLeft', ({ state }) => state === 'kicked', within);
  await host.sees('participantLeft', ({ userId }) => userId === kicked.userId, within);
  assert.ok(!(await host.others()).some(({ userId }) => userId === kicked.userId));
  await kicked.close();
}

function codeOf(error) {
  return /ERR\d{4}/.exec(error.message)?.[0];
}
