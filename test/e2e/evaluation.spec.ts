/**
 * Evaluations that hospitals can trust, by real processes: a running federation of three is asked about a version while one site is
 * stopped; rules promote one version and refuse another; a person rolls back; all of it stands in the audit log.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { exactAuc, scoresOf } from '#core/evaluation';
import { auditRoutes } from '../../apps/coordinator/src/audit/audit.contract.ts';
import { evaluationRoutes } from '../../apps/coordinator/src/evaluation/evaluation.contract.ts';
import { evaluationRequestRoutes } from '../../apps/coordinator/src/evaluation/evaluation-requests.contract.ts';
import { taskRoutes } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import { collectionTask, drawnCollection, layOutSites } from '../support/collections.ts';
import { Federation } from '../support/federation.ts';
import { killAllProcesses, MeloProcess, parseJsonLine } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';

const sites = ['site-a', 'site-b', 'site-c'];
const task = 'trusted';
const strictTask = 'strict';
const rounds = 2;
const timeoutMs = 600_000;
const params = { task };

let federation: Federation;
let removeDirectory: () => Promise<void>;

beforeAll(async () => {
  const { path, remove } = await makeWorkDirectory('evaluation');
  removeDirectory = remove;
  const collection = await drawnCollection(path, sites);
  federation = new Federation(join(path, 'federation'));
  await federation.startCoordinator();
  for (const [site, images] of await layOutSites(collection, join(path, 'images'), task)) {
    const { directory: backbone } = collection.backbone;
    await federation.enroll(site, {
      backbone,
      tasks: { [task]: images, [strictTask]: images },
      threads: 1,
      ...(site === 'site-c' ? {} : { policy: { shareBaseline: true } }),
    });
    federation.startAgent(site);
  }
  await federation.createTask(
    collectionTask(collection, {
      ...{ task, members: sites, rounds, learningRate: 4e-3 },
      overrides: {
        localBaseline: true,
        crossEvaluation: true,
        promotion: { minimum: 0.01, noWorseThanPromotedBy: 1, noSiteWorseThanLocalBy: 1 },
      },
    }),
  );
  // One round of a random ViT does not reach this.
  const strict = { promotion: { minimum: 0.999 } };
  await federation.createTask(
    collectionTask(collection, { task: strictTask, members: sites, rounds: 1, overrides: strict }),
  );
  await federation.waitForEvaluations(task, rounds, sites.length);
}, timeoutMs);

afterAll(async () => {
  await killAllProcesses();
  await removeDirectory();
}, timeoutMs);

const figures = () => federation.call(evaluationRoutes.list, { params });
const figuresOf = async (version: number) =>
  (await figures()).evaluations.find((each) => each.version === version);

/** Run a command of `melo` and return its last line, parsed. */
async function melo(...command: string[]): Promise<unknown> {
  const process = new MeloProcess({
    name: command.slice(0, 3).join(' '),
    args: [...command, '--json'],
    logFile: join(federation.directory, 'commands.log'),
  });
  const exitCode = await process.exit();
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: ${exitCode}\n${process.output}`);
  return process.linesFrom(0).map(parseJsonLine).at(-1);
}
const admin = (...command: string[]): Promise<unknown> => {
  const tokenFile = join(federation.dataDirectory, 'administrator.token');
  return melo('admin', ...command, '--url', federation.url, '--token-file', tokenFile);
};

const scoresSchema = z.looseObject({ labels: z.array(z.number()), logits: z.string() });

test('the pooled AUC lies within its stated bound of the AUC over the scores that never left the sites', async () => {
  const evaluation = await figuresOf(rounds);
  const classes = (await figures()).classes.length;
  const scores: number[][] = [];
  const labels: number[] = [];
  for (const site of sites) {
    const file = join(federation.directory, site, 'data', 'scores', task, `version-${rounds}.json`);
    const kept = scoresSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    const bytes = Buffer.from(kept.logits, 'base64');
    const logits = new Float32Array(new Uint8Array(bytes).buffer);
    for (let at = 0; at < kept.labels.length; at++)
      scores.push([...scoresOf(logits.slice(at * classes, (at + 1) * classes), 'softmax')]);
    labels.push(...kept.labels);
  }
  expect(evaluation?.pooled?.count).toBe(labels.length);
  for (let c = 0; c < classes; c++) {
    const exact = exactAuc(
      scores.map((row) => row[c] ?? 0),
      labels.map((label) => label === c),
    );
    const pooled = evaluation?.pooled?.auc[c] ?? 9;
    const bound = evaluation?.pooled?.aucErrorBound[c] ?? 0;
    expect(Math.abs(pooled - (exact ?? 0))).toBeLessThanOrEqual(bound + 1e-12);
    expect(bound).toBeLessThan(0.1);
  }
  const [low, high] = evaluation?.pooledIntervals?.macroAuc ?? [1, 0];
  expect(low).toBeLessThanOrEqual(evaluation?.pooled?.macroAuc ?? 0);
  expect(high).toBeGreaterThanOrEqual(evaluation?.pooled?.macroAuc ?? 1);
  for (const { intervals, heldOutGroups, summary } of evaluation?.sites ?? []) {
    expect(intervals?.replicates).toBe(1000);
    expect(heldOutGroups).toBeGreaterThan(1);
    expect(summary.calibrationError).not.toBeNull();
  }
});

test(
  'each site trains alone once, and its own report says what the federation brings it',
  async () => {
    await federation.waitUntil(
      'baselines',
      async () => (await figures()).baselines.length === sites.length,
    );
    const report = ['agent', 'report', task, '--config', federation.configPath('site-a')];
    const comparison = { replicates: 1000 };
    expect(await melo(...report)).toMatchObject({ task, version: rounds, comparison });
    expect(await melo(...report, '--version', '1')).toMatchObject({ task, version: 1, comparison });
  },
  timeoutMs,
);

test(
  'what two sites trained alone is evaluated at all three, over a restart, also by the one that lets its own not out',
  async () => {
    const rows = async () => (await figures()).localAdapters;
    await federation.waitUntil('an adapter', async () =>
      (await rows()).some(({ state }) => state === 'done'),
    );
    await federation.coordinator?.stop('SIGKILL');
    await federation.startCoordinator();
    await federation.waitUntil('both adapters at all three sites, and one refusal', async () =>
      (await rows()).every(
        ({ state, sites: reported }) => state === 'declined' || reported.length === sites.length,
      ),
    );
    const found = await rows();
    expect(found.map(({ owner, state }) => `${owner} ${state}`)).toEqual([
      'site-a done',
      'site-b done',
      'site-c declined',
    ]);
    expect(found[2]?.reason).toContain('does not let out the adapter that it trained alone');
    // At its owner the adapter is what the baseline's own report is of.
    const { baselines } = await figures();
    for (const { owner, sites: reported } of found.slice(0, 2)) {
      const own = reported.find(({ site }) => site === owner)?.summary;
      const alone = baselines.find(({ site }) => site === owner)?.summary;
      expect(own?.count).toBe(alone?.count);
      expect(own?.macroAuc).toBeCloseTo(alone?.macroAuc ?? -1, 2);
    }
    const matrix = z
      .looseObject({ localAdapters: z.array(z.looseObject({ owner: z.string() })) })
      .parse(await admin('tasks', 'matrix', task));
    expect(matrix.localAdapters).toHaveLength(3);
  },
  timeoutMs,
);

test(
  'with one site stopped an evaluation carries its name; it does it when it is back',
  async () => {
    await federation.agents.get('site-c')?.stop();
    await admin('tasks', 'evaluate', task, '--versions', '0', '--deadline', '1h');
    const requests = async () =>
      (await federation.call(evaluationRequestRoutes.list, { params })).requests.filter(
        ({ subject }) => subject === 'global',
      );
    const states = async (): Promise<string[]> =>
      (await requests()).flatMap(({ items }) => items.map(({ site, state }) => `${site} ${state}`));
    await federation.waitUntil('two of three', async () => {
      const found = await states();
      return found.filter((each) => each.endsWith('done')).length === 2;
    });
    expect((await requests())[0]?.summary).toBe(
      '2 of 3 evaluations, without site-c (version 0): asked, no report yet',
    );
    const matrix = z
      .looseObject({ evaluations: z.array(z.looseObject({ version: z.number() })) })
      .parse(await admin('tasks', 'matrix', task));
    expect(matrix.evaluations.map(({ version }) => version)).toEqual([0, 1, 2]);
    federation.startAgent('site-c');
    await federation.waitUntil('the third', async () => {
      const [request] = await requests();
      return request?.closedAtMs !== null;
    });
    expect(await states()).toEqual(sites.map((site) => `${site} done`));
    const waited = await admin('tasks', 'evaluate', task, '--versions', '1', '--wait');
    expect(waited).toMatchObject({
      closedAtMs: expect.any(Number),
      summary: '3 of 3 evaluations',
      items: sites.map((site) => ({ site, version: 1, state: 'done' })),
    });
  },
  timeoutMs,
);

test(
  'a version is promoted by rule, one is refused by rule, a person rolls back, and the audit log has it all',
  async () => {
    const decisionOf = async (name: string, version: number) => {
      const answer = await federation.call(evaluationRoutes.list, { params: { task: name } });
      return answer.evaluations.find((each) => each.version === version)?.decision ?? null;
    };
    await federation.waitUntil(
      'both are judged',
      async () =>
        (await decisionOf(task, rounds)) !== null && (await decisionOf(strictTask, 1)) !== null,
    );
    const state = (name = task) => federation.call(taskRoutes.get, { params: { task: name } });
    expect((await state()).promotedVersion).toBe(rounds);
    expect((await state(strictTask)).promotedVersion).toBeNull();
    expect(await decisionOf(strictTask, 1)).toMatchObject({ promotion: 'refused' });
    await admin(
      'tasks',
      'rollback',
      task,
      '--to',
      '0',
      '--rounds',
      '1',
      '--reason',
      'a second look',
    );
    expect((await state()).promotedVersion).toBe(0);
    const audit = await federation.raw('GET', '/v1/audit?target=task:*&limit=1000');
    const { entries } = auditRoutes.list.response.parse(await audit.json());
    const actions = entries.map(({ actor, action }) => `${actor} ${action}`);
    expect(actions).toEqual(
      expect.arrayContaining([
        'coordinator task.promoted',
        'coordinator task.promotion-refused',
        'administrator task.rolled-back',
        'administrator evaluation.requested',
        'coordinator evaluation.closed',
      ]),
    );
  },
  timeoutMs,
);
