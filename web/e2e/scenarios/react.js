import assert from 'node:assert/strict';
import { OUTSIDE, pictureOf } from '../harness/uikit.js';

/**
 * @param {import('../harness/suite.js').Scenario} scenario
 * @param {{react: string, sdk: string}} packages `sdk` is what everybody has who has no React
 */
export function react(scenario, { react: version, sdk }) {
  scenario('the hooks show a meeting as it goes on', async (room, { host }) => {
    const bob = await room.join('Bob', { page: host.sdkPage(sdk) });
    await bob.says('before Ada came');
    const ada = await room.admit('Ada', { preset: 'group_call_host' });
    ada.outside = OUTSIDE;
    const { page } = ada;

    await page.getByPlaceholder('base').fill(room.baseURI());
    await page.getByPlaceholder('token').fill(ada.token);
    await page.getByRole('button', { name: 'Join' }).click();

    await page.getByRole('heading', { name: room.title }).waitFor();
    await page.locator('.other', { hasText: 'Bob' }).waitFor();
    const texts = page.locator('li .text');
    const shows = (text) => texts.filter({ hasText: new RegExp(`^${text}$`) }).waitFor();
    await shows('before Ada came');

    await page.getByLabel('message').fill('sent by Ada');
    await page.getByRole('button', { name: 'Send' }).click();
    const { id } = await bob.receives('sent by Ada');
    await shows('sent by Ada');
    const fromBob = await bob.says('sent by Bob');
    await shows('sent by Bob');
    await bob.chat('editTextMessage', fromBob.id, 'edited by Bob');
    await shows('edited by Bob');
    assert.deepEqual(await texts.allInnerTexts(), ['before Ada came', 'sent by Ada', 'edited by Bob']);
    assert.equal(await page.locator('li i').innerText(), 'edited');

    const kit = page.locator('rtk-chat-messages-ui-paginated .markdown-message');
    await kit.filter({ hasText: 'edited by Bob' }).waitFor();
    assert.deepEqual(await kit.allInnerTexts(), ['before Ada came', 'sent by Ada', 'edited by Bob']);
    await page.locator('rtk-chat-composer-view textarea').fill('by the kit');
    await page.keyboard.press('Enter');
    await bob.receives('by the kit');
    await shows('by the kit');
    await kit.filter({ hasText: 'by the kit' }).waitFor();
    await pictureOf(page, version);

    assert.equal((await bob.messages()).find((message) => message.id === id).displayName, 'Ada');
    const eve = await room.join('Eve', { page: host.sdkPage(sdk) });
    await page.locator('.other', { hasText: 'Eve' }).waitFor();
    await eve.leave();
    await page.locator('.other', { hasText: 'Eve' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Leave' }).click();
    await bob.sees('participantLeft', ({ userId }) => userId === ada.userId);
    await page.getByText('You have left.').waitFor();
  });

  scenario('the hook tells why a token is refused', async (room) => {
    const ada = await room.admit('Ada');
    ada.outside = OUTSIDE;
    await ada.page.getByPlaceholder('base').fill(room.baseURI());
    await ada.page.getByPlaceholder('token').fill(`${ada.token}x`);
    await ada.page.getByRole('button', { name: 'Join' }).click();

    await ada.page.getByRole('alert').filter({ hasText: 'ERR0004' }).waitFor();
  });
}
