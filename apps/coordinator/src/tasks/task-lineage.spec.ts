/** Promote, run again, roll back: one chain of results whatever is done. */
import { decodeAdapterFile } from '#core/adapter';
import { envelopeDigest, signDomains } from '#core/crypto';
import {
  decodePayload,
  roundResultSchema,
  taskDefinitionSchema,
  type RoundOpen,
} from '#core/protocol';
import { smallPlan } from '#core/protocol/testing';
import { offsetOfRerun } from '../rounds/round-opening.ts';
import { roundRoutes } from '../rounds/rounds.contract.ts';
import { registryRoutes } from '../registry/registry.contract.ts';
import { Harness, taskOf } from '../testing/harness.ts';

describe('a task', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
    for (const name of ['north', 'south']) await harness.join(name);
  });
  afterAll(() => harness.stop());

  const post = (task: string, command: string, body: object) =>
    harness.request('POST', `/v1/tasks/${task}/${command}`, body);
  const site = (name: string) => {
    const found = harness.sites.get(name);
    if (found === undefined) throw new Error(`no site ${name}`);
    return found;
  };
  const newTask = (task: string, rounds: number) =>
    harness.createTask({
      ...{ task, rounds, members: ['north', 'south'], rules: { quorumSites: 1 } },
      plan: { ...smallPlan, schedule: { name: 'cosine', totalRounds: rounds } },
    });
  /** Let both sites send a step of a size in the open round, and return what opened it. */
  const round = async (task: string, number: number, step: number): Promise<RoundOpen> => {
    const { layout } = decodeAdapterFile(await harness.download(task, 0));
    const delta = new Float32Array(layout.size).fill(step);
    const { open } = await site('north').assignment(task);
    await site('north').takePart(task, delta);
    await site('south').takePart(task, delta);
    await harness.untilVersion(task, number);
    return open;
  };
  const lastValue = async (task: string, version: number) =>
    decodeAdapterFile(await harness.download(task, version)).values.at(-1);
  const versions = async (task: string) =>
    registryRoutes.list.response.parse(await harness.request('GET', `/v1/tasks/${task}/versions`))
      .versions;
  const rounds = async (task: string) =>
    roundRoutes.list.response.parse(await harness.request('GET', `/v1/tasks/${task}/rounds`))
      .rounds;

  test('is changed by one of two people who looked at the same, and says so to the other', async () => {
    await newTask('shared', 2);
    await round('shared', 1, 1);
    const { revision: ifRevision } = await harness.task('shared');
    const change = (command: string, body: object) =>
      harness.raw('POST', `/v1/tasks/shared/${command}`, { ...body, ifRevision });
    const promotions = [0, 1].map((version) => change('promote', { version }));
    const statuses = (await Promise.all(promotions)).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 409]);
    const { promotedVersion, status } = await harness.task('shared');
    const later: readonly (readonly [string, object])[] = [
      ['schedule', { rules: { sitesReady: 1 } }],
      ['rollback', { toVersion: 0, reason: 'too late' }],
      ['rerun', { fromVersion: 0, reason: 'too late' }],
      ['pause', {}],
      ['cancel', {}],
    ];
    for (const [command, body] of later) {
      const refused = await change(command, body);
      expect([command, refused.status]).toEqual([command, 409]);
      expect(await refused.text()).toContain('somebody changed it meanwhile');
    }
    expect(await harness.task('shared')).toMatchObject({ promotedVersion, status, schedule: null });
    const { revision } = await harness.task('shared');
    await round('shared', 2, 1); // training alone is no change of what people set
    expect((await harness.task('shared')).revision).toBe(revision);
  });

  test('that ended is run again from an earlier version; the chain of results goes on', async () => {
    await newTask('again', 3);
    for (const [number, step] of [
      [1, 1],
      [2, 2],
      [3, 4],
    ] as const) {
      await round('again', number, step);
    }
    expect(await harness.task('again')).toMatchObject({ status: 'finished', rounds: 3 });
    const body = { fromVersion: 1, reason: 'round 2 was trained on wrong labels' };
    expect(await post('again', 'rerun', body)).toMatchObject({
      ...{ status: 'running', latestVersion: 3, nextBaseVersion: 1, rounds: 5 },
      currentRound: { round: 4, baseVersion: 1 },
    });
    expect(await round('again', 4, 8)).toMatchObject({
      ...{ round: 4, globalVersion: 1, scheduleOffset: 1 },
    });
    expect(await round('again', 5, 16)).toMatchObject({ globalVersion: 4, scheduleOffset: 2 });
    expect(await harness.task('again')).toMatchObject({ status: 'finished', nextBaseVersion: 5 });
    expect(await lastValue('again', 4)).toBeCloseTo(9, 5);
    expect(await lastValue('again', 5)).toBeCloseTo(25, 5);
    const bases = (await versions('again')).map(({ baseVersion }) => baseVersion);
    expect(bases).toEqual([null, 0, 1, 2, 1, 4]);

    const known = (version: number) => [{ task: 'again', version }];
    const pulled = [];
    for (const from of [0, 3]) {
      const { results } = await site('north').ask('round:get', { known: known(from) });
      pulled.push(...results.filter(({ adapter }) => adapter.version > from));
    }
    const links = pulled.map(({ result }) => ({
      digest: envelopeDigest(signDomains.roundResult, result.payload),
      ...decodePayload(roundResultSchema, result.payload, 'result'),
    }));
    expect(links.map(({ version, baseVersion }) => [version, baseVersion])).toEqual([
      ...[1, 2, 3].map((version) => [version, undefined]),
      [4, 1],
      [5, undefined],
    ]);
    expect(links.map(({ previousResultDigest }) => previousResultDigest)).toEqual([
      null,
      ...links.slice(0, -1).map(({ digest }) => digest),
    ]);
    expect(links.map(({ isFinal }) => isFinal)).toEqual([false, false, true, false, true]);
  });

  test('is extended: more rounds from the latest version, at the end of the schedule', async () => {
    await newTask('longer', 1);
    await round('longer', 1, 1);
    const body = { fromVersion: 1, rounds: 1, reason: 'the loss still falls' };
    expect(await post('longer', 'rerun', body)).toMatchObject({ rounds: 2, nextBaseVersion: 1 });
    expect(await round('longer', 2, 1)).toMatchObject({ globalVersion: 1, scheduleOffset: 0 });
    expect(await lastValue('longer', 2)).toBeCloseTo(2, 5);
    expect(await harness.task('longer')).toMatchObject({ status: 'finished' });
  });

  test('is rolled back in the middle of a round: that one is abandoned, nothing forks, and a restart changes nothing', async () => {
    await newTask('back', 3);
    await round('back', 1, 1);
    await round('back', 2, 2);
    await site('north').assignment('back');
    const body = { toVersion: 1, reason: 'version 2 fails on scanner B' };
    expect(await post('back', 'rollback', body)).toMatchObject({
      ...{ status: 'running', promotedVersion: 1, nextBaseVersion: 1, rounds: 4 },
      currentRound: { round: 3, attempt: 2, baseVersion: 1 },
    });
    expect((await rounds('back')).slice(0, 2)).toMatchObject([
      { round: 3, attempt: 2, baseVersion: 1 },
      {
        ...{ round: 3, attempt: 1, baseVersion: 2, phase: 'abandoned' },
        reason: expect.stringContaining('scanner B'),
      },
    ]);
    await harness.restart();
    for (const each of harness.sites.values()) await each.connect();
    expect(await round('back', 3, 4)).toMatchObject({ globalVersion: 1 });
    expect(await lastValue('back', 3)).toBeCloseTo(5, 5);
    expect(
      (await versions('back')).map(({ isPromoted, isLatest }) => [isPromoted, isLatest]),
    ).toEqual([
      [false, false],
      [true, false],
      [false, false],
      [false, true],
    ]);
    await post('back', 'cancel', { reason: 'the study ended' });
    expect(await harness.task('back')).toMatchObject({
      ...{ status: 'cancelled', reason: 'the study ended' },
      currentRound: { phase: 'abandoned', reason: 'the task was cancelled: the study ended' },
    });
    const again = await harness.raw('POST', '/v1/tasks/back/rerun', {
      fromVersion: 1,
      reason: 'x',
    });
    expect(await again.json()).toMatchObject({ code: 'STATE_CONFLICT' });
  });

  test('says which version people should use; a download says what it is', async () => {
    const standing = async (version: number) => {
      const path = `/v1/tasks/longer/versions/${version}/adapter`;
      const { headers } = await harness.raw('GET', path);
      return [headers.get('melo-version'), headers.get('melo-standing')];
    };
    expect(await standing(2)).toEqual(['2', 'latest']);
    await post('longer', 'promote', { version: 2 });
    expect(await standing(2)).toEqual(['2', 'promoted, latest']);
    await post('longer', 'promote', { version: 1, reason: 'better on the new scanner' });
    expect(await standing(1)).toEqual(['1', 'promoted']);
    expect(await standing(2)).toEqual(['2', 'latest']);
    await post('longer', 'promote', { version: null });
    expect(await standing(1)).toEqual(['1', 'neither promoted nor latest']);
    const missing = await harness.raw('POST', '/v1/tasks/longer/promote', { version: 9 });
    expect(await missing.json()).toMatchObject({ code: 'NOT_FOUND' });
  });

  test('stays paused when it is run again, keeps the reason, and is repeated without harm', async () => {
    await newTask('calm', 2);
    await round('calm', 1, 1);
    await post('calm', 'pause', { reason: 'the scanner is being serviced' });
    const key = { 'idempotency-key': 'rerun-1' };
    const body = { fromVersion: 0, reason: 'start afresh' };
    const answers = [];
    for (let repeat = 0; repeat < 2; repeat++) {
      const answer = await harness.raw('POST', '/v1/tasks/calm/rerun', body, key);
      answers.push(await answer.json());
    }
    expect(answers[0]).toEqual(answers[1]);
    // Round 2 was open when it was paused and is abandoned, since it started from version 1.
    expect(answers[0]).toMatchObject({
      ...{
        status: 'paused',
        reason: 'the scanner is being serviced',
        nextBaseVersion: 0,
        rounds: 3,
      },
      currentRound: { round: 2, attempt: 1, phase: 'abandoned' },
    });
    expect(await post('calm', 'resume', {})).toMatchObject({
      ...{ status: 'running', reason: null },
      currentRound: { round: 2, attempt: 2, baseVersion: 0 },
    });
    await post('calm', 'cancel', {});
  });
});

describe('the place on the schedule of a task that is run again', () => {
  const definition = (rounds: number, totalRounds: number) =>
    taskDefinitionSchema.parse(
      taskOf({ rounds, plan: { ...smallPlan, schedule: { name: 'cosine', totalRounds } } }),
    );
  test.each([
    ['within the definition it is that of the lineage', 10, 10, 4, 6, 4],
    ['beyond it the end is repeated', 10, 10, 10, 3, 7],
    ['round after round', 10, 10, 8, 2, 8],
    ['never before the start', 2, 2, 2, 9, 0],
    ['never ahead of the lineage', 10, 10, 3, 9, 1],
    ['a schedule shorter than the task stays as it is', 10, 2, 4, 6, 4],
  ])('%s', (_what, rounds, totalRounds, roundsBehind, roundsToGo, offset) => {
    const place = { roundsBehind, roundsToGo };
    expect(offsetOfRerun(definition(rounds, totalRounds), place)).toBe(offset);
  });
});
