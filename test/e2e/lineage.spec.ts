/** Two tasks at once on the same sites, one in trouble; then the other is rolled back and its rounds are verified. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { roundRoutes } from '../../apps/coordinator/src/rounds/rounds.contract.ts';
import { taskRoutes } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import { collectionTask, drawnCollection, layOutSites } from '../support/collections.ts';
import { Federation } from '../support/federation.ts';
import { killAllProcesses, MeloProcess, parseJsonLine } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';

const sites = ['site-a', 'site-b'];
const timeoutMs = 600_000;
let federation: Federation;
let removeDirectory: () => Promise<void>;

beforeAll(async () => {
  const { path, remove } = await makeWorkDirectory('lineage');
  removeDirectory = remove;
  const collection = await drawnCollection(path, sites);
  federation = new Federation(join(path, 'federation'));
  await federation.startCoordinator();
  const images = await layOutSites(collection, join(path, 'images'), 'lineage');
  // Of the second task site-b has no images: it cannot take part.
  const empty = join(path, 'empty');
  await mkdir(empty);
  for (const [site, steady] of images) {
    await federation.enroll(site, {
      backbone: collection.backbone.directory,
      tasks: { steady, troubled: site === 'site-b' ? { images: empty } : steady },
      threads: 1,
    });
    federation.startAgent(site);
  }
  for (const task of ['troubled', 'steady'])
    await federation.createTask(collectionTask(collection, { task, members: sites, rounds: 2 }));
}, timeoutMs);

afterAll(async () => {
  await killAllProcesses();
  await removeDirectory();
}, timeoutMs);

/** Run an administrator's command and return its answer and its exit code. */
async function admin(...command: string[]): Promise<{ answer: unknown; exitCode: number | null }> {
  const tokenFile = join(federation.dataDirectory, 'administrator.token');
  const process = new MeloProcess({
    name: 'admin',
    args: ['admin', ...command, '--url', federation.url, '--token-file', tokenFile, '--json'],
    logFile: join(federation.directory, 'admin.log'),
  });
  const exitCode = await process.exit();
  return { answer: process.linesFrom(0).map(parseJsonLine).at(-1), exitCode };
}

const stateOf = (task: string) => federation.call(taskRoutes.get, { params: { task } });

test(
  'a task that a site cannot train fails by itself; the other one has every site in every round',
  async () => {
    await federation.waitForVersion('steady', 2);
    await federation.waitUntil(
      'troubled fails',
      async () => (await stateOf('troubled')).status === 'failed',
    );
    const { rounds } = await federation.call(roundRoutes.list, { params: { task: 'troubled' } });
    for (const { members } of rounds)
      expect(members).toMatchObject([
        { site: 'site-a' },
        {
          site: 'site-b',
          status: 'declined',
          reason: expect.stringContaining('DATASET_CLASS_EMPTY'),
        },
      ]);
    expect(await stateOf('steady')).toMatchObject({ status: 'finished', incompleteRounds: [] });
    for (const round of [1, 2])
      expect(await federation.round('steady', round)).toMatchObject({ attempt: 1 });
  },
  timeoutMs,
);

test(
  'a roll-back goes on from version 1 at every site, and what came of it is verified',
  async () => {
    const rollback = ['tasks', 'rollback', 'steady', '--to', '1', '--reason', 'version 2 is worse'];
    expect(await admin(...rollback)).toMatchObject({
      exitCode: 0,
      answer: { status: 'running', promotedVersion: 1, nextBaseVersion: 1, rounds: 3 },
    });
    await federation.waitForVersion('steady', 3);
    const { resultPayload, card } = await federation.version('steady', 3);
    expect(resultPayload).toMatchObject({ baseVersion: 1, isFinal: true });
    const { adapterDigest } = await federation.version('steady', 1);
    expect(card).toMatchObject({ version: 3, lineage: { parentDigest: adapterDigest } });
    expect((await federation.round('steady', 3)).members).toMatchObject([
      { site: 'site-a', status: 'reported' },
      { site: 'site-b', status: 'reported' },
    ]);
    await federation.waitForEvaluations('steady', 3, sites.length);
    for (const round of ['1', '2', '3'])
      expect(await admin('verify-round', 'steady', round, '--recompute')).toMatchObject({
        exitCode: 0,
        answer: { scope: 'recomputed', isGood: true },
      });
  },
  timeoutMs,
);
