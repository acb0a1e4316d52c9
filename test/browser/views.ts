/** Every view of a running federation: where its address leads, that it fits, that it can be read. */
import {
  agentSites,
  declineReason,
  demoTask,
  demoTitle,
  idleTasks,
  invitedSite,
  otherTitle,
  pendingSite,
} from './demo-federation.ts';
import { expectSound, headingOf } from './page-checks.ts';
import { takeRefusals } from './people-pages.ts';
import { testMs, type Stage } from './stage.ts';

const [site] = agentSites;
const idle = idleTasks[390];

/** Every view: its address, its heading, and something that shows that it was read. */
const viewsOf = (rounds: number): readonly (readonly [string, string, string | RegExp])[] => [
  ['#/', 'Overview', 'Needs a person'],
  ['#/tasks', 'Tasks', otherTitle(idle)],
  [`#/tasks/${demoTask}`, demoTitle, `Current round: ${rounds} of ${rounds}`],
  [`#/tasks/${demoTask}/figures`, demoTitle, `Updates by site, round ${rounds - 1}`],
  [`#/tasks/${demoTask}/versions`, demoTitle, `Version ${rounds - 1}`],
  [`#/tasks/${demoTask}/rounds`, demoTitle, new RegExp(declineReason)],
  [`#/tasks/${demoTask}/plan`, demoTitle, 'Fingerprint of the backbone'],
  [`#/tasks/${demoTask}/rounds/${rounds - 1}`, `Round ${rounds - 1} of ${demoTask}`, 'Events'],
  [`#/tasks/${demoTask}/rounds/${rounds}`, `Round ${rounds} of ${demoTask}`, 'They come with'],
  [`#/tasks/${idle}`, otherTitle(idle), 'The task has not been started.'],
  ['#/new-task', 'New task', '1 of 5: What is learned'],
  ['#/sites', 'Sites', pendingSite],
  [`#/sites/${site}`, site, 'Fingerprint of its keys'],
  [`#/sites/${pendingSite}`, pendingSite, 'Waits for approval'],
  [`#/sites/${invitedSite}`, invitedSite, 'never heard'],
  ['#/coordinator', 'Coordinator', 'Room on the disk'],
  ['#/settings', 'Settings', 'No address is told of alerts yet.'],
  ['#/audit', 'Audit log', 'Entries in the chain'],
  ['#/users', 'Users', 'Make an account'],
  ['#/account', 'Account', 'Make an account for every person'],
  ['#/nowhere', 'There is no such page', 'To the overview'],
  ['#/tasks/none', 'There is no task none', 'To the tasks'],
  ['#/sites/none', 'There is no site none', 'To the sites'],
];

/** Every view can be read by everybody. */
export function describeViews(stage: () => Stage, rounds: number): void {
  test.each(viewsOf(rounds))(
    '%s is a page that can be read by everybody',
    async (address, heading, shown) => {
      const { page, watched, goTo } = stage();
      await goTo(address);
      await headingOf(page, heading).waitFor();
      await page.getByRole('main').getByText(shown).first().waitFor();
      await page.getByText('For investigational use only. Not a medical device:').waitFor();
      await page.getByLabel('Loading').first().waitFor({ state: 'detached' });
      await expectSound(watched);
    },
    testMs,
  );

  test(
    'a round that is not there is told, with the way to those that are',
    async () => {
      const { page, watched, goTo } = stage();
      await goTo(`#/tasks/${demoTask}/rounds/99`);
      await headingOf(page, `There is no round 99 of ${demoTask}`).waitFor();
      expect(await watched.seriousFindings()).toEqual([]);
      expect(await watched.misfits()).toEqual([]);
      await page.getByRole('link', { name: 'All rounds' }).click();
      await headingOf(page, demoTitle).waitFor();
      // It is asked for again whenever a round changes.
      expect(new Set(takeRefusals(watched))).toEqual(new Set([404]));
    },
    testMs,
  );

  test(
    'one goes on by links: the heading takes the focus, the back button goes back',
    async () => {
      const { page, goTo } = stage();
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
    'the overview says what needs a person, and leads there',
    async () => {
      const { page, goTo } = stage();
      await goTo('#/');
      const panel = page.getByRole('region', { name: 'Needs a person' });
      await panel.getByText('waits for approval').waitFor();
      await panel.getByText('was created and not started').first().waitFor();
      await panel.getByText('published without all planned sites').waitFor();
      await panel.getByRole('link', { name: pendingSite }).click();
      await headingOf(page, pendingSite).waitFor();
    },
    testMs,
  );

  test(
    'colours are dark or light as one likes',
    async () => {
      const { page, goTo } = stage();
      await page.emulateMedia({ colorScheme: 'light' });
      await goTo('#/');
      const root = page.locator('html[data-mantine-color-scheme="dark"]');
      await page.getByRole('button', { name: 'Dark colours' }).click();
      await root.waitFor();
      await page.getByRole('button', { name: 'Light colours' }).click();
      await root.waitFor({ state: 'detached' });
      await page.evaluate('localStorage.clear()'); // as the system has it, for the other tests
      await page.reload();
      await headingOf(page, 'Overview').waitFor();
    },
    testMs,
  );
}
