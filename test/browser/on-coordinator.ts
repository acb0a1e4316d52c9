/** What is done with the coordinator itself, and what it has written down. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { healthRoutes } from '../../apps/coordinator/src/health/health.contract.ts';
import { MeloProcess } from '../support/melo-process.ts';
import { agentSites, pendingSite, playedSite } from './demo-federation.ts';
import { expectSound } from './page-checks.ts';
import { actOn, saved, testMs, type Stage } from './stage.ts';

/** Draining, backup, audit log. */
export function describeCoordinator(stage: () => Stage): void {
  test(
    'the coordinator is drained, and no more, after a question; its backup is saved',
    async () => {
      const { page, watched, goTo } = stage();
      await goTo('#/coordinator');
      await page.getByText('after their round has ended').waitFor();
      await actOn(page, 'Drain', 'Drain it');
      await page.getByText('It is draining').waitFor();
      await page
        .getByRole('table', { name: 'Open rounds' })
        .getByText(`${playedSite} (training)`)
        .waitFor();
      await expectSound(watched);
      await actOn(page, 'Drain no more', 'Go on');
      await page.getByText('It serves, and opens rounds.').waitFor();
      const backup = await saved(page.getByRole('link', { name: 'Make and download a backup' }));
      expect(backup.length).toBeGreaterThan(10_000);
    },
    testMs,
  );

  test(
    'the audit log is searched, filtered by time, exported with its signed head, and verified without the coordinator',
    async () => {
      const { page, watched, goTo, demo, width } = stage();
      const [site] = agentSites;
      await goTo('#/audit');
      await page.getByRole('textbox', { name: 'To', exact: true }).fill(`site:${site}`);
      await page.keyboard.press('Enter');
      await page.waitForURL(/target=site%3A/);
      await page.getByRole('link', { name: 'Show everything' }).waitFor();
      const table = page.getByRole('table', { name: 'Audit log' });
      await table.getByText('site.invited').first().waitFor();
      expect(await table.getByText(`site:${pendingSite}`).count()).toBe(0);
      await expectSound(watched);
      await page.getByLabel('From', { exact: true }).fill('2020-01-01');
      await page.getByLabel('To, that day too').fill('2020-12-31');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText('Nothing of this kind has happened.').waitFor();
      await expectSound(watched);
      await page.getByRole('link', { name: 'Show everything' }).click();
      await table.getByRole('row').nth(20).waitFor();
      const log = await saved(page.getByRole('link', { name: 'Export the whole log' }));
      const file = join(demo.federation.directory, `audit-${width}.ndjson`);
      await writeFile(file, log);
      const { coordinatorFingerprint: key } = await demo.federation.call(healthRoutes.health);
      await page.getByText(`npx melo audit verify melo-audit.ndjson --key ${key}`).waitFor();
      const verify = new MeloProcess({
        name: 'audit verify',
        args: ['audit', 'verify', file, '--key', key],
        logFile: join(demo.federation.directory, 'audit-verify.log'),
      });
      expect(await verify.exit()).toBe(0);
    },
    testMs,
  );
}
