/** What is read, drawn, saved and asked for of a task whose rounds real agents trained. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { adapterDigest } from '#core/adapter';
import { taskDefinitionSchema } from '#core/protocol';
import {
  agentSites,
  declineReason,
  demoTask,
  endedTask,
  invitedSite,
  playedSite,
  sharingSites,
} from './demo-federation.ts';
import { expectSound, headingOf } from './page-checks.ts';
import { downloaded, saved, testMs, type Stage } from './stage.ts';

/** The live round, figures, matrices, downloads, requests for evaluations. */
export function describeFigures(stage: () => Stage, rounds: number): void {
  const newest = rounds - 1;

  test(
    'every site is there with its heartbeat, and what to do where one is missing',
    async () => {
      const { page, goTo } = stage();
      await goTo('#/');
      const table = page.getByRole('table', { name: 'Sites', exact: true });
      for (const site of agentSites) {
        const row = table.getByRole('row', { name: site });
        await row.getByText(/^heard .* ago$|^heard just now$/).waitFor();
      }
      await table.getByRole('row', { name: invitedSite }).getByText('never heard').waitFor();
    },
    testMs,
  );

  test(
    'the open round moves while one looks',
    async () => {
      const { page, goTo, demo } = stage();
      await demo.beat(0.62);
      await goTo(`#/tasks/${demoTask}`);
      const members = page.getByRole('table', { name: 'Members of the round' });
      const row = members.getByRole('row', { name: playedSite });
      await row.getByText('trained 62 %').waitFor();
      await row.getByText(/^heard /).waitFor();
      await page.evaluate('globalThis.isSamePage = true');
      await demo.beat(0.81);
      await row.getByText('trained 81 %').waitFor();
      expect(await page.evaluate('isSamePage')).toBe(true);
      for (const site of agentSites) {
        await members.getByRole('row', { name: site }).getByText('reported').waitFor();
      }
    },
    testMs,
  );

  test(
    'AUC and loss are lines: pooled, of each site, of one site without the others, of another task; tables; files',
    async () => {
      const { page, watched, goTo } = stage();
      await goTo('#/');
      const chart = page.getByRole('figure', { name: /^Macro AUC over all sites by version: v/ });
      const curves = chart.locator('path.recharts-line-curve');
      await curves.nth(agentSites.length).waitFor();
      expect(await curves.count()).toBe(agentSites.length + 1);
      await page.getByRole('figure', { name: /^Loss on held-out images/ }).waitFor();
      await page.getByText('AUCs of sites are never averaged').waitFor();

      const [site] = agentSites;
      await page.getByRole('combobox', { name: 'Lines' }).selectOption(site);
      await page.getByText(`${site}'s own adapter`).first().waitFor();
      await page.getByText(`${site} alone`).first().waitFor();
      await page.getByRole('combobox', { name: 'Lines' }).selectOption('');
      await page.getByRole('combobox', { name: 'Beside it' }).selectOption(endedTask);
      await chart.getByText(`${endedTask} (pooled)`).first().waitFor();
      expect(await curves.count()).toBe(agentSites.length + 2);

      const csv = await saved(chart.getByRole('button', { name: 'Macro AUC as CSV' }));
      const [head, ...rows] = csv.toString('utf8').trim().split('\r\n');
      expect(head).toBe(`version,${agentSites.join(',')},${endedTask} (pooled),all sites (pooled)`);
      expect(rows.length).toBeGreaterThanOrEqual(rounds); // the other task may have more
      const png = await saved(chart.getByRole('button', { name: 'Macro AUC as PNG' }));
      expect(png.subarray(1, 4).toString('latin1')).toBe('PNG');
      await page.getByRole('button', { name: 'Show as tables' }).click();
      const table = page.getByRole('table', { name: 'Macro AUC', exact: true });
      expect(await table.getByRole('row').count()).toBe(1 + rows.length);
      await expectSound(watched);
    },
    testMs,
  );

  test(
    'nobody is left out silently: a settled round says who is missing and why',
    async () => {
      const { page, goTo } = stage();
      await goTo(`#/tasks/${demoTask}/rounds`);
      const history = page.getByRole('table', { name: 'Rounds', exact: true });
      const reasons = history.getByText(
        new RegExp(`${playedSite} declined: [A-Z_]+: ${declineReason}$`),
      );
      await reasons.first().waitFor();
      expect(await reasons.count()).toBe(rounds - 1);
    },
    testMs,
  );

  test(
    'a figure that is without a planned site says so below the table, by name',
    async () => {
      const { page, goTo } = stage();
      await goTo(`#/tasks/${demoTask}/figures`);
      const table = page.getByRole('table', { name: 'Versions at sites' });
      const pooled = table.getByRole('row', { name: 'all sites (pooled)' });
      await pooled
        .getByText(/^0\.\d{3}\*/)
        .first()
        .waitFor();
      await table.getByRole('row', { name: playedSite }).getByText('no report').first().waitFor();
      await page
        .getByText(`* Version ${newest} is without ${playedSite}: no report yet.`)
        .waitFor();
      const updates = page.getByRole('table', { name: 'Updates by site' });
      for (const site of agentSites) await updates.getByRole('row', { name: site }).waitFor();
    },
    testMs,
  );

  test(
    'what a site trained alone and lets out stands at every site; who lets out nothing is named with the reason',
    async () => {
      const { page, goTo } = stage();
      await goTo(`#/tasks/${demoTask}/figures`);
      const table = page.getByRole('table', { name: 'Local adapters at sites' });
      for (const owner of sharingSites) {
        const row = table.getByRole('row').filter({ has: page.getByText(owner, { exact: true }) });
        await row
          .getByText(/^[01]\.\d{3}$/)
          .nth(agentSites.length - 1)
          .waitFor();
      }
      const kept = agentSites.filter((site) => !sharingSites.some((each) => each === site));
      for (const owner of kept) {
        await page.getByText(`No adapter of ${owner}: `).waitFor();
        const note = page.getByText(`No adapter of ${owner}: `);
        expect(await note.textContent()).toContain('does not let out the adapter');
      }
      await page
        .getByText(new RegExp(`^\\* The adapter of .* is without ${playedSite}: `))
        .first()
        .waitFor();
      await goTo(`#/tasks/${demoTask}/plan`);
      await page.getByText('yes, once, and across the sites that allow it').waitFor();
    },
    testMs,
  );

  test(
    'a version is downloaded as ours with the digest of the registry, for PEFT, and for the official code',
    async () => {
      const { page, goTo, demo } = stage();
      await goTo(`#/tasks/${demoTask}/versions`);
      const { adapterDigest: wanted } = await demo.federation.version(demoTask, newest);
      const own = page.getByRole('link', { name: `Download version ${newest} of ${demoTask}` });
      expect(adapterDigest(await saved(own.first()))).toBe(wanted);
      await page.getByRole('button', { name: `More of version ${newest}` }).click();
      const dialog = page.getByRole('dialog');
      const path = `/v1/tasks/${demoTask}/versions/${newest}/adapter`;
      for (const [label, query, fileName] of [
        ['For PEFT', 'format=peft', /^shapes-v\d+-peft\.tar$/],
        ['For MeLo code', 'format=official&dropHeadBias=true', /_lora_\d+_\d+\.safetensors$/],
      ] as const) {
        const file = await downloaded(dialog.getByRole('link', { name: label }));
        expect(file.suggestedFilename()).toMatch(fileName);
        const answer = await demo.federation.raw('GET', `${path}?${query}`);
        expect(await readFile(await file.path())).toEqual(Buffer.from(await answer.arrayBuffer()));
      }
      await dialog.getByRole('button', { name: 'Close' }).click();
    },
    testMs,
  );

  test(
    'an evaluation of a version is asked for, and cancelled by name where a site does not answer',
    async () => {
      const { page, watched, goTo, width } = stage();
      await goTo(`#/tasks/${demoTask}/versions`);
      await page.getByRole('button', { name: 'More of version 1' }).click();
      const dialog = page.getByRole('dialog', { name: `Version 1 of ${demoTask}` });
      await dialog.getByRole('button', { name: 'Evaluate' }).click();
      const question = page.getByRole('dialog').last();
      await question.getByRole('textbox').fill(`asked at ${width} px`);
      await expectSound(watched);
      await question.getByRole('button', { name: 'Ask the sites' }).click();
      await page.getByText(`The sites were asked to evaluate version 1 of ${demoTask}.`).waitFor();
      await dialog.getByRole('button', { name: 'Close' }).click();
      await goTo(`#/tasks/${demoTask}/figures`);
      const row = page
        .getByRole('table', { name: 'Evaluations that were asked for' })
        .getByRole('row')
        .filter({ hasText: `asked at ${width} px` });
      await row.getByText(`${agentSites.length} of ${agentSites.length + 1} evaluations`).waitFor();
      await row.getByRole('button', { name: `Cancel the request of ${playedSite}` }).click();
      await page.getByLabel('Reason (may be left out)').fill(`moved at ${width} px`);
      await expectSound(watched);
      await page.getByRole('button', { name: 'Cancel the request', exact: true }).click();
      await row.getByText(`lost, the request was cancelled: moved at ${width} px`).waitFor();
      await row.getByText('closed', { exact: true }).waitFor();
    },
    testMs,
  );

  test(
    'a round can be verified by its updates, and shows times, digests, the chain, and what was signed',
    async () => {
      const { page, watched, goTo } = stage();
      await goTo(`#/tasks/${demoTask}/rounds/1`);
      const times = page.getByRole('table', { name: 'Time by site' });
      await times.getByText('declined').waitFor();
      for (const site of agentSites) await times.getByRole('row', { name: site }).waitFor();
      await page.getByText('none: it is the first').waitFor();
      await page.getByRole('link', { name: 'Round 2', exact: true }).click();
      await headingOf(page, `Round 2 of ${demoTask}`).waitFor();
      await page.getByText('Digest of the result before').waitFor();
      await page.getByRole('button', { name: 'Verify this round' }).click();
      await page.getByText('verified', { exact: true }).waitFor();
      await page.getByText('Recomputed from the stored updates').waitFor();
      await page.getByText('The signed membership record').click();
      await page.getByText('"type": "membership"').waitFor();
      await expectSound(watched);
    },
    testMs,
  );

  test(
    'a plan is saved as a file that a new task can be made of',
    async () => {
      const { page, goTo } = stage();
      await goTo(`#/tasks/${demoTask}/plan`);
      await page.getByText('clear: the coordinator opens every update').waitFor();
      await page.getByText('Show the whole definition').click();
      const yaml = await saved(page.getByRole('button', { name: 'Save as YAML' }));
      const { task, crossEvaluation } = taskDefinitionSchema.parse(parse(yaml.toString('utf8')));
      expect([task, crossEvaluation]).toEqual([demoTask, true]);
    },
    testMs,
  );
}
