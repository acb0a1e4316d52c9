/** Rules that a task declares: a version promoted, one refused, a roll-back over the rule, an early stop; all of it on record. */
import { addScores, emptyScoreReport } from '#core/evaluation';
import { protocolVersion, type TaskDefinitionInput } from '#core/protocol';
import { auditRoutes } from '../audit/audit.contract.ts';
import type { FakeSite } from '../testing/fake-site.ts';
import { AheadClock } from '../testing/hand-clock.ts';
import { Harness } from '../testing/harness.ts';
import { adapterLayout, specificationOf } from '#core/adapter';
import { tinyBackbone } from '../testing/fake-site.ts';
import { evaluationRoutes } from './evaluation.contract.ts';
import { registryRoutes } from '../registry/registry.contract.ts';

const clock = new AheadClock();
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
let harness: Harness;
let north: FakeSite;
let south: FakeSite;

beforeAll(async () => {
  harness = await Harness.start({ clock });
  north = await harness.join('north');
  south = await harness.join('south');
}, 120_000);
afterAll(() => harness.stop());

const shape = { rank: 2, alpha: 4, classes: ['healthy', 'ill'], backbone: tinyBackbone };
const delta = new Float32Array(adapterLayout(specificationOf(shape)).size).fill(0.01);

async function create(task: string, change: Partial<TaskDefinitionInput>): Promise<void> {
  const members = ['north', 'south'];
  await harness.createTask({ task, members, rounds: 6, rules: { quorumSites: 2 }, ...change });
}

/** Let both sites take part in the next round. */
async function round(task: string, version: number): Promise<void> {
  for (const site of [north, south]) await site.takePart(task, delta);
  await harness.untilVersion(task, version);
}

/** Report about a version: so many of ten pairs of images in the wrong order. */
async function report(site: FakeSite, task: string, version: number, wrong: number): Promise<void> {
  const { adapterDigest } = registryRoutes.get.response.parse(
    await harness.request('GET', `/v1/tasks/${task}/versions/${version}`),
  );
  const { federation } = await site.nonce();
  const labels = Array.from({ length: 20 }, (_, at) => at % 2);
  const logits = labels.flatMap((label, at) => [0, label === 1 ? (at < 2 * wrong ? -2 : 2) : 0]);
  const evaluation = site.evaluation({
    ...{ type: 'evaluation', protocol: protocolVersion, federation, task, site: site.site },
    ...{ subject: 'global', version, round: null, adapterDigest, heldOutImages: labels.length },
    report: addScores(emptyScoreReport(2), Float32Array.from(logits), labels),
  });
  await site.ask('evaluation', { evaluation });
}
const reportAll = async (task: string, version: number, wrong: number): Promise<void> => {
  for (const site of [north, south]) await report(site, task, version, wrong);
};

const decisionOf = async (task: string, version: number) => {
  const { evaluations } = evaluationRoutes.list.response.parse(
    await harness.request('GET', `/v1/tasks/${task}/evaluations`),
  );
  return evaluations.find((each) => each.version === version)?.decision ?? null;
};
const untilDecided = (task: string, version: number) =>
  harness.until(
    () => decisionOf(task, version),
    (decision) => decision !== null,
  );
const audited = async (task: string) => {
  const { entries } = auditRoutes.list.response.parse(
    await harness.request('GET', `/v1/audit?target=task:${task}&limit=1000`),
  );
  return entries;
};

test('a version is promoted by rule, a worse one refused, and a roll-back stands over both', async () => {
  await create('ruled', { promotion: { minimum: 0.7 } });
  await round('ruled', 1);
  await report(north, 'ruled', 1, 2);
  expect(await decisionOf('ruled', 1)).toBeNull(); // one of two is not all
  await report(south, 'ruled', 1, 2);
  expect(await untilDecided('ruled', 1)).toMatchObject({ promotion: 'promoted' });
  expect(await harness.task('ruled')).toMatchObject({ promotedVersion: 1, latestVersion: 1 });

  await round('ruled', 2);
  await reportAll('ruled', 2, 4);
  expect(await untilDecided('ruled', 2)).toMatchObject({
    promotion: 'refused',
    reason: 'macroAuc 0.6000 is less than 0.7; macroAuc 0.6000 is less than 0.8000 of version 1',
  });
  expect(await harness.task('ruled')).toMatchObject({ promotedVersion: 1, latestVersion: 2 });

  await round('ruled', 3);
  await reportAll('ruled', 3, 1);
  await untilDecided('ruled', 3);
  expect((await harness.task('ruled')).promotedVersion).toBe(3);
  const body = { toVersion: 1, reason: 'the readers prefer it' };
  await harness.request('POST', '/v1/tasks/ruled/rollback', body);
  await harness.restart();
  for (const site of [north, south]) await site.connect();
  await reportAll('ruled', 3, 0); // judged before: it is not promoted again
  expect(await harness.task('ruled')).toMatchObject({ promotedVersion: 1, nextBaseVersion: 1 });

  const entries = (await audited('ruled')).filter(({ action }) =>
    ['task.promoted', 'task.promotion-refused', 'task.rolled-back'].includes(action),
  );
  expect(entries.map(({ actor, action }) => `${actor} ${action}`)).toEqual([
    'coordinator task.promoted',
    'coordinator task.promotion-refused',
    'coordinator task.promoted',
    'administrator task.rolled-back',
    'administrator task.promoted',
  ]);
  expect(entries[1]?.details).toMatchObject({
    version: 2,
    figures: { macroAuc: 0.6, 'version 1': 0.8, absent: null },
    rule: { metric: 'macroAuc', minimum: 0.7 },
  });
});

test('a site that does not report is waited for until the deadline, and then it is named', async () => {
  await create('waiting', { promotion: {}, evaluationDeadlineMs: hourMs });
  await round('waiting', 1);
  clock.pass(hourMs - minuteMs);
  // The second report comes after what the first one may have led to.
  for (let count = 0; count < 2; count++) await report(north, 'waiting', 1, 0);
  expect(await decisionOf('waiting', 1)).toBeNull();
  clock.pass(minuteMs);
  expect(await untilDecided('waiting', 1)).toMatchObject({
    promotion: 'refused',
    reason: 'no evaluation of south',
  });
  expect((await harness.task('waiting')).promotedVersion).toBeNull();
});

test('without a gain the open round is the last, and the task says why it ended', async () => {
  await create('stopped', { earlyStop: { patienceRounds: 1, minimumGain: 0.05 } });
  for (const [version, wrong] of [
    [1, 3],
    [2, 2],
    [3, 2],
  ] as const) {
    await round('stopped', version);
    await reportAll('stopped', version, wrong);
    await untilDecided('stopped', version);
  }
  expect(await harness.task('stopped')).toMatchObject({ status: 'running', rounds: 4 });
  await round('stopped', 4);
  const ended = await harness.until(
    () => harness.task('stopped'),
    ({ status }) => status === 'finished',
  );
  const reason =
    'early stop: macroAuc was 0.8000 and did not gain 0.05 in 1 versions (best since: 0.8000)';
  expect(ended).toMatchObject({ latestVersion: 4, reason });
  const stop = (await audited('stopped')).find(({ action }) => action === 'task.stopped-early');
  expect(stop?.details).toMatchObject({ version: 3, finalVersion: 4, reason });
});

test('a rule that needs baselines needs a task that has them', async () => {
  const change = { promotion: { noSiteWorseThanLocalBy: 0.02 } };
  await expect(create('half', change)).rejects.toThrow('localBaseline');
});
