import assert from 'node:assert/strict';
import { attack } from '../harness/hostile.js';
import { Kit } from '../harness/uikit.js';

/** What scripts of the attacker set in a page that runs them; see test/hostile/payload.go. */
const FLAG = '__hostile';

/**
 * Attacks of which honest clients get to see something, and some of which they should not.
 */
const ATTACKS = [
  'links that run', 'cannot parse', '400 texts', '400 whispers', '400 broadcasts', '400 writes', '400 kicks', 'comings',
  'same peer id', 'joining and leaving', 'every text', 'every number', 'ids of others', 'in the name of', 'peer ids of others', 'bombs',
  'break the rules', 'pings', 'never read',
].join('|');

/** Keeps the address of every link that is ever drawn in a page, also of those that are drawn for a moment only. */
function collectLinks(page) {
  return page.evaluate(() => {
    globalThis.links = new Set();
    const look = (root) => {
      for (const element of root.querySelectorAll('*')) {
        if (element.localName === 'a' && element.hasAttribute('href')) globalThis.links.add(element.href);
        if (element.shadowRoot) look(element.shadowRoot);
      }
    };
    setInterval(() => look(document), 50);
  });
}

/** @param {import('../harness/suite.js').Scenario} scenario */
export function hostile(scenario) {
  scenario('official clients stay alive and run nothing while somebody means harm', async (room, stage) => {
    const ada = await room.join('Ada', { preset: 'group_call_host' });
    const kit = await Kit.of(ada);
    const others = [];
    for (const [name, sdk] of [['Bob', 'rtk-2.0.2'], ['Cyd', 'rtk-1.5.1']]) {
      others.push(await room.join(name, { page: stage.host.sdkPage(sdk), preset: 'group_call_host' }));
    }
    const [bob, cyd] = others;
    const everybody = [ada, bob, cyd];
    const dialogs = [];
    for (const { page } of everybody) page.on('dialog', (dialog) => dialogs.push(dialog.message()) && dialog.dismiss());
    const own = await bob.says('said before', ada, cyd);
    await bob.chat('sendTextMessage', 'whispered before the attack', [await bob.peerOf(cyd)]);
    const whispered = await cyd.receives('whispered before the attack');

    const mallories = await Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => room.invite(`Mallory ${n}`)));
    const fresh = await room.invite('Mallory 8');
    const viewer = await room.invite('Vic', { preset: 'webinar_viewer' });
    const order = {
      tokens: mallories.map(({ token }) => token),
      Target: {
        Addr: new URL(stage.parley.info.http_url).host,
        Meeting: viewer.meeting,
        Viewer: viewer.token,
        Foreign: {
          Peers: [await bob.peerOf(ada), await ada.peerOf(bob), await ada.peerOf(cyd)],
          Participants: everybody.map(({ userId }) => userId),
          Messages: [own.id, whispered.id],
          Meetings: ['00000000-0000-4000-8000-000000000000'],
          Secrets: ['whispered before the attack'],
        },
      },
    };
    await collectLinks(kit.page);
    await attack({ ...order, only: ATTACKS });
    // Last, and by somebody who has all of its rates, so that the kit has time to draw it.
    await attack({ ...order, only: '^scripts', tokens: [fresh.token] });

    await bob.says('said by Bob afterwards', ada, cyd);
    await kit.shows('said by Bob afterwards');
    await kit.types('typed by Ada afterwards');
    await Promise.all([bob, cyd].map((participant) => participant.receives('typed by Ada afterwards')));
    await cyd.says('said by Cyd afterwards', ada, bob);
    await kit.shows('said by Cyd afterwards');

    for (const participant of [bob, cyd]) {
      const told = participant.eventsOf('chatUpdate');
      assert.ok(told.some(({ message }) => message.message?.includes('<script>')), `${participant.name} was not even sent a script`);
    }
    assert.deepEqual(dialogs, []);
    for (const { name, page } of everybody) {
      assert.deepEqual(await page.evaluate((flag) => [flag in globalThis, 'polluted' in {}], FLAG), [false, false], `${name}'s page ran a script`);
    }
    const links = await kit.page.evaluate(() => [...globalThis.links]);
    assert.deepEqual(links.filter((href) => !/^(https?|blob):/.test(href)), []);
    const changed = bob.eventsOf('chatUpdate').filter(({ action, message }) => action !== 'add' && [own.id, whispered.id].includes(message.id));
    assert.deepEqual(changed.filter(({ message }) => message.message !== undefined && !['said before', 'whispered before the attack'].includes(message.message)), []);
    assert.deepEqual(changed.filter(({ action }) => action === 'delete'), []);
    await kit.picture('hostile');
  });
}
