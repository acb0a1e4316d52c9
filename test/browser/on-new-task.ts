/** A new task is written by keyboard alone; its file is taken by the command line and by the page. */
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { taskDefinitionSchema } from '#core/protocol';
import { agentSites } from './demo-federation.ts';
import { expectSound, headingOf, tabTo } from './page-checks.ts';
import { downloaded, testMs, type Stage } from './stage.ts';

/** The wizard. */
export function describeNewTask(stage: () => Stage): void {
  test(
    'a new task is written by keyboard alone, with its cost before it is created',
    async () => {
      const { page, watched, goTo, width } = stage();
      await goTo('#/tasks');
      await tabTo(page.getByRole('link', { name: 'New task' }));
      await page.keyboard.press('Enter');
      const next = async (): Promise<void> => {
        await tabTo(page.getByRole('button', { name: 'Next' }));
        await page.keyboard.press('Enter');
      };
      const step = async (label: string): Promise<void> => {
        await page.getByRole('heading', { level: 3, name: label }).waitFor();
        await expectSound(watched);
      };
      await step('1 of 5: What is learned');
      await next();
      await page.getByText('At least two classes').waitFor();
      await expectSound(watched);
      for (const [field, text] of [
        ['Name', `written-${width}`],
        ['Title', 'A task written here'],
        ['Classes', 'healthy, ill'],
        ['Fingerprint of the backbone', 'ab'.repeat(32)],
      ] as const) {
        await tabTo(page.getByRole('textbox', { name: field }));
        await page.keyboard.type(text);
      }
      await next();
      await step('2 of 5: Data and members');
      for (const site of agentSites.slice(0, 2)) {
        await tabTo(page.getByRole('checkbox', { name: site }));
        await page.keyboard.press('Space');
      }
      await next();
      await step('3 of 5: How');
      await tabTo(page.getByRole('checkbox', { name: 'Sites that allow it let that adapter out' }));
      await page.keyboard.press('Space');
      await next();
      await step('4 of 5: Rounds');
      await next();
      await step('5 of 5: Cost and start');
      await page.getByText('149 kB a round, 1.5 MB in all').waitFor();
      const file = await downloaded(page.getByRole('button', { name: 'Save as YAML' }));
      expect(file.suggestedFilename()).toBe(`written-${width}.yaml`);
      const yaml = await readFile(await file.path(), 'utf8');
      const definition = taskDefinitionSchema.parse(parse(yaml));
      expect(definition.members).toEqual(agentSites.slice(0, 2));
      expect(definition.crossEvaluation).toBe(true);
      await tabTo(page.getByRole('checkbox', { name: 'Start it at once' }));
      await page.keyboard.press('Space');
      await tabTo(page.getByRole('button', { name: 'Create the task' }));
      await page.keyboard.press('Enter');
      await headingOf(page, 'A task written here').waitFor();
      await page.getByText('The task has not been started.').waitFor();

      // The file that was saved makes another one, and what is no definition is refused by name.
      await goTo('#/new-task');
      const input = page.getByLabel('YAML file');
      const upload = (text: string) =>
        input.setInputFiles({
          ...{ name: 'task.yaml', mimeType: 'application/yaml' },
          buffer: Buffer.from(text),
        });
      await upload('rank: 4');
      await page.getByText('task.yaml: expected the definition of one task').waitFor();
      await expectSound(watched);
      await upload(yaml.replace(`written-${width}`, `loaded-${width}`));
      await page.getByText('149 kB a round, 1.5 MB in all').waitFor();
      await expectSound(watched);
      await page.getByRole('checkbox', { name: 'Start it at once' }).uncheck();
      await page.getByRole('button', { name: 'Create the task' }).click();
      await headingOf(page, 'A task written here').waitFor();
      expect(page.url()).toMatch(new RegExp(`/tasks/loaded-${width}$`));
    },
    testMs,
  );
}
