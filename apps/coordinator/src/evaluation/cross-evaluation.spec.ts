/** Adapters that sites trained alone, evaluated across the sites: opt-in twice, refusals by name, restarts amid it, nothing kept too long. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { adapterLayout, decodeAdapterFile, specificationOf } from '#core/adapter';
import { toHex } from '#core/bytes';
import { decryptAdapter, randomBytes, signDomains } from '#core/crypto';
import { addScores, emptyScoreReport } from '#core/evaluation';
import {
  decodePayload,
  encodePayload,
  evaluationDeclineSchema,
  evaluationRequestSchema,
  protocolVersion,
  siteIdSchema,
  taskDefinitionSchema,
  type AskedEvaluation,
  type EvaluationRequest,
  type TaskDefinitionInput,
} from '#core/protocol';
import { auditRoutes } from '../audit/audit.contract.ts';
import { tinyBackbone, type FakeSite } from '../testing/fake-site.ts';
import { Harness, taskOf } from '../testing/harness.ts';
import { evaluationRoutes } from './evaluation.contract.ts';
import { evaluationRequestRoutes } from './evaluation-requests.contract.ts';

let harness: Harness;
let north: FakeSite;
let south: FakeSite;
let west: FakeSite;

beforeAll(async () => {
  harness = await Harness.start({ settings: { retentionMs: 0 } });
  north = await harness.join('north');
  south = await harness.join('south');
  west = await harness.join('west');
  for (const site of [north, south, west]) await site.hello('0.2.0');
}, 120_000);
afterAll(() => harness.stop());

const layout = adapterLayout(
  specificationOf({ rank: 2, alpha: 4, classes: ['healthy', 'ill'], backbone: tinyBackbone }),
);
const delta = (value: number): Float32Array => new Float32Array(layout.size).fill(value);

const create = (task: string, change: Partial<TaskDefinitionInput> = {}) =>
  harness.createTask({ task, localBaseline: true, crossEvaluation: true, ...change });

interface Asked extends AskedEvaluation {
  readonly what: EvaluationRequest;
}
/** What a site is asked of a task, by subject. */
async function asked(
  site: FakeSite,
  task: string,
  subject: EvaluationRequest['subject'],
): Promise<Asked[]> {
  return (await site.ask('evaluation:get', {})).asked
    .map((each) => ({
      ...each,
      what: decodePayload(evaluationRequestSchema, each.request.payload, 'request'),
    }))
    .filter(({ what }) => what.task === task && what.subject === subject);
}
async function theOne(...about: Parameters<typeof asked>): Promise<Asked> {
  const [first] = await asked(...about);
  if (first === undefined) throw new Error(`nothing is asked: ${about[1]} ${about[2]}`);
  return first;
}

/** Decline everything of these subjects that a site is asked of a task. */
async function decline(site: FakeSite, task: string, subject: EvaluationRequest['subject']) {
  for (const { what } of await asked(site, task, subject)) {
    const { federation, request } = what;
    const payload = encodePayload(evaluationDeclineSchema, {
      ...{ type: 'evaluation-decline', protocol: protocolVersion, federation, task, request },
      ...{ site: site.site, version: 0, code: 'TASK_NOT_ALLOWED', reason: 'by its policy' },
    });
    await site.ask('evaluation:decline', {
      decline: site.sign(signDomains.evaluationDecline, payload),
    });
  }
}

/** Let a site send the adapter that it trained alone. */
async function share(site: FakeSite, task: string, value: number): Promise<string> {
  await decline(site, task, 'baseline');
  const { request } = await theOne(site, task, 'baseline-upload');
  const sealed = site.sealBaseline(request, layout, delta(value));
  await site.begin(sealed);
  await site.sendRanges(sealed);
  expect((await site.ask('upload:commit', { uploadId: sealed.uploadId })).status).toBeNull();
  return sealed.uploadId;
}

/** Report about an adapter: so many of ten pairs of images in the wrong order. */
async function report(site: FakeSite, { what }: Asked, wrong: number, digest?: string) {
  const labels = Array.from({ length: 20 }, (_, at) => at % 2);
  const logits = labels.flatMap((label, at) => [0, label === 1 ? (at < 2 * wrong ? -2 : 2) : 0]);
  const evaluation = site.evaluation({
    ...{ type: 'evaluation', protocol: protocolVersion, federation: what.federation },
    ...{ task: what.task, site: site.site, subject: 'cross', version: 0, round: null },
    adapterDigest: digest ?? what.versions[0]?.adapterDigest ?? '',
    heldOutImages: labels.length,
    report: addScores(emptyScoreReport(2), Float32Array.from(logits), labels),
  });
  return site.raw('evaluation', { evaluation });
}

/** End a task: nothing of it is asked any more. */
async function end(task: string): Promise<void> {
  await harness.request('POST', `/v1/tasks/${task}/cancel`, { reason: 'the spec is done' });
  await harness.until(
    async () =>
      evaluationRequestRoutes.list.response.parse(
        await harness.request('GET', `/v1/tasks/${task}/evaluation-requests`),
      ).requests,
    (requests) => requests.every(({ closedAtMs }) => closedAtMs !== null),
  );
}

const matrix = async (task: string) =>
  evaluationRoutes.list.response.parse(
    await harness.request('GET', `/v1/tasks/${task}/evaluations`),
  ).localAdapters;
const audited = async (task: string) =>
  auditRoutes.list.response
    .parse(await harness.request('GET', `/v1/audit?target=task:${task}&limit=1000`))
    .entries.map(({ actor, action }) => `${actor} ${action}`);
const fileExists = (...path: string[]): Promise<boolean> =>
  access(join(harness.folder, ...path)).then(
    () => true,
    () => false,
  );

test('each adapter is evaluated on every site, one site refuses, and a restart amid it loses nothing', async () => {
  await create('across');
  await decline(south, 'across', 'baseline');
  await decline(south, 'across', 'baseline-upload');
  const northUpload = await share(north, 'across', 0.25);

  // West is cut in the middle of its upload, and the coordinator restarts.
  await decline(west, 'across', 'baseline');
  const { request } = await theOne(west, 'across', 'baseline-upload');
  const sealed = west.sealBaseline(request, layout, delta(0.5));
  await west.begin(sealed);
  await west.sendRanges(sealed);
  await harness.restart();
  for (const site of [north, south, west]) await site.connect();
  expect(await west.begin(sealed)).toMatchObject({ received: [[0, 1]], isCommitted: false });
  for (let repeat = 0; repeat < 2; repeat++)
    await west.ask('upload:commit', { uploadId: sealed.uploadId });
  await expect(west.begin(sealed)).resolves.toMatchObject({ isCommitted: true });
  expect(await fileExists('uploads', northUpload)).toBe(false);

  // Two adapters at three sites; what comes is the site's own adapter and does not say whose it is.
  const waiting = await asked(south, 'across', 'cross');
  expect(waiting).toHaveLength(2);
  const files = [];
  for (const { adapter, what } of waiting) {
    const { ciphertext, contentKey } = await south.fetchAdapter(adapter);
    const digest = what.versions[0]?.adapterDigest ?? '';
    const file = decodeAdapterFile(decryptAdapter({ ciphertext, contentKey, digest }));
    expect(JSON.stringify(file.card)).not.toMatch(/north|west/);
    files.push(file.values[layout.size - 1]);
  }
  expect(files.sort()).toEqual([0.25, 0.5]); // the head's last number is 0 in version 0
  expect(await asked(south, 'across', 'baseline-upload')).toEqual([]);

  for (const [site, wrong] of [
    [north, 1],
    [south, 3],
  ] as const) {
    for (const each of await asked(site, 'across', 'cross')) {
      expect(await report(site, each, wrong)).toEqual({ ok: true });
      expect(await report(site, each, wrong)).toEqual({ ok: true });
    }
  }
  const rows = await matrix('across');
  expect(rows.map(({ owner, state }) => `${owner} ${state}`)).toEqual([
    'north done',
    'south declined',
    'west done',
  ]);
  expect(rows[0]?.sites.map(({ site }) => site)).toEqual(['south', 'north']); // the worst first
  expect(rows[0]?.absent).toEqual([
    { site: 'west', state: 'asked', reason: 'asked, no report yet' },
  ]);
  expect(rows[1]).toMatchObject({
    reason: 'declined, TASK_NOT_ALLOWED: by its policy',
    adapterDigest: null,
    sites: [],
  });
  expect(rows[1]?.absent).toHaveLength(3);

  // Never a version; nobody is asked for it as one, and version 0 has no report.
  expect(await harness.task('across')).toMatchObject({ latestVersion: 0, promotedVersion: null });
  const [first] = waiting;
  if (first === undefined) throw new Error('expected an adapter');
  const range = { digest: first.adapter.ciphertextDigest, offset: 0, length: 16 };
  expect(await west.ask('blob:get', range)).toMatchObject({ ok: true });
  expect(await south.refusedCode('blob:get', range)).toBe('NOT_FOUND'); // it has reported
  for (const each of await asked(west, 'across', 'cross')) await report(west, each, 2);

  // All have reported: with a retention of 0 the adapters go, the figures stay.
  await harness.until(
    () => matrix('across'),
    (each) => each.every(({ isKept }) => !isKept),
  );
  const { ciphertextDigest } = first.adapter;
  expect(await fileExists('blobs', ciphertextDigest.slice(0, 2), ciphertextDigest)).toBe(false);
  expect(await west.refusedCode('blob:get', range)).toBe('NOT_FOUND');
  expect((await matrix('across'))[2]?.sites).toHaveLength(3);
  expect(await audited('across')).toEqual(
    expect.arrayContaining([
      'coordinator evaluation.requested',
      'site:south evaluation.declined',
      'site:north baseline.upload-begun',
      'site:north baseline.uploaded',
      'site:west evaluation.taken',
      'coordinator baseline.erased',
    ]),
  );
});

test('an upload is refused by name where it is too large, of another site, another layout, or another digest', async () => {
  await create('strict');
  const { request } = await theOne(north, 'strict', 'baseline-upload');
  const sealed = north.sealBaseline(request, layout, delta(1));
  const begun = (change: object) => ({
    uploadId: sealed.uploadId,
    bytes: sealed.ciphertext.length,
    manifest: sealed.manifest,
    request: sealed.request,
    ...change,
  });
  const refused = async (change: object, site = north) =>
    site.refusedCode('upload:begin', begun(change));
  const manifestOf = (change: Parameters<FakeSite['sealBaseline']>[3]) => {
    const { manifest } = north.sealBaseline(request, layout, delta(1), {
      ciphertextDigest: sealed.uploadId,
      ...change,
    });
    return { manifest };
  };
  const bytes = 60 * 1024 * 1024;
  expect(await refused({ bytes, ...manifestOf({ ciphertextBytes: bytes }) })).toBe(
    'PAYLOAD_TOO_LARGE',
  );
  expect(await refused(manifestOf({ layoutHash: 'ab'.repeat(32) }))).toBe('LAYOUT_MISMATCH');
  expect(await refused(manifestOf({ requestDigest: 'ab'.repeat(32) }))).toBe('MANIFEST_MISMATCH');
  expect(await refused({ uploadId: 'ab'.repeat(32) })).toBe('MANIFEST_MISMATCH');
  expect(await refused({ request: '0'.repeat(16) })).toBe('STATE_CONFLICT');
  expect(await refused({}, south)).toBe('SIGNATURE_INVALID');
  expect(await refused(begunAsUpdate(begun({})))).toBe('SIGNATURE_INVALID');

  // Another file of the same site takes the place of what was never ended; a site cannot commit another's.
  await north.begin(sealed);
  const other = north.sealBaseline(request, layout, delta(2));
  await north.begin(other);
  await north.sendRanges(other);
  const { uploadId } = other;
  expect(await north.refusedCode('upload:commit', { uploadId: sealed.uploadId })).toBe(
    'UPLOAD_UNKNOWN',
  );
  expect(await south.refusedCode('upload:commit', { uploadId })).toBe('FORBIDDEN');
  await north.ask('upload:commit', { uploadId });
  expect(await refused({})).toBe('STATE_CONFLICT'); // nothing is asked any more

  // What does not open is refused, and the row says so.
  const wrong = await theOne(south, 'strict', 'baseline-upload');
  const foreign = south.sealBaseline(wrong.request, layout, delta(1), {
    ephemeralPublicKey: 'ab'.repeat(32),
  });
  await south.begin(foreign);
  await south.sendRanges(foreign);
  expect(await south.refusedCode('upload:commit', { uploadId: foreign.uploadId })).toBe(
    'MANIFEST_MISMATCH',
  );
  const refusedRow = (await matrix('strict')).find(({ owner }) => owner === 'south');
  expect(refusedRow).toMatchObject({ state: 'declined', adapterDigest: null });
  expect(refusedRow?.reason).toContain('MANIFEST_MISMATCH');
  await end('strict');
});

const begunAsUpdate = ({ request: _, ...begun }: { readonly request?: string }) => ({
  ...begun,
  request: undefined,
});

test('a report is refused for a digest that the site was not asked about, and where the task asks for none', async () => {
  await create('digests', { members: ['north', 'south'] });
  await share(north, 'digests', 0.5);
  const request = await theOne(south, 'digests', 'cross');
  expect(await report(south, request, 1, toHex(randomBytes(32)))).toMatchObject({
    ok: false,
    code: 'NOT_FOUND',
  });
  expect(await report(west, request, 1)).toMatchObject({ ok: false, code: 'NOT_A_MEMBER' });
  expect(
    await west.refusedCode('blob:get', {
      digest: request.adapter.ciphertextDigest,
      offset: 0,
      length: 16,
    }),
  ).toBe('NOT_FOUND');

  await harness.createTask({ task: 'off', localBaseline: true });
  expect(await asked(north, 'off', 'baseline-upload')).toEqual([]);
  expect(await matrix('off')).toEqual([]);
  const other = { ...request, what: { ...request.what, task: request.what.task } };
  Object.assign(other.what, { task: 'off' });
  expect(await report(north, other, 1)).toMatchObject({ ok: false, code: 'REQUEST_INVALID' });
  await end('digests');
  await end('off');
});

test('an agent that cannot is named with its release at once, and a site that leaves takes its adapter along', async () => {
  await west.hello('0.1.0');
  await create('mixed');
  const seen = await harness.until(
    () => matrix('mixed'),
    (rows) => rows.find(({ owner }) => owner === 'west')?.state === 'declined',
  );
  const reason =
    'declined, AGENT_VERSION_TOO_OLD: cannot: expected site agent 0.2.0 or newer, the site runs 0.1.0';
  expect(seen.find(({ owner }) => owner === 'west')?.reason).toBe(reason);
  await share(south, 'mixed', 0.5);
  const rows = await harness.until(
    () => matrix('mixed'),
    (each) => each.some(({ absent }) => absent.some((site) => site.reason === reason)),
  );
  expect(rows.find(({ owner }) => owner === 'south')).toMatchObject({
    state: 'done',
    isKept: true,
  });
  await harness.request('POST', '/v1/sites/south/leave', { reason: 'it asked' });
  const left = await harness.until(
    () => matrix('mixed'),
    (each) => each.every(({ isKept }) => !isKept),
  );
  expect(left.find(({ owner }) => owner === 'south')?.absent[0]?.reason).toContain(
    'the site that trained it has left',
  );
});

test('a task asks for adapters only beside baselines, and not where a part stays at the sites', () => {
  const issue = (change: object): string | undefined =>
    taskDefinitionSchema.safeParse({ ...taskOf({}), ...change }).error?.issues[0]?.message;
  expect(issue({ crossEvaluation: true })).toBe('expected localBaseline: true beside it');
  const site = { privatePart: 'head' };
  expect(issue({ crossEvaluation: true, localBaseline: true, site })).toContain('no privatePart');
  expect(issue({ crossEvaluation: true, localBaseline: true })).toBeUndefined();
});

test('the steward of a site sees its own adapter on its own patients, and no word of another site', () => {
  const adapter = (owner: string) => ({
    ...({
      owner: siteIdSchema.parse(owner),
      state: 'done',
      reason: null,
      adapterDigest: null,
    } as const),
    ...{ isKept: true, pooled: null, pooledIntervals: null, sites: [] },
    absent: ['north', 'south'].map((site) => ({
      ...{ site: siteIdSchema.parse(site), state: null, reason: 'none' },
    })),
  });
  const all = { classes: [], evaluations: [], baselines: [] };
  const seen = evaluationRoutes.list.forSteward?.(
    { ...all, localAdapters: [adapter('north'), adapter('south')] },
    siteIdSchema.parse('south'),
  );
  expect(JSON.stringify(seen)).not.toContain('north');
  expect(seen?.localAdapters).toHaveLength(1);
});
