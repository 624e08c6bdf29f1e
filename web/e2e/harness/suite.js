import { after, before, describe, test } from 'node:test';
import { Room } from './room.js';
import { Stage } from './stage.js';

/**
 * One version of the SDK.
 *
 * @typedef {{package: string, major: number}} Sdk `package` is the name it is installed by, such as "rtk-2.0.2"
 */

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
 * @param {{ownServer?: boolean, flags?: string[]}} [options] `ownServer` gives the scenario a server it may kill, `flags`
 *   one that runs with these flags of `parley dev`
 */

/**
 * Registers scenarios as tests of one SDK version, on one stage.
 * A scenario also fails when something went wrong that it did not ask for: a refusal nobody looked at, an error nobody
 * caught in a page, a request to another machine, an error in the server's log.
 *
 * @param {Sdk} sdk
 * @param {((scenario: Scenario, sdk: Sdk) => void)[]} subjects
 */
export function suite(sdk, subjects) {
  scenes(sdk.package, (host) => host.sdkPage(sdk.package), (scenario) => {
    for (const subject of subjects) subject(scenario, sdk);
  });
}

/**
 * Registers scenarios as tests on one stage, whatever page their participants open.
 *
 * @param {string} name of them together
 * @param {(host: import('./host.js').Host) => string | Promise<string>} page gives the address of that page
 * @param {(scenario: Scenario) => void} register
 */
export function scenes(name, page, register) {
  describe(name, { concurrency: AT_ONCE }, () => {
    /** @type {Stage} */
    let stage;
    before(async () => {
      stage = await Stage.open(page);
    });
    after(() => stage.close());

    register((name, play, { ownServer = false, flags } = {}) =>
      test(name, { timeout: SCENARIO_LIMIT }, async () => {
        if (!ownServer && !flags) return perform(name, play, stage);
        const own = await stage.withOwnServer(flags);
        try {
          await perform(name, play, own);
        } finally {
          await own.parley.close();
        }
      }),
    );
  });
}

async function perform(name, play, stage) {
  const room = new Room(stage, name);
  const before = stage.parley.errors.length;
  try {
    await play(room, stage);
    const surprises = [...room.surprises(), ...stage.parley.errors.slice(before)];
    if (surprises.length > 0) throw new Error(`nobody expected that\n${surprises.join('\n')}`);
  } catch (error) {
    error.message += `\n\n${room.report()}\n\nparley:\n${stage.parley.log}`;
    throw error;
  } finally {
    await room.close();
  }
}
