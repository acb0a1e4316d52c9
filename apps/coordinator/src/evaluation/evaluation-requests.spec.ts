/** Evaluations beside the rounds: durable requests, every site's state, figures that name whom they are without. */
import { fromHex } from '#core/bytes';
import { signDomains, verifyPayload } from '#core/crypto';
import { addScores, emptyScoreReport, groupingOf } from '#core/evaluation';
import {
  decodePayload,
  encodePayload,
  evaluationDeclineSchema,
  evaluationRequestSchema,
  protocolVersion,
  type EvaluationRequest,
} from '#core/protocol';
import { auditRoutes } from '../audit/audit.contract.ts';
import type { FakeSite } from '../testing/fake-site.ts';
import { AheadClock } from '../testing/hand-clock.ts';
import { Harness } from '../testing/harness.ts';
import { evaluationRoutes } from './evaluation.contract.ts';
import {
  evaluationRequestRoutes,
  type EvaluationRequestView,
} from './evaluation-requests.contract.ts';

const clock = new AheadClock();
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
let harness: Harness;
let north: FakeSite;
let south: FakeSite;
let west: FakeSite;

beforeAll(async () => {
  harness = await Harness.start({ clock });
  north = await harness.join('north');
  south = await harness.join('south');
  west = await harness.join('west');
}, 120_000);
afterAll(() => harness.stop());

const ask = async (task: string, body: object): Promise<EvaluationRequestView> =>
  evaluationRequestRoutes.create.response.parse(
    await harness.request('POST', `/v1/tasks/${task}/evaluation-requests`, body),
  );
const requests = async (task: string): Promise<EvaluationRequestView[]> =>
  evaluationRequestRoutes.list.response.parse(
    await harness.request('GET', `/v1/tasks/${task}/evaluation-requests`),
  ).requests;
const figures = async (task: string) =>
  evaluationRoutes.list.response.parse(
    await harness.request('GET', `/v1/tasks/${task}/evaluations`),
  );

const asked = async (site: FakeSite): Promise<EvaluationRequest[]> =>
  (await site.ask('evaluation:get', {})).asked.map(({ request }) =>
    decodePayload(evaluationRequestSchema, request.payload, 'request'),
  );

/** Report as an agent does: images whose scores follow the truth, by this much. */
async function report(site: FakeSite, request: EvaluationRequest, strength: number): Promise<void> {
  const [version] = request.versions;
  if (version === undefined) throw new Error('expected a version');
  const labels = [0, 1, 0, 1, 0, 1, 0, 1];
  const logits = labels.flatMap((label, at) => [0, strength * (label - 0.5) + Math.sin(7 * at)]);
  const isBaseline = request.subject === 'baseline';
  if (request.subject === 'baseline-upload') throw new Error('expected something to report');
  const evaluation = site.evaluation({
    ...{ type: 'evaluation', protocol: protocolVersion, federation: request.federation },
    ...{ task: request.task, site: site.site, subject: request.subject, version: version.version },
    ...{ round: null, adapterDigest: isBaseline ? 'cd'.repeat(32) : version.adapterDigest },
    heldOutImages: labels.length,
    report: addScores(emptyScoreReport(2), Float32Array.from(logits), labels),
    grouping: groupingOf(labels.map((_, at) => `patient-${at >> 1}`)),
  });
  await site.ask('evaluation', { evaluation });
}

function decline(site: FakeSite, { federation, task, request }: EvaluationRequest) {
  const payload = encodePayload(evaluationDeclineSchema, {
    ...{ type: 'evaluation-decline', protocol: protocolVersion, federation, task, request },
    ...{ site: site.site, version: 0, code: 'TASK_NOT_ALLOWED', reason: 'by its policy' },
  });
  return site.sign(signDomains.evaluationDecline, payload);
}

test('a request is signed, survives a restart, and says of each site what became of it', async () => {
  await harness.createTask({ task: 'kept', rounds: 1 });
  const view = await ask('kept', { versions: [0], reason: 'before we begin' });
  expect(view.items.map(({ site, state }) => [site, state])).toEqual([
    ['north', 'asked'],
    ['south', 'asked'],
    ['west', 'asked'],
  ]);
  await harness.restart();
  for (const site of [north, south, west]) await site.connect();
  const [envelope] = (await north.ask('evaluation:get', {})).asked;
  if (envelope === undefined) throw new Error('expected a request');
  const { signingPublicKey } = await north.nonce();
  verifyPayload(signDomains.evaluationRequest, envelope.request, fromHex(signingPublicKey));
  const [request] = await asked(north);
  if (request === undefined) throw new Error('expected a request');
  expect(request).toMatchObject({ request: view.request, sites: ['north', 'south', 'west'] });

  await report(north, request, 6);
  await report(north, request, 6); // as often as it likes
  await south.ask('evaluation:decline', { decline: decline(south, request) });
  await south.ask('evaluation:decline', { decline: decline(south, request) });
  expect(await asked(north)).toEqual([]);
  expect(await asked(south)).toEqual([]);
  const [open] = await requests('kept');
  expect(open?.closedAtMs).toBeNull();
  expect(open?.summary).toBe(
    '1 of 3 evaluations, without south (version 0): declined, TASK_NOT_ALLOWED: by its policy; west (version 0): asked, no report yet',
  );
  const { evaluations } = await figures('kept');
  expect(evaluations[0]?.absent).toEqual([
    { site: 'south', state: 'declined', reason: 'declined, TASK_NOT_ALLOWED: by its policy' },
    { site: 'west', state: 'asked', reason: 'asked, no report yet' },
  ]);
  expect(evaluations[0]?.sites[0]).toMatchObject({ site: 'north', heldOutGroups: 4 });
  const [low = 1, high = 0] = evaluations[0]?.pooledIntervals?.macroAuc ?? [];
  expect(low).toBeLessThanOrEqual(high);

  await report(west, request, 1);
  const [closed] = await harness.until(
    () => requests('kept'),
    ([first]) => first?.closedAtMs !== null,
  );
  expect(closed?.items.map(({ state }) => state)).toEqual(['done', 'declined', 'done']);
  const { sites } = (await figures('kept')).evaluations[0] ?? { sites: [] };
  expect(sites.map(({ site }) => site)).toEqual(['west', 'north']); // the worst first
});

test('whoever has not reported at the deadline is lost, by name, in the figure and in the audit log', async () => {
  await harness.createTask({ task: 'late', rounds: 1 });
  await ask('late', { versions: [0], sites: ['north', 'west'], deadlineMs: hourMs });
  const [request] = await asked(north);
  if (request === undefined) throw new Error('expected a request');
  clock.pass(hourMs - minuteMs);
  // The second report comes after what the first one may have led to.
  for (let count = 0; count < 2; count++) await report(north, request, 6);
  expect(await requests('late')).toMatchObject([{ closedAtMs: null }]);
  clock.pass(minuteMs);
  const [closed] = await harness.until(
    () => requests('late'),
    ([first]) => first?.closedAtMs !== null,
  );
  expect(closed?.items.map(({ site, state }) => `${site} ${state}`)).toEqual([
    'north done',
    'west lost',
  ]);
  const [evaluation] = (await figures('late')).evaluations;
  expect(evaluation?.absent).toEqual([
    { site: 'south', state: null, reason: 'no report yet' },
    { site: 'west', state: 'lost', reason: 'lost, no report by the deadline' },
  ]);
  const { entries } = auditRoutes.list.response.parse(
    await harness.request('GET', '/v1/audit?target=task:late'),
  );
  const actions = entries.map(({ action }) => action);
  expect(actions).toEqual(
    expect.arrayContaining(['evaluation.requested', 'evaluation.taken', 'evaluation.closed']),
  );
  const close = entries.find(({ action }) => action === 'evaluation.closed');
  expect(close?.details).toMatchObject({ lost: [{ site: 'west', version: 0 }] });
});

test('a request is cancelled: reports stay, who is missing is named with the reason, and nobody is asked any more', async () => {
  await harness.createTask({ task: 'mistaken', rounds: 1 });
  const { request: name } = await ask('mistaken', { versions: [0] });
  const path = `/v1/tasks/mistaken/evaluation-requests/${name}/cancel`;
  const [request] = (await asked(north)).filter(({ task }) => task === 'mistaken');
  if (request === undefined) throw new Error('expected a request');
  await report(north, request, 6);
  const answer = await harness.request('POST', path, { reason: 'the wrong version' });
  const view = evaluationRequestRoutes.cancel.response.parse(answer);
  expect(view.closedAtMs).not.toBeNull();
  const lost = 'lost, the request was cancelled: the wrong version';
  expect(view.summary).toBe(
    `1 of 3 evaluations, without south (version 0): ${lost}; west (version 0): ${lost}`,
  );
  expect((await asked(south)).filter(({ task }) => task === 'mistaken')).toEqual([]);
  const { entries } = auditRoutes.list.response.parse(
    await harness.request('GET', '/v1/audit?target=task:mistaken'),
  );
  const entry = entries.find(({ action }) => action === 'evaluation.cancelled');
  expect(entry).toMatchObject({ actor: 'administrator', details: { request: name } });
  expect((await harness.raw('POST', path, {})).status).toBe(409);
  expect((await harness.raw('POST', path.replace(name, '0'.repeat(16)), {})).status).toBe(404);
});

test('a task that asks for baselines asks every member once, after versions', async () => {
  await harness.createTask({ task: 'alone', rounds: 3, localBaseline: true });
  const baseline = (await asked(north)).find(({ task }) => task === 'alone');
  expect(baseline).toMatchObject({ subject: 'baseline', baseline: { rounds: 3 } });
  await ask('alone', { versions: [0] });
  expect((await asked(north)).map(({ subject }) => subject)).toEqual(['global', 'baseline']);
  if (baseline === undefined) throw new Error('expected a baseline');
  await report(north, baseline, 3);
  expect((await asked(north)).map(({ subject }) => subject)).toEqual(['global']);
  const { baselines } = await figures('alone');
  expect(baselines.map(({ site }) => site)).toEqual(['north']);
});

test('versions that there are not, sites that are none of the task and baselines nobody asked for are refused', async () => {
  await harness.createTask({ task: 'refused', rounds: 1, members: ['north', 'south'] });
  const status = async (body: object): Promise<number> =>
    (await harness.raw('POST', '/v1/tasks/refused/evaluation-requests', body)).status;
  expect(await status({ versions: [7] })).toBe(404);
  expect(await status({ versions: [] })).toBe(400);
  expect(await status({ versions: [0, 0] })).toBe(400);
  expect(await status({ versions: [0], sites: ['west'] })).toBe(403);
  const view = await ask('refused', { versions: [0], sites: ['north'] });
  const request = (await asked(north)).find(({ task }) => task === 'refused');
  if (request === undefined) throw new Error('expected a request');
  await expect(report(north, { ...request, subject: 'baseline' }, 1)).rejects.toMatchObject({
    code: 'REQUEST_INVALID',
  });
  const foreign = decline(south, request);
  expect(await south.refusedCode('evaluation:decline', { decline: foreign })).toBe('NOT_FOUND');
  expect(view.items).toHaveLength(1);
});

test('in brief the figures are those in full, also after a report was replaced by another', async () => {
  await harness.createTask({ task: 'brief', rounds: 1 });
  const brief = async () =>
    evaluationRoutes.brief.response.parse(
      await harness.request('GET', '/v1/tasks/brief/evaluations/brief'),
    );
  const told: (number | null | undefined)[] = [];
  for (const strength of [6, 1]) {
    await ask('brief', { versions: [0] });
    for (const site of [north, south]) {
      const request = (await asked(site)).find(({ task }) => task === 'brief');
      if (request === undefined) throw new Error('expected a request');
      await report(site, request, site === north ? strength : 3);
    }
    const inBrief = await brief();
    const inFull = await figures('brief');
    expect(inBrief).toEqual(await brief()); // from memory
    expect(inBrief.evaluations).toHaveLength(1);
    const [short, long] = [inBrief.evaluations[0], inFull.evaluations[0]];
    expect(short?.absent).toEqual(long?.absent);
    expect(short?.sites.map(({ site }) => site)).toEqual(long?.sites.map(({ site }) => site));
    for (const [at, { summary }] of (short?.sites ?? []).entries()) {
      const full = long?.sites[at]?.summary;
      expect(summary.macroAuc).toBeCloseTo(full?.macroAuc ?? Number.NaN, 5);
      expect(summary.loss).toBeCloseTo(full?.loss ?? Number.NaN, 5);
    }
    expect(short?.pooled?.macroAuc).toBeCloseTo(long?.pooled?.macroAuc ?? Number.NaN, 5);
    told.push(short?.pooled?.loss);
  }
  expect(told[0]).not.toBe(told[1]);
});
