/** How many versions stay at a site, and what a crash or a restore left is cleared away. */
import { readdirSync } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentHarness } from '../testing/agent-harness.ts';
import { waitUntil } from '../testing/wait-until.ts';

let agent: AgentHarness;
beforeEach(async () => {
  agent = await AgentHarness.create();
});
afterEach(() => agent.remove());

const adapters = (): string => join(agent.directory, 'data', 'adapters', 'lung');
const versions = (): string[] => readdirSync(adapters()).sort();
const named = (...numbers: number[]): string[] =>
  numbers.map((number) => `version-${number}.safetensors`);
const published = (): number => agent.events.filter(({ event }) => event === 'version').length;

test('the latest few stay, and those that the configuration names; what is gone is fetched again', async () => {
  const { task } = agent;
  agent.settings = {
    tasks: '{ lung: { images: images, keepVersions: [1] } }',
    more: 'keepVersionsLatest: 2\n',
  };
  await agent.start();
  for (const round of [1, 2, 3, 4, 5]) {
    task.openRound();
    await waitUntil(() => task.updates.length === round, `update ${round}`);
    task.publish(false);
    await waitUntil(() => published() === round, `version ${round}`);
  }
  await waitUntil(() => versions().length === 3, 'the others to be gone');
  expect(versions()).toEqual(named(1, 4, 5));
  task.rerunFrom = 2;
  task.openRound();
  await waitUntil(() => task.updates.length === 6, 'update 6');
  expect(agent.trainer.jobs.at(-1)?.adapterFile).toMatch('version-2.safetensors');
  expect(versions()).toContain('version-2.safetensors');
  task.publish(false);
  await waitUntil(() => versions().join() === named(1, 5, 6).join(), 'the base to be gone');
});

test('a start removes versions that nothing names and downloads that were given up, no others', async () => {
  await mkdir(adapters(), { recursive: true });
  const [old, young] = [`${'ab'.repeat(32)}.part`, `${'cd'.repeat(32)}.part`];
  for (const name of [...named(0, 7), old, young]) await writeFile(join(adapters(), name), 'x');
  const dayBefore = new Date(Date.now() - 25 * 3_600_000);
  await utimes(join(adapters(), old), dayBefore, dayBefore);
  await agent.start();
  expect((await readdir(adapters())).sort()).toEqual([...named(0), young].sort());
});
