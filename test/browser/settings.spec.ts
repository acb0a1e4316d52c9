/** A coordinator without sites and tasks: what it says comes next, and its webhooks, made, tested and removed at both widths. */
import type { Browser } from 'playwright-core';
import { Harness } from '../../apps/coordinator/src/testing/harness.ts';
import { People } from '../../apps/coordinator/src/testing/people.ts';
import { answerStatus, Receiver } from '../../apps/coordinator/src/testing/receiver.ts';
import { webhookRoutes } from '../../apps/coordinator/src/webhooks/webhooks.contract.ts';
import { userRoutes } from '../../apps/coordinator/src/users/users.contract.ts';
import { launchChromium, WatchedPage, type Viewport } from '../support/browser.ts';
import { expectSound, headingOf } from './page-checks.ts';
import { openAs } from './people-pages.ts';

const setupMs = 300_000;
/** Two busy cores are slow. */
const testMs = 240_000;

let harness: Harness;
let receiver: Receiver;
let browser: Browser;
beforeAll(async () => {
  receiver = await Receiver.start();
  harness = await Harness.start();
  browser = await launchChromium();
}, setupMs);
afterAll(async () => {
  await browser.close();
  await harness.stop();
  await receiver.stop();
}, setupMs);

async function signedIn(viewport: Viewport): Promise<WatchedPage> {
  const watched = await WatchedPage.open(browser, viewport);
  const { method, path, response } = userRoutes.createLink;
  const { url } = response.parse(await harness.request(method, path, {}));
  await watched.page.goto(url);
  await headingOf(watched.page, 'Overview').waitFor();
  return watched;
}

test.each(['desk', 'phone'] as const)(
  'on a %s a webhook is made, tested and removed, its secret shown once',
  async (viewport) => {
    const watched = await signedIn(viewport);
    const { page } = watched;
    const url = `${receiver.url}/${viewport}`;
    await page.goto(`${harness.coordinator.url}/#/coordinator`);
    await page.getByRole('link', { name: 'Webhooks' }).click();
    await headingOf(page, 'Settings').waitFor();
    await page.getByText('No address is told of alerts yet.').waitFor();
    await expectSound(watched);

    await page.getByRole('button', { name: 'Add a webhook' }).press('Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('textbox', { name: 'Address' }).fill('http://alerts.example/');
    await dialog.getByRole('checkbox', { name: 'the disk is low' }).press('Space');
    await dialog.getByRole('button', { name: 'Add it' }).press('Enter');
    await dialog.getByText('expected https').waitFor();
    watched.errors.length = 0; // Chromium writes a refusal into the console
    await dialog.getByRole('textbox', { name: 'Address' }).fill(url);
    await expectSound(watched);
    await page.keyboard.press('Enter');
    const secret = await dialog.getByLabel('Secret of the webhook', { exact: true }).textContent();
    expect(secret).toMatch(/^whsec_/);
    await expectSound(watched);
    await dialog.getByRole('button', { name: 'I have kept it' }).press('Enter');

    const panel = page.getByRole('region', { name: url });
    await panel.getByText('It was told nothing yet.').waitFor();
    await panel
      .getByText("a site is silent; a round was abandoned; a site's keys are old")
      .waitFor();
    const send = panel.getByRole('button', { name: `Send a test to ${url}` });
    await send.press('Enter');
    const deliveries = panel.getByRole('table', { name: `Deliveries to ${url}` });
    await deliveries.getByText('delivered').waitFor();
    receiver.answer = answerStatus(503);
    await send.click({ trial: true }); // what is still busy hears no key
    await send.press('Enter');
    await deliveries.getByText('503').waitFor();
    receiver.answer = answerStatus(204);
    expect(receiver.received.filter(({ path }) => path === `/${viewport}`)).toHaveLength(2);
    await expectSound(watched);
    expect(await page.content()).not.toContain(secret ?? 'whsec_');

    await panel.getByRole('button', { name: `Remove ${url}` }).press('Enter');
    await page.getByRole('button', { name: 'Remove it' }).press('Enter');
    await page.getByText('No address is told of alerts yet.').waitFor();
    await expectSound(watched);
    await watched.close();
  },
  testMs,
);

test(
  'a long list goes on by the keyboard, which keeps its place',
  async () => {
    const url = `${receiver.url}/often`;
    const { webhook } = webhookRoutes.create.response.parse(
      await harness.request('POST', '/v1/webhooks', { url, kinds: ['key-old'] }),
    );
    const path = `/v1/webhooks/${webhook.webhook}`;
    for (let at = 0; at < 22; at++) await harness.request('POST', `${path}/test`, {});
    const watched = await signedIn('phone');
    const { page } = watched;
    await page.goto(`${harness.coordinator.url}/#/settings`);
    const panel = page.getByRole('region', { name: url });
    const focused = (): Promise<unknown> => page.evaluate('document.activeElement.textContent');
    const more = panel.getByRole('button', { name: `Load more: Deliveries to ${url}` });
    await panel.getByText('10 shown, there are more.').waitFor();
    await more.press('Enter');
    await panel.getByText('20 shown, there are more.').waitFor();
    expect(await focused()).toBe('Load more');
    await expectSound(watched);
    await more.press('Enter');
    await panel.getByText('22 shown: all of them.').waitFor();
    expect(await focused()).toBe('22 shown: all of them.');
    const table = panel.getByRole('table', { name: `Deliveries to ${url}` });
    expect(await table.getByRole('row').count()).toBe(1 + 22);
    await expectSound(watched);
    await watched.close();
    await harness.request('DELETE', path);
  },
  testMs,
);

test(
  'whoever is no administrator is told so, and asks the coordinator for nothing',
  async () => {
    const cookie = await new People(harness).join('vera', 'viewer');
    const watched = await openAs(browser, harness.coordinator.url, cookie, 'desk');
    const { page } = watched;
    await page.goto(`${harness.coordinator.url}/#/settings`);
    await headingOf(page, 'This page is not open to you').waitFor();
    await page.goto(`${harness.coordinator.url}/#/coordinator`);
    await page.getByText('Room on the disk').waitFor();
    expect(await page.getByRole('link', { name: 'Webhooks' }).count()).toBe(0);
    await expectSound(watched);
    await watched.close();
  },
  testMs,
);

test.each([
  ['administrator', 'Invite the first one', 'Write it on the page New task'],
  ['viewer', 'An administrator invites them.', 'Administrators and scientists create them.'],
] as const)(
  'before there is a site or a task the %s is told what comes next',
  async (role, site, task) => {
    const cookie = await new People(harness).join(`first-${role}`, role);
    const watched = await openAs(browser, harness.coordinator.url, cookie, 'desk');
    const { page } = watched;
    for (const address of ['', '#/tasks', '#/sites']) {
      await page.goto(`${harness.coordinator.url}/${address}`);
      await page.getByText(address === '#/tasks' ? task : site).waitFor();
      for (const viewport of ['phone', 'desk'] as const) {
        await watched.resize(viewport);
        await expectSound(watched);
      }
    }
    await watched.close();
  },
  testMs,
);
