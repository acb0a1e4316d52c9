/** What is done with a task and its versions: started, paused, run again, promoted, rolled back, ended. */
import { setTimeout } from 'node:timers/promises';
import type { Locator, Page } from 'playwright-core';
import { taskRoutes } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import { demoTask, endedTask, idleTasks, otherTitle } from './demo-federation.ts';
import { expectSound, headingOf } from './page-checks.ts';
import { act, takeRefusals } from './people-pages.ts';
import { actOn, testMs, type Stage } from './stage.ts';

const openVersion = async (page: Page, task: string, version: number): Promise<Locator> => {
  await page.getByRole('button', { name: `More of version ${version}`, exact: true }).click();
  const dialog = page.getByRole('dialog', { name: `Version ${version} of ${task}` });
  await dialog.getByText('Digest of the file').waitFor();
  return dialog;
};

/** Hold the list of tasks up for a second: what is done next is to see what was done before, not to collide with it. */
const answerTasksLate = (page: Page) =>
  page.route(/\/v1\/tasks\?/, async (route) => {
    await setTimeout(1000);
    await route.continue();
  });

/** Tasks and versions. */
export function describeTasks(stage: () => Stage): void {
  test(
    'a version is promoted, and the promotion is taken back',
    async () => {
      const { page, watched, goTo } = stage();
      await goTo(`#/tasks/${demoTask}/versions`);
      const dialog = await openVersion(page, demoTask, 2);
      await dialog.getByText('Digest of its result').waitFor();
      await expectSound(watched);
      await answerTasksLate(page);
      await act(dialog, 'Promote', 'Promote it');
      await page.getByText(`Version 2 of ${demoTask} is the one to use.`).waitFor();
      const row = page
        .getByRole('row', { name: 'Version 2', exact: false })
        .filter({ hasText: 'promoted' });
      await row.waitFor();
      await act(dialog, 'Take the promotion back', 'Take it back');
      await row.waitFor({ state: 'detached' });
      await page.unrouteAll({ behavior: 'wait' });
      await dialog.getByRole('button', { name: 'Close' }).click();
      await dialog.waitFor({ state: 'detached' });
    },
    testMs,
  );

  test(
    'a task is paused, resumed and asked about before it is cancelled',
    async () => {
      const { page, watched, goTo, width } = stage();
      await goTo(`#/tasks/${demoTask}`);
      await actOn(page, 'Pause', 'Pause it', `a holiday at ${width} px`);
      await page.getByText(`a holiday at ${width} px`).waitFor();
      await expectSound(watched);
      await actOn(page, 'Resume', 'Resume it');
      await page.getByText('running', { exact: true }).waitFor();
      await page.getByRole('button', { name: 'Cancel', exact: true }).click();
      await expectSound(watched);
      await page.getByRole('button', { name: 'Do nothing' }).click();
      await page.getByRole('dialog').waitFor({ state: 'detached' });
      expect(await page.evaluate('document.activeElement.textContent')).toBe('Cancel');
    },
    testMs,
  );

  test(
    'what is confirmed is what was asked, and what somebody else did meanwhile is told',
    async () => {
      const { page, watched, goTo, demo } = stage();
      const { federation } = demo;
      const params = { task: demoTask };
      await goTo(`#/tasks/${demoTask}`);
      await page.getByRole('button', { name: 'Pause', exact: true }).click();
      const question = page.getByRole('dialog', { name: `Pause ${demoTask}?` });
      await question.getByRole('textbox').fill('half a sentence');
      await federation.call(taskRoutes.pause, { params, body: { reason: 'an audit' } });
      await page.getByText('an audit').waitFor(); // the button behind is another one by now
      expect(await question.getByRole('textbox').inputValue()).toBe('half a sentence');
      await question.getByRole('button', { name: 'Pause it' }).click();
      await question.getByText('Somebody else, or a rule of the task, changed').waitFor();
      await question.getByText('it is paused now').waitFor();
      expect(takeRefusals(watched)).toEqual([409]);
      await expectSound(watched);
      await question.getByRole('button', { name: 'Do nothing' }).click();
      await question.waitFor({ state: 'detached' });
      await actOn(page, 'Resume', 'Resume it');
      await page.getByText('running', { exact: true }).waitFor();
    },
    testMs,
  );

  test(
    'a task is started, its round abandoned and tried again, and the task cancelled',
    async () => {
      const { page, watched, goTo, width } = stage();
      const task = idleTasks[width];
      await goTo(`#/tasks/${task}`);
      await headingOf(page, otherTitle(task)).waitFor();
      await actOn(page, 'Start', 'Start it');
      await page.getByRole('heading', { name: 'Current round: 1 of 2', exact: true }).waitFor();
      await actOn(page, 'Abandon the round', 'Abandon the round', 'a rehearsal');
      await page.getByRole('heading', { name: 'Current round: 1 of 2, attempt 2' }).waitFor();
      await actOn(page, 'Cancel', 'Cancel the task', 'the rehearsal is over');
      await page.getByText('The task is cancelled').waitFor();
      await page.getByText('the rehearsal is over').first().waitFor();
      await expectSound(watched);
      await goTo(`#/tasks/${task}/rounds`);
      await page.getByRole('link', { name: 'Round 1, attempt 2' }).click();
      await page.getByText('Other attempts:').waitFor();
      await expectSound(watched);
    },
    testMs,
  );

  test(
    'a task that has ended is run again, and rolled back to an earlier version',
    async () => {
      const { page, watched, goTo, demo } = stage();
      const { federation } = demo;
      const params = { task: endedTask };
      const { latestVersion: before } = await federation.call(taskRoutes.get, { params });
      await goTo(`#/tasks/${endedTask}`);
      await page.getByRole('button', { name: 'Run again' }).click();
      const dialog = page.getByRole('dialog', { name: `Run ${endedTask} again?` });
      const verb = dialog.getByRole('button', { name: 'Run it again' });
      await dialog.getByRole('textbox', { name: 'Reason' }).fill('more images came');
      const from = dialog.getByRole('textbox', { name: 'From version' });
      await from.fill(String(before + 1));
      expect(await verb.isDisabled()).toBe(true);
      await from.fill('1');
      await expectSound(watched);
      await verb.click();
      await page.getByText(`${endedTask} runs again: 1 round from version 1.`).waitFor();
      await federation.waitForVersion(endedTask, before + 1);
      await page.getByText('finished', { exact: true }).first().waitFor();

      await goTo(`#/tasks/${endedTask}/versions`);
      const version = await openVersion(page, endedTask, 1);
      await version.getByRole('button', { name: 'Roll back to it' }).click();
      const ask = page.getByRole('dialog', { name: `Roll ${endedTask} back to version 1?` });
      const roll = ask.getByRole('button', { name: 'Roll back' });
      expect(await roll.isDisabled()).toBe(true);
      await ask.getByRole('textbox').fill('the last one is worse at one site');
      await expectSound(watched);
      await roll.click();
      await page.getByText(`${endedTask} goes on from version 1.`).waitFor();
      await version.getByRole('button', { name: 'Close' }).click();
      await federation.waitForVersion(endedTask, before + 2);
      await page.getByText('Version 1 is the one to use.').waitFor();
      await page.getByText('finished', { exact: true }).first().waitFor();
    },
    testMs,
  );
}
