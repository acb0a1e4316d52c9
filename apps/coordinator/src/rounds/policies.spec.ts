/** The rules of a round, withdrawal and what the record says of everybody who is not in a version. */
import { adapterLayout, decodeAdapterFile, specificationOf } from '#core/adapter';
import { decodePayload, membershipRecordSchema, type TaskDefinitionInput } from '#core/protocol';
import { siteViewSchema } from '../sites/sites.contract.ts';
import type { FakeSite } from '../testing/fake-site.ts';
import { tinyBackbone } from '../testing/fake-site.ts';
import { AheadClock } from '../testing/hand-clock.ts';
import { Harness } from '../testing/harness.ts';
import { roundDetailSchema } from './rounds.contract.ts';

const specification = { rank: 2, alpha: 4, classes: ['healthy', 'ill'], backbone: tinyBackbone };
const { size } = adapterLayout(specificationOf(specification));
const filled = (value: number): Float32Array => new Float32Array(size).fill(value);
const clock = new AheadClock();
const hourMs = 3_600_000;
let harness: Harness;
let north: FakeSite;
let south: FakeSite;
let west: FakeSite;
let count = 0;

beforeAll(async () => {
  harness = await Harness.start({ clock, settings: { lostRoundsMax: 2 } });
  north = await harness.join('north');
  south = await harness.join('south');
  west = await harness.join('west');
});
afterAll(() => harness.stop());

/** A task of one round, under a name of its own. */
async function task(
  rules: TaskDefinitionInput['rules'],
  change: Partial<TaskDefinitionInput> = {},
): Promise<string> {
  count += 1;
  return (await harness.createTask({ task: `task-${count}`, rounds: 1, rules, ...change })).task;
}

async function detail(name: string, round = 1) {
  return roundDetailSchema.parse(
    await harness.request('GET', `/v1/tasks/${name}/rounds/${round}?attempt=1`),
  );
}

/** The signed record of a round, once it has settled. */
async function record(name: string) {
  const { membership } = await harness.until(
    () => detail(name),
    (view) => view.membership !== null,
  );
  const payload = new Uint8Array(Buffer.from(membership?.payload ?? '', 'base64'));
  return decodePayload(membershipRecordSchema, payload, 'membership');
}

const member = <Member extends { readonly site: string }>(
  { members }: { readonly members: readonly Member[] },
  site: string,
) => members.find((each) => each.site === site);

async function accept(site: FakeSite, name: string, samples = 100): Promise<void> {
  const { assignment, open } = await site.assignment(name);
  const decision = site.decision(open, assignment.open.payload, { samples });
  await site.ask('round:accept', { decision });
}

async function refusedAccept(site: FakeSite, name: string, samples = 100): Promise<string> {
  const { assignment, open } = await site.assignment(name);
  const decision = site.decision(open, assignment.open.payload, { samples });
  return site.refusedCode('round:accept', { decision });
}

/** The last number of a version: what its only updates add up to. */
async function lastValue(name: string, version = 1): Promise<number | undefined> {
  return decodeAdapterFile(await harness.download(name, version)).values.at(-1);
}

test('a site with too few training images is recorded with the figures, and told so each time', async () => {
  const name = await task({ quorumSites: 2, samplesMinimum: 50 });
  expect(await refusedAccept(west, name, 49)).toBe('SAMPLES_TOO_FEW');
  expect(await refusedAccept(west, name, 49)).toBe('SAMPLES_TOO_FEW');
  await north.takePart(name, filled(1), 50);
  await south.takePart(name, filled(3), 50);
  const view = await harness.untilVersion(name, 1);
  const reason = 'SAMPLES_TOO_FEW: expected 50 training images or more, the site has 49';
  expect(member(await record(name), 'west')).toMatchObject({
    status: 'declined',
    reason,
    weight: null,
  });
  expect(view.currentRound?.summary).toBe(`published without west: declined, ${reason}`);
  expect(view).toMatchObject({ status: 'finished', incompleteRounds: [1] });
  expect(await lastValue(name)).toBeCloseTo(2, 6);
});

test('an update of fewer images than the task asks for is rejected, whatever was accepted', async () => {
  const name = await task({ quorumSites: 1, samplesMinimum: 50 }, { members: ['north', 'west'] });
  const { assignment, open } = await west.assignment(name);
  const { payload } = assignment.open;
  await west.ask('round:accept', { decision: west.decision(open, payload, { samples: 60 }) });
  const sealed = west.seal(open, payload, { delta: filled(9) }, { samples: 49 });
  await west.begin(sealed);
  await west.sendRanges(sealed);
  const commit = { uploadId: sealed.uploadId };
  expect(await west.refusedCode('upload:commit', commit)).toBe('SAMPLES_TOO_FEW');
  await north.takePart(name, filled(1));
  expect(member(await record(name), 'west')).toMatchObject({ status: 'rejected', weight: null });
  expect(await lastValue(name)).toBeCloseTo(1, 6);
});

describe('a site whose agent is too old', () => {
  test('is told, stands in the record, and takes part once it is updated', async () => {
    await west.hello('0.1.0');
    const name = await task({ quorumSites: 3, agentVersionMinimum: '0.2.0' });
    for (const site of [north, south]) {
      await site.hello('0.2.0');
      await site.takePart(name, filled(1));
    }
    expect(await refusedAccept(west, name)).toBe('AGENT_VERSION_TOO_OLD');
    expect((await detail(name)).summary).toBe(
      'training, 2 of 3 sites reported; without west: held back, AGENT_VERSION_TOO_OLD: expected site agent 0.2.0 or newer, the site runs 0.1.0',
    );
    await west.hello('0.2.1');
    await west.takePart(name, filled(4));
    const view = await harness.untilVersion(name, 1);
    expect(view).toMatchObject({ incompleteRounds: [] });
    expect(view.currentRound?.summary).toBe('published with all of its 3 sites');
    expect(await record(name)).toMatchObject({ isComplete: true });
  });

  test('is not waited for where the quorum is there without it', async () => {
    await west.hello('0.1.0');
    const name = await task({ quorumSites: 2, agentVersionMinimum: '0.2.0' });
    expect(await refusedAccept(west, name)).toBe('AGENT_VERSION_TOO_OLD');
    await north.takePart(name, filled(1));
    await south.takePart(name, filled(1));
    await harness.untilVersion(name, 1);
    const signed = await record(name);
    expect(signed).toMatchObject({ isComplete: false, outcome: 'published' });
    expect(member(signed, 'west')).toMatchObject({
      status: 'declined',
      reason: expect.stringContaining('AGENT_VERSION_TOO_OLD'),
    });
  });
});

describe('a round that waits for its quorum alone', () => {
  test('goes on with it, keeps what comes later as late, and suspends nobody for it', async () => {
    const name = await task(
      { quorumSites: 2, quorumSampleShare: 0.5, wait: 'quorum' },
      { rounds: 2 },
    );
    for (const round of [1, 2]) {
      const { assignment, open } = await west.assignment(name);
      const { payload } = assignment.open;
      await west.ask('round:accept', { decision: west.decision(open, payload) });
      const sealed = west.seal(open, payload, { delta: filled(100) });
      await north.takePart(name, filled(1));
      await south.takePart(name, filled(3));
      await harness.untilVersion(name, round);
      await west.begin(sealed);
      await west.sendRanges(sealed);
      await west.ask('upload:commit', { uploadId: sealed.uploadId });
    }
    expect(await lastValue(name, 2)).toBeCloseTo(4, 6);
    expect(member(await record(name), 'west')).toMatchObject({
      status: 'lost',
      reason: 'no report before the round went on with its quorum (was accepted)',
      weight: null,
    });
    expect((await detail(name)).summary).toBe(
      'published without west: late, the update arrived after the round had gone on with its quorum and after the record was signed, which says lost',
    );
    const site = siteViewSchema.parse(await harness.request('GET', '/v1/sites/west'));
    expect(site).toMatchObject({ status: 'active', lostRounds: 0 });
  });
});

describe('withdrawal', () => {
  test('takes an update out that was reported already', async () => {
    const name = await task({ quorumSites: 2 });
    await west.takePart(name, filled(100));
    expect(await west.withdraw(name)).toBe('withdrawn');
    expect(await west.withdraw(name)).toBe('withdrawn'); // a repeat is answered as the first time
    await north.takePart(name, filled(1));
    await south.takePart(name, filled(3));
    await harness.untilVersion(name, 1);
    expect(await lastValue(name)).toBeCloseTo(2, 6);
    expect(member(await record(name), 'west')).toMatchObject({
      status: 'withdrawn',
      reason: 'TASK_WITHDRAWN: the ethics board asked',
      weight: null,
    });
    const { members } = decodeAdapterFile(await harness.download(name, 1)).card.lineage;
    expect(members.map(({ site }) => site)).toEqual(['north', 'south']);
  });

  test('is taken before a decision, after acceptance and amid the upload', async () => {
    const name = await task({ quorumSites: 1 }, { members: ['north', 'south', 'west'] });
    expect(await north.withdraw(name)).toBe('withdrawn');
    await accept(south, name);
    expect(await south.withdraw(name)).toBe('withdrawn');
    const { assignment, open } = await west.assignment(name);
    const { payload } = assignment.open;
    await west.ask('round:accept', { decision: west.decision(open, payload) });
    const sealed = west.seal(open, payload, { delta: filled(1) });
    await west.begin(sealed);
    await west.sendRanges(sealed);
    const change = { decision: 'withdraw', code: 'TASK_WITHDRAWN', reason: 'so' };
    const decision = west.decision(open, payload, change);
    expect((await west.ask('round:withdraw', { decision })).status).toBe('withdrawn');
    expect(await west.refusedCode('upload:commit', { uploadId: sealed.uploadId })).toBe(
      'ROUND_CLOSED',
    );
    expect(await record(name)).toMatchObject({ outcome: 'abandoned' });
    const { summary } = await detail(name);
    for (const site of ['north', 'south', 'west'])
      expect(summary).toContain(`${site}: withdrawn, `);
  });

  test('is refused once the round has settled, and where another decision or site signed', async () => {
    const name = await task({ quorumSites: 1 }, { members: ['west'], rounds: 1 });
    const { assignment, open } = await west.assignment(name);
    const { payload } = assignment.open;
    const change = { decision: 'withdraw', code: 'TASK_WITHDRAWN', reason: 'so' };
    const decision = west.decision(open, payload, change);
    const accepted = west.decision(open, payload);
    expect(await west.refusedCode('round:withdraw', { decision: accepted })).toBe(
      'MESSAGE_INVALID',
    );
    expect(await west.refusedCode('round:decline', { decision })).toBe('MESSAGE_INVALID');
    expect(await north.refusedCode('round:withdraw', { decision })).toBe('SIGNATURE_INVALID');
    await west.takePart(name, filled(1));
    await harness.untilVersion(name, 1);
    expect(await west.refusedCode('round:withdraw', { decision })).toBe('ROUND_CLOSED');
    expect(await lastValue(name)).toBeCloseTo(1, 6);
  });
});

test('a site that loses two rounds in a row is suspended, shown as such, and one command lets it back', async () => {
  const name = await task(
    { quorumSites: 1, deadlineMs: hourMs },
    { rounds: 2, members: ['north', 'south'] },
  );
  for (const round of [1, 2]) {
    await north.takePart(name, filled(1));
    clock.pass(hourMs);
    await harness.untilVersion(name, round);
  }
  const site = siteViewSchema.parse(await harness.request('GET', '/v1/sites/south'));
  expect(site).toMatchObject({
    status: 'suspended',
    reason: 'it lost 2 rounds in a row',
    lostRounds: 2,
  });
  expect((await detail(name, 2)).summary).toBe(
    'published without south: lost, no report by the deadline (was invited)',
  );
  await expect(south.connect()).rejects.toMatchObject({ data: { code: 'SITE_SUSPENDED' } });
  const resumed = siteViewSchema.parse(await harness.request('POST', '/v1/sites/south/resume'));
  expect(resumed).toMatchObject({ status: 'active', reason: null, lostRounds: 0 });
  await south.connect();
  const next = await task({ quorumSites: 1 }, { members: ['south'] });
  await south.takePart(next, filled(1));
  await harness.untilVersion(next, 1);
});
