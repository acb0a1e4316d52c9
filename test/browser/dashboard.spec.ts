import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { adapterDigest } from '#core/adapter';
import { killAllProcesses } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';
import { launchChromium, WatchedPage, type viewports } from '../support/browser.ts';
import {
  agentSites,
  declineReason,
  DemoFederation,
  demoTask,
  invitedSite,
  playedSite,
} from './demo-federation.ts';

const rounds = 3;
const setupMs = 600_000;

let demo: DemoFederation;
let browser: Browser;
/** What is ended afterwards, the last thing first: as much as had begun, where a beginning fails. */
const endings: (() => Promise<void>)[] = [];

beforeAll(async () => {
  const { path, remove } = await makeWorkDirectory('browser');
  endings.unshift(remove);
  endings.unshift(killAllProcesses);
  demo = await DemoFederation.start(path, rounds);
  endings.unshift(() => demo.stop());
  await demo.untilAgentsReported();
  browser = await launchChromium();
  endings.unshift(() => browser.close());
}, setupMs);

afterAll(async () => {
  for (const end of endings) await end();
}, setupMs);

describe.each([
  ['desk', 1280],
  ['phone', 390],
] as const)('on a %s (%d px)', (viewport: keyof typeof viewports, _width) => {
  let watched: WatchedPage;

  beforeAll(async () => {
    watched = await WatchedPage.open(browser, viewport);
    await demo.beat(0.62);
    await watched.page.goto(await demo.signInLink());
  });
  afterAll(() => watched.close());

  const goTo = async (address: string): Promise<void> => {
    await watched.page.goto(`${demo.federation.url}/${address}`);
  };

  test('a link signs in, and its secret is gone from the address', async () => {
    await watched.page.getByRole('heading', { name: 'Overview', exact: true }).waitFor();
    expect(watched.page.url()).toBe(`${demo.federation.url}/`);
  });

  test('every site is there with its heartbeat, and what to do where one is missing', async () => {
    const table = watched.page.getByRole('table', { name: 'Sites', exact: true });
    for (const site of agentSites) {
      const row = table.getByRole('row', { name: site });
      await row.getByText(/^heard .* ago$|^heard just now$/).waitFor();
    }
    await table.getByRole('row', { name: invitedSite }).getByText('never heard').waitFor();
  });

  test('the open round moves while one looks', async () => {
    const { page } = watched;
    await page.getByRole('heading', { name: `Current round: ${rounds} of ${rounds}` }).waitFor();
    const members = page.getByRole('table', { name: 'Members of the round' });
    const row = members.getByRole('row', { name: playedSite });
    await demo.beat(0.62);
    await row.getByText('trained 62 %').waitFor();
    await page.evaluate('globalThis.isSamePage = true');
    await demo.beat(0.81);
    await row.getByText('trained 81 %').waitFor();
    expect(await page.evaluate('isSamePage')).toBe(true);
    for (const site of agentSites) {
      await members.getByRole('row', { name: site }).getByText('reported').waitFor();
    }
  });

  test('AUC and loss are drawn at the first view, the pooled line and one for each site', async () => {
    const { page } = watched;
    const chart = page.getByRole('figure', { name: /^Macro AUC over all sites by version/ });
    await chart.locator('path.recharts-line-curve').nth(agentSites.length).waitFor();
    expect(await chart.locator('path.recharts-line-curve').count()).toBe(agentSites.length + 1);
    await page.getByRole('figure', { name: /^Loss on held-out images/ }).waitFor();
    await page.getByText('AUCs of sites are never averaged').waitFor();
  });

  test('one site stands beside its own adapter of the round', async () => {
    const { page } = watched;
    const [site] = agentSites;
    await page.getByRole('combobox', { name: 'Lines' }).selectOption(site);
    await page.getByText(`${site}'s own adapter`).first().waitFor();
    await page.getByRole('combobox', { name: 'Lines' }).selectOption('');
  });

  test('nobody is left out silently: a settled round says who is missing and why', async () => {
    await goTo(`#/tasks/${demoTask}/rounds`);
    const history = watched.page.getByRole('table', { name: 'Rounds', exact: true });
    const reasons = history.getByText(
      new RegExp(`${playedSite} declined: [A-Z_]+: ${declineReason}$`),
    );
    await reasons.first().waitFor();
    expect(await reasons.count()).toBe(rounds - 1);
  });

  test('a figure that is without a planned site says so below the table, by name', async () => {
    await goTo(`#/tasks/${demoTask}/figures`);
    const table = watched.page.getByRole('table', { name: 'Versions at sites' });
    const pooled = table.getByRole('row', { name: 'all sites (pooled)' });
    await pooled
      .getByText(/^0\.\d{3}\*/)
      .first()
      .waitFor();
    await table.getByRole('row', { name: playedSite }).getByText('no report').first().waitFor();
    const note = `* Version ${rounds - 1} is without ${playedSite}: no report yet.`;
    await watched.page.getByText(note).waitFor();
    const updates = watched.page.getByRole('table', { name: 'Updates by site' });
    for (const site of agentSites) await updates.getByRole('row', { name: site }).waitFor();
  });

  test('the adapter that is downloaded has the digest of the registry', async () => {
    await goTo(`#/tasks/${demoTask}/versions`);
    const version = await demo.federation.version(demoTask, rounds - 1);
    const name = `Download version ${rounds - 1} of ${demoTask}`;
    const download = watched.page.waitForEvent('download');
    await watched.page.getByRole('link', { name }).click();
    const path = await (await download).path();
    expect(adapterDigest(await readFile(path))).toBe(version.adapterDigest);
  });

  test.each(['', `#/tasks/${demoTask}`, `#/tasks/${demoTask}/figures`, `#/sites/${agentSites[0]}`])(
    'the page %s of real agents fits the window and can be read, in the dark too',
    async (address) => {
      await goTo(address);
      const { page } = watched;
      await page.getByRole('heading', { level: 1 }).waitFor();
      expect(await watched.isTooWide()).toBe(false);
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
        expect(await watched.seriousFindings()).toEqual([]);
      }
    },
  );

  test('the policy refused nothing, and nothing went wrong', async () => {
    expect(await watched.violations()).toEqual([]);
    expect(watched.errors).toEqual([]);
  });
});

test('the policy does refuse a script that somebody slips in', async () => {
  const watched = await WatchedPage.open(browser, 'desk');
  await watched.page.goto(demo.federation.url);
  await watched.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await watched.page.evaluate(`{
    const script = document.createElement('script');
    script.textContent = 'globalThis.isSlippedIn = true';
    document.body.append(script);
  }`);
  expect(await watched.page.evaluate('globalThis.isSlippedIn === true')).toBe(false);
  expect(await watched.violations()).toEqual([{ directive: 'script-src-elem', blocked: 'inline' }]);
  await watched.close();
});

test('a used link says so, and the token signs in by keyboard alone', async () => {
  const watched = await WatchedPage.open(browser, 'phone');
  const { page } = watched;
  const link = await demo.signInLink();
  await page.goto(link);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.goto('about:blank');
  await page.goto(link);
  await page.getByText('This sign-in link was used already').waitFor();
  expect(await watched.seriousFindings()).toEqual([]);
  await page.getByText('Sign in with a token').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Token' }).focus();
  await page.keyboard.type('a-token-that-is-wrong');
  await page.keyboard.press('Enter');
  await page.getByText('This token is not valid').waitFor();
  const token = await readFile(join(demo.federation.dataDirectory, 'administrator.token'), 'utf8');
  await page.getByRole('textbox', { name: 'Token' }).fill(token.trim());
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Sites', exact: true }).waitFor();
  await watched.close();
});

test('a page that no longer hears of changes says so', async () => {
  const watched = await WatchedPage.open(browser, 'desk');
  await watched.page.goto(await demo.signInLink());
  await watched.page.getByText('live', { exact: true }).waitFor();
  await demo.federation.coordinator?.stop();
  await watched.page.getByRole('alert').getByText('This page is not live').waitFor();
  await watched.close();
});
