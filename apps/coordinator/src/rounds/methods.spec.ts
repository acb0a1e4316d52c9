/** Aggregation methods by whole rounds: what a restart between two of them changes (nothing), and what a round tells of its sites. */
import {
  adapterLayout,
  decodeAdapterFile,
  encodeSafetensors,
  encodeUpdate,
  specificationOf,
  tensorView,
  type AdapterLayout,
} from '#core/adapter';
import { emptyScoreReport, addScores } from '#core/evaluation';
import {
  decodePayload,
  roundOpenSchema,
  roundResultSchema,
  siteIdSchema,
  type TaskDefinitionInput,
} from '#core/protocol';
import { and, eq } from 'drizzle-orm';
import { versions } from '../config/schema.ts';
import { registryRoutes } from '../registry/registry.contract.ts';
import { tinyBackbone, type FakeSite } from '../testing/fake-site.ts';
import { Harness } from '../testing/harness.ts';
import { roundRoutes } from './rounds.contract.ts';

const layout = adapterLayout(
  specificationOf({ rank: 2, alpha: 4, classes: ['healthy', 'ill'], backbone: tinyBackbone }),
);
const names = ['north', 'south', 'west'];
/** What a site learns in a round: other numbers for each, and only in what the round trains. */
function deltaOf(trainedTensors: readonly string[], site: string, round: number): Float32Array {
  const delta = new Float32Array(layout.size);
  for (const { name, offset, size } of layout.tensors) {
    if (!trainedTensors.includes(name)) continue;
    for (let index = offset; index < offset + size; index++) {
      delta[index] = Math.sin(index * round + names.indexOf(site)) * (1 + names.indexOf(site));
    }
  }
  return delta;
}

/** An update's file as no agent would write it: every number of it is no number. */
function spoilt(trainedTensors: readonly string[]): Uint8Array {
  const tensors = layout.tensors
    .filter(({ name }) => trainedTensors.includes(name))
    .map(({ name, shape, size }) => ({
      name,
      shape,
      values: new Float32Array(size).fill(Number.NaN),
    }));
  return encodeSafetensors({ tensors, metadata: { format: 'melo-update/1', layout: layout.hash } });
}

/** The update of an adapter of another rank that changes nothing. */
function zerosOf(other: AdapterLayout): Uint8Array {
  const trainedTensors = other.tensors.map(({ name }) => name);
  return encodeUpdate({ layout: other, trainedTensors, delta: new Float32Array(other.size) });
}

/** Report on held-out images around round 1 of a task: better after than before, and much worse at a site that is odd. */
async function report(site: FakeSite, subject: 'global' | 'local', isOdd: boolean): Promise<void> {
  const { open } = await site.assignment('mixed').catch(() => ({ open: null }));
  if (open === null) throw new Error('the round is open');
  const scores = emptyScoreReport(2);
  const heldOutImages = site.site === 'far' ? 0 : 4;
  const confidence = subject === 'global' ? 0 : isOdd ? -9 : 1 + 0.1 * names.indexOf(site.site);
  for (let image = 0; image < heldOutImages; image++) {
    addScores(scores, new Float32Array([confidence, 0, 0, confidence]), [0, 1]);
  }
  const payload = {
    ...({ type: 'evaluation', protocol: open.protocol, federation: open.federation } as const),
    ...{ task: open.task, site: siteIdSchema.parse(site.site), subject, version: 0 },
    ...{ round: subject === 'global' ? null : 1, adapterDigest: open.globalAdapterDigest },
    ...{ heldOutImages: 2 * heldOutImages, report: scores },
  };
  await site.ask('evaluation', { evaluation: site.evaluation(payload) });
}

let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start();
  for (const name of names) await (await harness.join(name)).hello('0.2.0');
});
afterAll(() => harness.stop());

const detail = async (task: string, round: number) =>
  roundRoutes.get.response.parse(await harness.request('GET', `/v1/tasks/${task}/rounds/${round}`));
const verify = async (task: string, round: number) =>
  roundRoutes.verify.response.parse(
    await harness.request('GET', `/v1/tasks/${task}/rounds/${round}/verification`),
  );
const version = async (task: string, number: number) =>
  registryRoutes.get.response.parse(
    await harness.request('GET', `/v1/tasks/${task}/versions/${number}`),
  );

async function takePart(site: FakeSite, task: string, round: number): Promise<void> {
  const { open } = await site.assignment(task);
  expect(open.round).toBe(round);
  await site.takePart(task, deltaOf(open.trainedTensors, site.site, round), 10 * round + 1);
}

const plans: Readonly<Record<string, TaskDefinitionInput['aggregation']>> = {
  alternating: { method: 'alternating' },
  adam: { serverStep: { name: 'adam', learningRate: 0.05 } },
  'alternating-momentum': { method: 'alternating', serverStep: { name: 'momentum' } },
};
const rounds = [1, 2, 3];

/** Run a task of every plan side by side, with `between` before each round but the first. */
async function runAll(suffix: string, between: () => Promise<void>): Promise<void> {
  for (const [name, aggregation] of Object.entries(plans)) {
    const rules = { quorumSites: 3 };
    await harness.createTask({ task: `${name}-${suffix}`, aggregation, rounds: 3, rules });
  }
  for (const round of rounds) {
    if (round > 1) await between();
    for (const name of Object.keys(plans)) {
      for (const site of harness.sites.values()) await takePart(site, `${name}-${suffix}`, round);
      await harness.untilVersion(`${name}-${suffix}`, round);
    }
  }
}

async function restart(): Promise<void> {
  await harness.restart();
  for (const site of harness.sites.values()) await site.connect();
}

const valuesOf = async (task: string, number: number) => [
  ...decodeAdapterFile(await harness.download(task, number)).values,
];

describe('a restart of the coordinator between every two rounds', () => {
  beforeAll(async () => {
    await runAll('whole', () => Promise.resolve());
    await runAll('cut', restart);
  });

  test.each(Object.keys(plans))(
    '%s: gives the versions and states of no restart, and verifying recomputes them',
    async (name) => {
      const states = [];
      for (const round of rounds) {
        expect(await valuesOf(`${name}-cut`, round)).toEqual(
          await valuesOf(`${name}-whole`, round),
        );
        const verdict = await verify(`${name}-cut`, round);
        expect(verdict).toMatchObject({ isGood: true, scope: 'recomputed' });
        const cut = (await version(`${name}-cut`, round)).resultPayload?.stateDigest;
        const whole = (await version(`${name}-whole`, round)).resultPayload?.stateDigest;
        expect(cut).toMatch(/^[0-9a-f]{64}$/);
        expect(cut).toBe(whole);
        states.push(cut);
      }
      expect(new Set(states).size).toBe(3);
    },
  );
});

test('alternating trains B and head, then A and head; what rests keeps its bytes', async () => {
  const trained = [];
  let before = decodeAdapterFile(await harness.download('alternating-cut', 0)).values;
  for (const round of [1, 2, 3]) {
    const { open } = await detail('alternating-cut', round);
    const payload = Buffer.from(open.payload, 'base64');
    const { trainedTensors } = decodePayload(roundOpenSchema, payload, 'open');
    trained.push([...new Set(trainedTensors.map((name) => name.replace(/.*\./, '')))]);
    const { values } = decodeAdapterFile(await harness.download('alternating-cut', round));
    for (const { name } of layout.tensors) {
      const isSame = expect(tensorView(layout, values, name));
      if (trainedTensors.includes(name)) isSame.not.toEqual(tensorView(layout, before, name));
      else isSame.toEqual(tensorView(layout, before, name));
    }
    before = values;
  }
  expect(trained).toEqual([
    ['lora_B', 'weight', 'bias'],
    ['lora_A', 'weight', 'bias'],
    ['lora_B', 'weight', 'bias'],
  ]);
});

test('a task that is run again from an earlier version goes on with the state of that version', async () => {
  const body = { fromVersion: 1, rounds: 1, reason: 'another way from there' };
  await harness.request('POST', '/v1/tasks/alternating-cut/rerun', body);
  for (const site of harness.sites.values()) {
    const { open } = await site.assignment('alternating-cut');
    expect(open.trainedTensors.some((name) => name.endsWith('lora_A'))).toBe(true);
    await site.takePart('alternating-cut', deltaOf(open.trainedTensors, site.site, 2), 21);
  }
  await harness.untilVersion('alternating-cut', 4);
  const valuesOf = async (number: number) => [
    ...decodeAdapterFile(await harness.download('alternating-cut', number)).values,
  ];
  expect(await valuesOf(4)).toEqual(await valuesOf(2));
  expect(await verify('alternating-cut', 4)).toMatchObject({ isGood: true });
});

test('a method without state stores none, and its results look as they always did', async () => {
  await harness.createTask({ task: 'plain', rounds: 1, aggregation: { method: 'ridge' } });
  for (const site of harness.sites.values()) await takePart(site, 'plain', 1);
  await harness.untilVersion('plain', 1);
  const { result } = await version('plain', 1);
  const payload = Buffer.from(result?.payload ?? '', 'base64');
  expect(decodePayload(roundResultSchema, payload, 'result').method).toBe('ridge');
  expect(payload.toString()).not.toContain('stateDigest');
  expect(await verify('plain', 1)).toMatchObject({ isGood: true, scope: 'recomputed' });
  const { figures, aggregationGap } = await detail('plain', 1);
  expect(aggregationGap).toBeGreaterThan(0);
  expect(figures?.aggregationGap).toBe(aggregationGap);
});

test('a stored state that is not the one of its version is found', async () => {
  await harness.tamper(async (queries) => {
    const of = (number: number) => and(eq(versions.task, 'adam-cut'), eq(versions.version, number));
    const [later] = await queries.select().from(versions).where(of(2));
    const { stateDigest = null, stateCiphertextDigest = null } = later ?? {};
    await queries.update(versions).set({ stateDigest, stateCiphertextDigest }).where(of(1));
  });
  for (const site of harness.sites.values()) await site.connect();
  expect(await verify('adam-cut', 2)).toMatchObject({ isGood: false, recomputedDigest: null });
  expect(await verify('adam-whole', 2)).toMatchObject({ isGood: true });
});

test('bad updates are named, the round goes on with the others, and who is unlike them is named too', async () => {
  const more = ['east', 'far', 'odd', 'broken', 'ranked'];
  for (const name of more) await harness.join(name);
  const members = [...harness.sites.keys()];
  await harness.createTask({ task: 'mixed', rounds: 1, members, rules: { quorumSites: 4 } });
  const base = Float32Array.from({ length: layout.size }, (_, index) => Math.sin(index));
  for (const site of harness.sites.values()) {
    const { assignment, open } = await site.assignment('mixed');
    const { payload } = assignment.open;
    const isOdd = site.site === 'odd';
    for (const subject of ['global', 'local'] as const) await report(site, subject, isOdd);
    const jitter = 1 + members.indexOf(site.site) / 100;
    const delta = base.map(
      (value, index) => (isOdd ? -40 : 1) * value * jitter + 0.01 * Math.cos(index * jitter),
    );
    if (site.site === 'broken' || site.site === 'ranked') {
      await site.ask('round:accept', { decision: site.decision(open, payload) });
      const other = adapterLayout(
        specificationOf({ rank: 3, alpha: 4, classes: ['healthy', 'ill'], backbone: tinyBackbone }),
      );
      const update =
        site.site === 'broken'
          ? { plaintext: spoilt(open.trainedTensors) }
          : { plaintext: zerosOf(other) };
      const sealed = site.seal(open, payload, update);
      await site.begin(sealed);
      await site.sendRanges(sealed);
      await expect(site.ask('upload:commit', { uploadId: sealed.uploadId })).rejects.toThrow();
    } else {
      await site.takePart('mixed', delta, 100);
    }
  }
  await harness.untilVersion('mixed', 1);
  const { figures, summary, members: states } = await detail('mixed', 1);
  const reasonOf = (site: string) => states.find((each) => each.site === site)?.reason;
  expect(reasonOf('broken')).toContain('NON_FINITE_UPDATE');
  expect(reasonOf('ranked')).toContain('LAYOUT_MISMATCH');
  expect(summary).toContain('published without');
  expect(figures?.sites.map(({ site }) => site)).toEqual([
    'east',
    'far',
    'north',
    'odd',
    'south',
    'west',
  ]);
  const outliers = figures?.sites.filter(({ outlier }) => outlier.length > 0);
  expect(outliers?.map(({ site }) => site)).toEqual(['odd']);
  const figuresOf = outliers?.[0]?.outlier.map(({ figure }) => figure);
  expect(figuresOf).toEqual(expect.arrayContaining(['updateNorm', 'lossChange']));
  const north = figures?.sites.find(({ site }) => site === 'north');
  expect(north?.lossBefore).toBeGreaterThan(0);
  expect(north?.lossAfter).toBeLessThan(north?.lossBefore ?? 0);
  // A site without held-out images has no loss: not defined, and never zero.
  const far = figures?.sites.find(({ site }) => site === 'far');
  expect(far).toMatchObject({ lossBefore: null, lossAfter: null });
});

test('an agent that cannot read what came with a later release is named, sent none of it, and takes part once it is updated', async () => {
  const old = await harness.join('old');
  await old.hello('0.1.0');
  const site = { proximalWeight: 0.1, privatePart: 'head' } as const;
  const members = ['north', 'south', 'old'];
  await harness.createTask({
    task: 'stepped',
    rounds: 1,
    members,
    site,
    rules: { quorumSites: 3 },
  });
  const { assignments } = await old.ask('round:get', { known: [] });
  expect(assignments).toEqual([]);
  const { members: states } = await detail('stepped', 1);
  const held = states.find((each) => each.site === 'old');
  expect(held).toMatchObject({
    status: 'invited',
    reason: expect.stringContaining('AGENT_VERSION_TOO_OLD: expected site agent 0.2.0'),
  });
  await old.hello('0.2.0');
  for (const name of members) {
    const each = harness.sites.get(name);
    const { open } = (await each?.assignment('stepped')) ?? {};
    expect(open?.site).toEqual({ ...site, classPriorCorrection: false, optimiserState: 'fresh' });
    expect(open?.trainedTensors.some((tensor) => tensor.startsWith('head.'))).toBe(false);
    await each?.takePart('stepped', deltaOf(open?.trainedTensors ?? [], 'south', 1));
  }
  await harness.untilVersion('stepped', 1);
  const { values } = decodeAdapterFile(await harness.download('stepped', 1));
  expect(tensorView(layout, values, 'head.weight').every((value) => value === 0)).toBe(true);
});

test.each([
  [
    'a private B under alternating',
    { site: { privatePart: 'lora_B' }, aggregation: { method: 'alternating' } },
  ],
  [
    'a private head where the head is all that is trained',
    { site: { privatePart: 'head' }, trainedTensors: 'head' },
  ],
  [
    'alternating over the head alone',
    { aggregation: { method: 'alternating' }, trainedTensors: 'head' },
  ],
] as const)('%s is refused', async (_what, change) => {
  await expect(harness.createTask({ task: 'refused', ...change })).rejects.toThrow('400');
});
