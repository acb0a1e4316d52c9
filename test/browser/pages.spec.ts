/** Every page: where its address leads, that it fits, that it can be read and used, and what its buttons do. */
import { readFile } from 'node:fs/promises';
import type { Browser, Locator, Page } from 'playwright-core';
import { parse } from 'yaml';
import { taskDefinitionSchema } from '#core/protocol';
import { launchChromium, WatchedPage, type viewports } from '../support/browser.ts';
import { expectSound, headingOf } from './page-checks.ts';
import { declineReason, idleTask, playedTask, publishedRounds, SmallWorld } from './small-world.ts';

let world: SmallWorld;
let browser: Browser;
const setupMs = 300_000;
/** Many pages are looked at in one test, and two busy cores are slow. */
const testMs = 240_000;

beforeAll(async () => {
  world = await SmallWorld.start();
  browser = await launchChromium();
}, setupMs);
afterAll(async () => {
  await browser.close();
  await world.stop();
}, setupMs);

const openRound = publishedRounds + 1;
const title = 'Pneumonia on chest X-rays';

/** Every page: its address, its heading, and something that shows that it was read. */
const pages: readonly (readonly [address: string, heading: string, shown: string | RegExp])[] = [
  ['#/', 'Overview', 'Needs a person'],
  ['#/tasks', 'Tasks', 'Retinopathy on fundus photographs'],
  [`#/tasks/${playedTask}`, title, `Current round: ${openRound} of ${publishedRounds + 2}`],
  [`#/tasks/${playedTask}/figures`, title, `Updates by site, round ${publishedRounds}`],
  [`#/tasks/${playedTask}/versions`, title, `Version ${publishedRounds}`],
  [`#/tasks/${playedTask}/rounds`, title, declineReason],
  [`#/tasks/${playedTask}/plan`, title, 'Fingerprint of the backbone'],
  [`#/tasks/${playedTask}/rounds/2`, `Round 2 of ${playedTask}`, 'Events'],
  ['#/new-task', 'New task', '1 of 5: What is learned'],
  ['#/sites', 'Sites', 'far'],
  ['#/sites/north', 'north', 'Fingerprint of its keys'],
  ['#/coordinator', 'Coordinator', 'Room on the disk'],
  ['#/audit', 'Audit log', 'Entries in the chain'],
  ['#/nowhere', 'There is no such page', 'To the overview'],
  ['#/tasks/none', 'There is no task none', 'To the tasks'],
  ['#/sites/none', 'There is no site none', 'To the sites'],
];

describe.each([
  ['desk', 1280],
  ['phone', 390],
] as const)('on a %s (%d px)', (viewport: keyof typeof viewports, width) => {
  let watched: WatchedPage;
  let page: Page;
  const invited = `invited-${width}`;

  beforeAll(async () => {
    watched = await WatchedPage.open(browser, viewport);
    page = watched.page;
    await page.goto(await world.signInLink());
    await headingOf(page, 'Overview').waitFor();
  });
  afterAll(() => watched.close());

  const goTo = async (address: string): Promise<void> => {
    await page.goto(`${world.url}/${address}`);
  };

  test.each(pages)(
    '%s is a page that can be read by everybody',
    async (address, heading, shown) => {
      await goTo(address);
      await headingOf(page, heading).waitFor();
      await page.getByText(shown).first().waitFor();
      await page.getByText('For investigational use only. Not a medical device:').waitFor();
      await expectSound(watched);
    },
    testMs,
  );

  test(
    'the overview says what needs a person, and leads there',
    async () => {
      await goTo('#/');
      const panel = page.getByRole('region', { name: 'Needs a person' });
      await panel.getByText('waits for approval').waitFor();
      await panel.getByText('was created and not started').first().waitFor();
      await panel.getByText('published without all planned sites').waitFor();
      await panel.getByRole('link', { name: 'far' }).click();
      await headingOf(page, 'far').waitFor();
    },
    testMs,
  );

  test(
    'one goes on by links: the heading takes the focus, the back button goes back',
    async () => {
      await goTo('#/');
      await page.getByRole('link', { name: 'Audit', exact: true }).click();
      await headingOf(page, 'Audit log').waitFor();
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Audit log');
      expect(await page.title()).toBe('Audit log · MeLo Federation');
      await page.goBack();
      await headingOf(page, 'Overview').waitFor();
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Overview');
    },
    testMs,
  );

  test(
    'the members of the open round move while one looks',
    async () => {
      await goTo(`#/tasks/${playedTask}`);
      const members = page.getByRole('table', { name: 'Members of the round' });
      const north = members.getByRole('row', { name: 'north' });
      await world.beat(0.62);
      await north.getByText('trained 62 %').waitFor();
      await north.getByText(/^heard /).waitFor();
      await world.beat(0.81);
      await north.getByText('trained 81 %').waitFor();
      await members.getByRole('row', { name: 'west' }).getByText(declineReason).waitFor();
    },
    testMs,
  );

  test(
    'figures are lines, tables and files',
    async () => {
      await goTo(`#/tasks/${playedTask}/figures`);
      const chart = page.getByRole('figure', {
        name: /^Macro AUC over all sites by version: v1 0/,
      });
      await chart.locator('path.recharts-line-curve').nth(2).waitFor();
      const csv = await saved(page, chart.getByRole('button', { name: 'Macro AUC as CSV' }));
      const [head, ...rows] = csv.toString('utf8').trim().split('\r\n');
      expect(head).toBe('version,north,south,all sites (pooled)');
      expect(rows).toHaveLength(publishedRounds);
      const png = await saved(page, chart.getByRole('button', { name: 'Macro AUC as PNG' }));
      expect(png.subarray(1, 4).toString('latin1')).toBe('PNG');
      await page.getByRole('button', { name: 'Show as tables' }).click();
      const table = page.getByRole('table', { name: 'Macro AUC', exact: true });
      expect(await table.getByRole('row').count()).toBe(1 + publishedRounds);
      await page.getByRole('combobox', { name: 'Lines' }).selectOption('north');
      await table.getByText('federated, at north').first().waitFor({ state: 'attached' });
      await expectSound(watched);
      const updates = page.getByRole('table', { name: 'Updates by site' });
      await updates.getByRole('row', { name: 'south' }).waitFor();
    },
    testMs,
  );

  test(
    'a request for evaluations is cancelled, and says whom it is without',
    async () => {
      await goTo(`#/tasks/${playedTask}/figures`);
      const open = page.getByRole('button', { name: 'Cancel the request of west' });
      await open.first().waitFor();
      const before = await open.count();
      await open.first().click();
      await page.getByLabel('Reason (may be left out)').fill('west is being moved');
      await expectSound(watched);
      await page.getByRole('button', { name: 'Cancel the request', exact: true }).click();
      await page
        .getByText('lost, the request was cancelled: west is being moved')
        .first()
        .waitFor();
      await open.nth(before - 1).waitFor({ state: 'detached' }); // the text may be an earlier request's
    },
    testMs,
  );

  test(
    'a round can be verified, and shows what was signed',
    async () => {
      await goTo(`#/tasks/${playedTask}/rounds/2`);
      await page.getByRole('table', { name: 'Time by site' }).getByText('declined').waitFor();
      await page.getByRole('button', { name: 'Verify this round' }).click();
      await page.getByText('verified', { exact: true }).waitFor();
      await page.getByText('The signed membership record').click();
      await page.getByText('"type": "membership"').waitFor();
      await expectSound(watched);
    },
    testMs,
  );

  test(
    'a version is promoted, and a reason is asked for to roll back',
    async () => {
      await goTo(`#/tasks/${playedTask}/versions`);
      await page.getByRole('button', { name: 'More of version 2' }).click();
      const dialog = page.getByRole('dialog', { name: `Version 2 of ${playedTask}` });
      await dialog.getByText('Digest of its result').waitFor();
      await expectSound(watched);
      await dialog.getByRole('button', { name: 'Promote' }).click();
      await page.getByRole('button', { name: 'Promote it' }).click();
      await page.getByText(`Version 2 of ${playedTask} is the one to use.`).waitFor();
      const row = page
        .getByRole('row', { name: 'Version 2', exact: false })
        .filter({ hasText: 'promoted' });
      await row.waitFor();
      await dialog.getByRole('button', { name: 'Roll back to it' }).click();
      const ask = page.getByRole('dialog', { name: `Roll ${playedTask} back to version 2?` });
      expect(await ask.getByRole('button', { name: 'Roll back' }).isDisabled()).toBe(true);
      await page.keyboard.press('Escape');
      await dialog.getByRole('button', { name: 'Take the promotion back' }).click();
      await page.getByRole('button', { name: 'Take it back' }).click();
      await row.waitFor({ state: 'detached' });
      await dialog.getByRole('button', { name: 'Close' }).click();
      await dialog.waitFor({ state: 'detached' });
    },
    testMs,
  );

  test(
    'a site is invited by keyboard alone, its code shown once, then approved by its fingerprint',
    async () => {
      await goTo('#/sites');
      await page.getByRole('button', { name: 'Invite a site' }).focus();
      await page.keyboard.press('Enter');
      const dialog = page.getByRole('dialog', { name: 'Invite a site' });
      await dialog.waitFor();
      await page.keyboard.type(invited);
      await expectSound(watched);
      await page.keyboard.press('Enter');
      const code = await page.getByLabel('One-time code', { exact: true }).textContent();
      await page.getByText('npx melo agent enroll --config agent.yaml').waitFor();
      const done = page.getByRole('button', { name: 'I have handed it over' });
      await done.hover();
      await expectSound(watched);
      await done.press('Enter');
      const fingerprint = await world.enroll(invited, code ?? '');

      const table = page.getByRole('table', { name: 'Sites' });
      await table.getByRole('row', { name: invited }).getByText('pending').waitFor();
      await table.getByRole('link', { name: invited }).press('Enter');
      await page.getByRole('button', { name: 'Approve' }).press('Enter');
      const approval = page.getByRole('dialog', { name: `Approve ${invited}?` });
      const field = approval.getByRole('textbox');
      await field.fill(`${fingerprint.slice(0, 60)}0000`);
      await approval.getByText('Do not approve').waitFor();
      expect(await approval.getByRole('button', { name: 'Approve it' }).isDisabled()).toBe(true);
      await field.fill(fingerprint.replaceAll(/.{4}/g, '$& '));
      await expectSound(watched);
      await approval.getByRole('button', { name: 'Approve it' }).press('Enter');
      await page.getByText(`${invited} is approved`).waitFor();
      await page.getByText('active', { exact: true }).waitFor();
    },
    testMs,
  );

  test(
    'a site gets new keys, is suspended, let back in and revoked, each with a question',
    async () => {
      await goTo(`#/sites/${invited}`);
      await page.getByRole('button', { name: 'Renew its keys' }).click();
      await page.getByRole('button', { name: 'Make the code' }).click();
      await page.getByLabel('One-time code', { exact: true }).waitFor();
      await page.getByRole('button', { name: 'I have handed it over' }).click();
      await act(page, 'Suspend', 'Suspend it', 'its network is being rebuilt');
      await page.getByText('suspended', { exact: true }).waitFor();
      await act(page, 'Let it back in', 'Let it back in');
      await page.getByText('active', { exact: true }).waitFor();
      await act(page, 'Revoke', 'Revoke it', 'it was a trial');
      await page.getByText('revoked', { exact: true }).waitFor();
      expect(await page.getByRole('button', { name: 'Renew its keys' }).count()).toBe(0);
    },
    testMs,
  );

  test(
    'a task is paused, resumed and asked about before it is cancelled',
    async () => {
      await goTo(`#/tasks/${playedTask}`);
      await act(page, 'Pause', 'Pause it', 'a holiday');
      await page.getByText('a holiday').waitFor();
      await act(page, 'Resume', 'Resume it');
      await page.getByText('running', { exact: true }).waitFor();
      await page.getByRole('button', { name: 'Cancel' }).click();
      await expectSound(watched);
      await page.getByRole('button', { name: 'Do nothing' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Cancel');
    },
    testMs,
  );

  test(
    'a new task is written by keyboard alone, with its cost before it is created',
    async () => {
      await goTo('#/tasks');
      await page.getByRole('link', { name: 'New task' }).press('Enter');
      const next = async (): Promise<void> => {
        await page.getByRole('button', { name: 'Next' }).press('Enter');
      };
      const step = (label: string): Locator => page.getByRole('heading', { level: 3, name: label });
      await step('1 of 5: What is learned').waitFor();
      await next();
      await page.getByText('At least two classes').waitFor();
      await expectSound(watched);
      for (const [field, text] of [
        ['Name', `written-${width}`],
        ['Title', 'A task written here'],
        ['Classes', 'healthy, ill'],
        ['Fingerprint of the backbone', 'ab'.repeat(32)],
      ] as const) {
        await page.getByRole('textbox', { name: field }).focus();
        await page.keyboard.type(text);
      }
      await next();
      await step('2 of 5: Data and members').waitFor();
      await page.getByRole('checkbox', { name: 'north' }).press('Space');
      await page.getByRole('checkbox', { name: 'south' }).press('Space');
      await expectSound(watched);
      await next();
      await step('3 of 5: How').waitFor();
      await expectSound(watched);
      await next();
      await step('4 of 5: Rounds').waitFor();
      await next();
      await step('5 of 5: Cost and start').waitFor();
      await page.getByText('149 kB a round, 1.5 MB in all').waitFor();
      await expectSound(watched);
      const yaml = await saved(page, page.getByRole('button', { name: 'Save as YAML' }));
      const definition = taskDefinitionSchema.parse(parse(yaml.toString('utf8')));
      expect(definition.members).toEqual(['north', 'south']);
      await page.getByRole('checkbox', { name: 'Start it at once' }).press('Space');
      await page.getByRole('button', { name: 'Create the task' }).press('Enter');
      await headingOf(page, 'A task written here').waitFor();
      await page.getByText('The task has not been started.').waitFor();
    },
    testMs,
  );

  test(
    'the coordinator is drained, and no more, after a question',
    async () => {
      await goTo('#/coordinator');
      await act(page, 'Drain', 'Drain it');
      await page.getByText('It is draining').waitFor();
      await page
        .getByRole('table', { name: 'Open rounds' })
        .getByText('north (training)')
        .waitFor();
      await expectSound(watched);
      await act(page, 'Drain no more', 'Go on');
      await page.getByText('It serves, and opens rounds.').waitFor();
      const backup = await saved(
        page,
        page.getByRole('link', { name: 'Make and download a backup' }),
      );
      expect(backup.length).toBeGreaterThan(10_000);
    },
    testMs,
  );

  test(
    'the audit log is searched, and exported with its signed head',
    async () => {
      await goTo('#/audit');
      await page.getByRole('textbox', { name: 'To', exact: true }).fill('site:north');
      await page.keyboard.press('Enter');
      await page.waitForURL(/target=site%3Anorth/);
      const table = page.getByRole('table', { name: 'Audit log' });
      await table.getByText('site.invited').first().waitFor();
      expect(await table.getByText('site:far').count()).toBe(0);
      await expectSound(watched);
      const log = await saved(page, page.getByRole('link', { name: 'Export the whole log' }));
      expect(log.toString('utf8').trim().split('\n').at(-1)).toContain('"head"');
    },
    testMs,
  );
});

async function saved(page: Page, button: Locator): Promise<Buffer> {
  const download = page.waitForEvent('download');
  await button.click();
  return readFile(await (await download).path());
}

/** Press a button, answer its question, and wait until the question is gone. */
async function act(page: Page, label: string, verb: string, reason?: string): Promise<void> {
  await page.getByRole('main').getByRole('button', { name: label, exact: true }).click();
  const dialog = page.getByRole('dialog');
  if (reason !== undefined) await dialog.getByRole('textbox').fill(reason);
  await dialog.getByRole('button', { name: verb, exact: true }).click();
  await dialog.waitFor({ state: 'detached' });
}

test('an address is kept through the sign-in, and a task is started and cancelled', async () => {
  const watched = await WatchedPage.open(browser, 'desk');
  const { page } = watched;
  await page.goto(`${world.url}/#/tasks/${idleTask}`);
  await page.getByText('Sign in with a token').click();
  await page.getByRole('textbox', { name: 'Token' }).fill(world.harness.token);
  await page.keyboard.press('Enter');
  await headingOf(page, 'Retinopathy on fundus photographs').waitFor();
  await act(page, 'Start', 'Start it');
  await page.getByText('running', { exact: true }).waitFor();
  await act(page, 'Abandon the round', 'Abandon the round', 'a rehearsal');
  await act(page, 'Cancel', 'Cancel the task', 'a rehearsal');
  await page.getByText('cancelled', { exact: true }).first().waitFor();
  expect(await watched.violations()).toEqual([]);
  await watched.close();
});

test('whoever uses the keyboard skips the head, and stays where they are', async () => {
  const watched = await WatchedPage.open(browser, 'desk');
  const { page } = watched;
  await page.goto(await world.signInLink());
  await headingOf(page, 'Overview').waitFor();
  await page.goto(`${world.url}/#/audit`);
  await headingOf(page, 'Audit log').waitFor();
  await page.reload();
  await headingOf(page, 'Audit log').waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await page.evaluate('document.activeElement.id')).toBe('content');
  expect(page.url()).toBe(`${world.url}/#/audit`);
  await watched.close();
});
