import { after, before, describe, test } from 'node:test';
import { Room } from './room.js';
import { Stage } from './stage.js';

/** Scenarios played at once. One of them mostly waits: see scenarios/keepalive.js. */
const AT_ONCE = 3;

/** How long one scenario may take, in milliseconds. */
const SCENARIO_LIMIT = 120_000;

/**
 * @callback Play
 * @param {Room} room a meeting of the scenario's own, with nobody in it
 * @param {Stage} stage browser, page and server
 * @returns {Promise<void>}
 *
 * @callback Scenario registers one scenario as a test
 * @param {string} name
 * @param {Play} play
 * @param {{ownServer?: boolean}} [options] `ownServer` gives the scenario a server it may kill
 */

/**
 * Registers scenarios as tests of one SDK version, on one stage.
 * A scenario also fails when something went wrong that it did not ask for: a refusal nobody looked at, an error nobody
 * caught in a page, a request to another machine.
 *
 * @param {{package: string, major: number}} sdk
 * @param {((scenario: Scenario, sdk: {package: string, major: number}) => void)[]} subjects
 */
export function suite(sdk, subjects) {
  describe(sdk.package, { concurrency: AT_ONCE }, () => {
    /** @type {Stage} */
    let stage;
    before(async () => {
      stage = await Stage.open(sdk.package);
    });
    after(() => stage.close());

    const scenario = (name, play, { ownServer = false } = {}) =>
      test(name, { timeout: SCENARIO_LIMIT }, async () => {
        if (!ownServer) return perform(name, play, stage);
        const own = await stage.withOwnServer();
        try {
          await perform(name, play, own);
        } finally {
          await own.parley.close();
        }
      });
    for (const subject of subjects) subject(scenario, sdk);
  });
}

async function perform(name, play, stage) {
  const room = new Room(stage, name);
  try {
    await play(room, stage);
    const surprises = room.surprises();
    if (surprises.length > 0) throw new Error(`nobody expected that\n${surprises.join('\n')}`);
  } catch (error) {
    error.message += `\n\n${room.report()}\n\nparley:\n${stage.parley.log}`;
    throw error;
  } finally {
    await room.close();
  }
}
