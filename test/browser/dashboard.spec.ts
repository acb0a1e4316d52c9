/**
 * The dashboard before a running federation, a coordinator and three agents as processes: every view at three widths, every action
 * at two. Accounts and what each role is shown are in files of their own.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { killAllProcesses } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';
import { launchChromium, WatchedPage } from '../support/browser.ts';
import { DemoFederation, demoTask, demoTitle } from './demo-federation.ts';
import { describeCoordinator } from './on-coordinator.ts';
import { describeFigures } from './on-figures.ts';
import { describeNewTask } from './on-new-task.ts';
import { describeSites } from './on-sites.ts';
import { describeTasks } from './on-tasks.ts';
import { expectClean, expectSound, headingOf } from './page-checks.ts';
import { testMs, type Stage } from './stage.ts';
import { describeViews } from './views.ts';

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
] as const)('on a %s (%d px)', (viewport, width) => {
  let watched: WatchedPage;

  beforeAll(async () => {
    watched = await WatchedPage.open(browser, viewport);
    await demo.beat(0.62);
    await watched.page.goto(await demo.signInLink());
  }, setupMs);
  afterAll(() => watched.close());

  const stage = (): Stage => ({
    ...{ demo, watched, width, page: watched.page },
    goTo: async (address) => {
      await watched.page.goto(`${demo.federation.url}/${address}`);
    },
  });

  test('a link signs in, and its secret is gone from the address', async () => {
    const other = await WatchedPage.open(browser, viewport);
    await other.page.goto(await demo.signInLink());
    await headingOf(other.page, 'Overview').waitFor();
    expect(other.page.url()).toBe(`${demo.federation.url}/`);
    await other.close();
  });

  describeViews(stage, rounds);
  describeFigures(stage, rounds);
  describeTasks(stage);
  describeSites(stage);
  describeNewTask(stage);
  describeCoordinator(stage);

  test('the policy refused nothing, and nothing went wrong', async () => {
    await expectClean(watched);
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
  watched.errors.length = 0; // Chromium writes a refusal into the console
  await expectSound(watched);
  await page.getByText('Sign in with a token').focus();
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Token' }).focus();
  await page.keyboard.type('a-token-that-is-wrong');
  await page.keyboard.press('Enter');
  await page.getByText('This token is not valid').waitFor();
  const token = await readFile(join(demo.federation.dataDirectory, 'administrator.token'), 'utf8');
  await page.getByRole('textbox', { name: 'Token' }).fill(token.trim());
  await page.keyboard.press('Enter');
  await headingOf(page, 'Overview').waitFor();
  await watched.close();
});

test('an address is kept through the sign-in', async () => {
  const watched = await WatchedPage.open(browser, 'desk');
  const { page } = watched;
  await page.goto(`${demo.federation.url}/#/tasks/${demoTask}`);
  await page.getByText('Sign in with a token').click();
  const token = await readFile(join(demo.federation.dataDirectory, 'administrator.token'), 'utf8');
  await page.getByRole('textbox', { name: 'Token' }).fill(token.trim());
  await page.keyboard.press('Enter');
  await headingOf(page, demoTitle).waitFor();
  expect(await watched.violations()).toEqual([]);
  await watched.close();
});

test('whoever uses the keyboard skips the head, and stays where they are', async () => {
  const watched = await WatchedPage.open(browser, 'desk');
  const { page } = watched;
  await page.goto(await demo.signInLink());
  await headingOf(page, 'Overview').waitFor();
  await page.goto(`${demo.federation.url}/#/audit`);
  await headingOf(page, 'Audit log').waitFor();
  await page.reload();
  await headingOf(page, 'Audit log').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await page.evaluate('document.activeElement.id')).toBe('content');
  expect(page.url()).toBe(`${demo.federation.url}/#/audit`);
  await watched.close();
});

test(
  'a page that no longer hears of changes says so',
  async () => {
    const watched = await WatchedPage.open(browser, 'desk');
    await watched.page.goto(await demo.signInLink());
    await watched.page.getByText('live', { exact: true }).waitFor();
    await demo.federation.coordinator?.stop();
    await watched.page.getByRole('alert').getByText('This page is not live').waitFor();
    // What was not asked for while it was live does not come, and takes nothing else with it.
    await watched.page.getByRole('link', { name: 'Audit' }).click();
    const missing = watched.page.getByRole('alert', {
      name: 'This part of the page cannot be shown',
    });
    await missing.getByRole('button', { name: 'Reload the page' }).waitFor();
    await watched.page.getByRole('link', { name: 'Tasks', exact: true }).click();
    await headingOf(watched.page, 'Tasks').waitFor();
    await missing.waitFor({ state: 'detached' });
    await watched.close();
  },
  testMs,
);
