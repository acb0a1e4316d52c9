/** A coordinator lost with its disk amid a round, brought back from a backup: with real processes, on the same port. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { roundRoutes } from '../../apps/coordinator/src/rounds/rounds.contract.ts';
import { taskRoutes } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import {
  collectionTask,
  drawnCollection,
  enrollSites,
  layOutSites,
} from '../support/collections.ts';
import { Federation } from '../support/federation.ts';
import { killAllProcesses, MeloProcess } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';

const sites = ['site-a', 'site-b', 'site-c'] as const;
const task = 'backup';
const timeoutMs = 600_000;

let directory: string;
let removeDirectory: () => Promise<void>;
let federation: Federation;
const backup = (): string => join(directory, 'backup.tar');
const keys = (): string => join(directory, 'keys.json');

beforeAll(async () => {
  ({ path: directory, remove: removeDirectory } = await makeWorkDirectory('backup'));
  const collection = await drawnCollection(directory, sites);
  const images = await layOutSites(collection, join(directory, 'images'), 'backup');
  federation = new Federation(join(directory, 'federation'));
  await federation.startCoordinator();
  await enrollSites({ federation, collection, sites: images, tasks: [task] });
  const definition = collectionTask(collection, { task, members: sites, rounds: 1 });
  await federation.createTask({ ...definition, rules: { ...definition.rules, quorumSites: 2 } });
}, timeoutMs);

afterAll(async () => {
  await killAllProcesses();
  await removeDirectory();
}, timeoutMs);

/** Run `melo ...` to its end, which must be a good one, and return what it printed. */
async function melo(...args: string[]): Promise<string> {
  const logFile = join(directory, 'commands.log');
  const command = new MeloProcess({ name: args.slice(0, 2).join(' '), args, logFile });
  if ((await command.exit()) !== 0) throw new Error(`${command.name}: ${command.output}`);
  return command.output;
}

const statuses = async (): Promise<readonly string[]> =>
  (await federation.round(task, 1)).members.map(({ status }) => status);

/** Lose the coordinator with everything it has, and bring back what the backup holds. */
async function loseAndRestore(): Promise<void> {
  await federation.coordinator?.kill();
  await rm(federation.dataDirectory, { recursive: true });
  const options = ['--from', backup(), '--to', federation.dataDirectory, '--keys', keys()];
  const printed = await melo('coordinator', 'restore', ...options);
  expect(printed).toContain('the chain holds');
  await federation.startCoordinator();
}

const agentsSignal = (signal: NodeJS.Signals): void => {
  for (const agent of federation.agents.values()) agent.signal(signal);
};

test(
  'the round goes on with what was acknowledged, and every site is in the version',
  async () => {
    federation.startAgent('site-a');
    await federation.waitUntil('the update of site-a', async () =>
      (await statuses()).includes('reported'),
    );
    await federation.startAgent('site-b').waitForEvent('round-accepted');
    // Whatever happens after the backup must not be seen by the sites in this test: the next one is about that.
    agentsSignal('SIGSTOP');
    const data = ['--data', federation.dataDirectory];
    await melo('coordinator', 'backup', ...data, '--to', backup(), '--keys-to', keys());
    expect(await statuses()).toMatchObject({ 0: 'reported', 2: 'invited' });
    await loseAndRestore();
    agentsSignal('SIGCONT');
    federation.startAgent('site-c');
    await federation.waitForVersion(task, 1);
    expect(await statuses()).toEqual(sites.map(() => 'reported'));
    const { attempt } = await federation.round(task, 1);
    expect(attempt).toBe(1);
    const verified = await federation.call(roundRoutes.verify, { params: { task, round: 1 } });
    expect(verified).toMatchObject({ scope: 'recomputed', isGood: true });
    const output = [...federation.agents.values()].map((agent) => agent.output).join('\n');
    expect(output).not.toMatch(/AUDIT_FORK|VERSION_FORK/);
  },
  timeoutMs,
);

test(
  'sites that saw more than the backup say so and decline, until somebody there accepts',
  async () => {
    for (const agent of federation.agents.values()) await agent.waitForEvent('version');
    await loseAndRestore();
    for (const agent of federation.agents.values()) await agent.waitForEvent('audit-fork');
    await federation.waitUntil('a failed task', async () => {
      const { status } = await federation.call(taskRoutes.get, { params: { task } });
      return status === 'failed';
    });
    const { members } = await federation.round(task, 1);
    for (const { reason } of members) expect(reason).toMatch(/AUDIT_FORK|VERSION_FORK/);
    for (const site of sites) {
      const accepting = ['agent', 'audit', 'accept', '--config', federation.configPath(site)];
      expect(await melo(...accepting)).toContain('the proof stays');
    }
    for (const agent of federation.agents.values()) await agent.waitForEvent('fork-accepted');
    await federation.call(taskRoutes.resume, { params: { task } });
    await federation.waitForVersion(task, 1);
    expect(await statuses()).toEqual(sites.map(() => 'reported'));
  },
  timeoutMs,
);
