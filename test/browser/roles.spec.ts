/** What each role is shown: its pages, its buttons, and whose a page is that is closed to it; each page at every width. */
import type { Browser, Locator } from 'playwright-core';
import { People } from '../../apps/coordinator/src/testing/people.ts';
import { launchChromium, type Viewport } from '../support/browser.ts';
import { expectSound, headingOf } from './page-checks.ts';
import { openAs } from './people-pages.ts';
import { idleTask, playedTask, SmallWorld } from './small-world.ts';

const setupMs = 300_000;
const testMs = 240_000;
const widths: readonly Viewport[] = ['wall', 'phone', 'desk'];

let world: SmallWorld;
let people: People;
let browser: Browser;

beforeAll(async () => {
  world = await SmallWorld.start();
  people = new People(world.harness);
  browser = await launchChromium();
}, setupMs);
afterAll(async () => {
  await browser.close();
  await world.stop();
}, setupMs);

/** Each role: what is in its navigation, what is open to it beside that, what is closed to it, and whose that is. */
const tours = [
  {
    role: 'administrator',
    links: ['Overview', 'Tasks', 'Sites', 'Audit', 'Coordinator', 'Users'],
    open: [
      [`#/tasks/${playedTask}/rounds/1`, `Round 1 of ${playedTask}`],
      ['#/audit', 'Audit log'],
      ['#/coordinator', 'Coordinator'],
      ['#/new-task', 'New task'],
      ['#/users', 'Users'],
      ['#/settings', 'Settings'],
    ],
    closed: [],
    task: ['Start', 'Cancel'],
    version: ['Promote', 'Evaluate'],
    invites: true,
  },
  {
    role: 'scientist',
    links: ['Overview', 'Tasks', 'Sites', 'Audit', 'Coordinator'],
    open: [
      [`#/tasks/${playedTask}/rounds/1`, `Round 1 of ${playedTask}`],
      ['#/audit', 'Audit log'],
      ['#/coordinator', 'Coordinator'],
      ['#/new-task', 'New task'],
    ],
    closed: [
      ['#/users', 'It is open to administrators. You are signed in as a scientist.'],
      ['#/settings', 'It is open to administrators.'],
    ],
    task: ['Start'],
    version: ['Evaluate'],
    invites: false,
  },
  {
    role: 'viewer',
    links: ['Overview', 'Tasks', 'Sites', 'Audit', 'Coordinator'],
    open: [
      [`#/tasks/${playedTask}/rounds/1`, `Round 1 of ${playedTask}`],
      ['#/audit', 'Audit log'],
      ['#/coordinator', 'Coordinator'],
    ],
    closed: [
      ['#/users', 'It is open to administrators.'],
      ['#/new-task', 'It is open to administrators and scientists.'],
    ],
    task: [],
    version: [],
    invites: false,
  },
  {
    role: 'steward',
    links: ['Overview', 'Tasks', 'Sites'],
    open: [],
    closed: [
      ['#/audit', 'It is open to administrators, scientists and viewers.'],
      ['#/coordinator', 'You are signed in as a steward of north.'],
      [`#/tasks/${playedTask}/rounds/1`, 'It is open to administrators, scientists and viewers.'],
    ],
    task: [],
    version: null,
    invites: false,
  },
] as const;

test.each(tours.map((tour) => [tour.role, tour] as const))(
  'a tour as %s',
  async (role, { links, open, closed, task, version, invites }) => {
    const isSteward = role === 'steward';
    const site = isSteward ? { site: 'north' } : {};
    const watched = await openAs(
      browser,
      world.url,
      await people.join(`tour-${role}`, role, site),
      'desk',
    );
    const { page } = watched;
    const main = page.getByRole('main');
    const goTo = async (address: string, heading: string): Promise<void> => {
      await page.goto(`${world.url}/${address}`);
      await headingOf(page, heading).waitFor();
      await page.getByLabel('Loading').first().waitFor({ state: 'detached' });
      expect(await main.getByText('This cannot be shown now').count()).toBe(0);
      expect(await main.getByText('This is not open to your role').count()).toBe(0);
      for (const viewport of widths) {
        await watched.resize(viewport);
        expect(await watched.misfits()).toEqual([]);
      }
      expect(await watched.seriousFindings()).toEqual([]);
    };
    await goTo('#/', 'Overview');
    const labels = await page.getByRole('navigation', { name: 'Pages' }).getByRole('link').all();
    expect(await Promise.all(labels.map((each) => each.textContent()))).toEqual(links);

    const title = 'Pneumonia on chest X-rays';
    const buttonsOf = async (within: Locator): Promise<string[]> =>
      (await within.getByRole('button').allTextContents()).filter((label) =>
        ['Start', 'Pause', 'Cancel', 'Promote', 'Evaluate', 'Invite a site'].includes(label),
      );
    await goTo(`#/tasks/${idleTask}`, 'Retinopathy on fundus photographs');
    expect(await buttonsOf(main)).toEqual(task);
    await goTo(`#/tasks/${playedTask}/figures`, title);
    await page.getByRole('heading', { name: 'Figures by site' }).waitFor();
    await goTo(`#/tasks/${playedTask}`, title);
    await goTo(`#/tasks/${playedTask}/rounds`, title);
    await goTo(`#/tasks/${playedTask}/plan`, title);
    for (const [address, heading] of open) await goTo(address, heading);
    await goTo(`#/tasks/${playedTask}/versions`, title);
    const table = page.getByRole('table', { name: 'Adapter versions' });
    await table.waitFor();
    const downloads = await table.getByRole('link', { name: /^Download/ }).count();
    expect(downloads > 0).toBe(role === 'administrator' || role === 'scientist');
    const more = table.getByRole('button', { name: 'More of version 1' });
    expect((await more.count()) > 0).toBe(version !== null);
    if (version !== null) {
      await more.click();
      const dialog = page.getByRole('dialog');
      await dialog.getByText('Digest of the file').waitFor();
      expect(await buttonsOf(dialog)).toEqual(version);
      await page.keyboard.press('Escape');
    }
    await goTo('#/sites', 'Sites');
    expect(await buttonsOf(main)).toEqual(invites ? ['Invite a site'] : []);
    expect(await main.getByRole('link', { name: 'south', exact: true }).count()).toBe(
      isSteward ? 0 : 1,
    );
    await goTo('#/sites/north', 'north');
    await goTo('#/account', 'Account');
    await expectSound(watched);
    for (const [address, whose] of closed) {
      await goTo(address, 'This page is not open to you');
      await main.getByText(whose).waitFor();
    }
    await expectSound(watched);
    await watched.close();
  },
  testMs,
);
