/** When rounds may open: calendars in their time zones, clocks that jump, sites that are ready. */
import { Harness } from '../testing/harness.ts';
import { tinyBackbone, type FakeSite } from '../testing/fake-site.ts';
import { nextOpeningAtMs, scheduleRulesSchema } from './task-schedule.ts';

const at = (text: string): number => Date.parse(text);
const hourMs = 3_600_000;

describe('the times of a calendar', () => {
  const nightly = { cron: '30 2 * * *', timeZone: 'Europe/Berlin' };
  /** Every opening in a span of a clock that looks every ten minutes. */
  function openings(rules: { cron: string; timeZone?: string }, from: string, to: string) {
    const schedule = { rules, setAtMs: at(from) };
    const opened: string[] = [];
    let lastMs: number | null = null;
    for (let nowMs = at(from); nowMs < at(to); nowMs += 600_000) {
      if ((nextOpeningAtMs(schedule, lastMs, nowMs) ?? 0) > nowMs) continue;
      opened.push(new Date(nowMs).toISOString());
      lastMs = nowMs;
    }
    return opened;
  }

  test('come once a day where an hour is left out and where one comes twice', () => {
    // 2026-03-29 has no 02:30 in Berlin, and goes on at 03:00; 2026-10-25 has two.
    expect(openings(nightly, '2026-03-28T00:00:00Z', '2026-03-31T00:00:00Z')).toEqual([
      '2026-03-28T01:30:00.000Z',
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    expect(openings(nightly, '2026-10-24T00:00:00Z', '2026-10-27T00:00:00Z')).toEqual([
      '2026-10-24T00:30:00.000Z',
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
  });

  test('are in UTC where no zone is named', () => {
    expect(openings({ cron: '0 1 * * 1' }, '2026-11-01T00:00:00Z', '2026-11-12T00:00:00Z')).toEqual(
      ['2026-11-02T01:00:00.000Z', '2026-11-09T01:00:00.000Z'],
    );
  });

  test('that passed while a round ran or nothing did are made up for once', () => {
    const schedule = { rules: nightly, setAtMs: at('2026-05-01T00:00:00Z') };
    const openedAtMs = at('2026-05-02T00:30:00Z');
    const nowMs = at('2026-05-09T12:00:00Z');
    expect(nextOpeningAtMs(schedule, openedAtMs, nowMs)).toBeLessThan(nowMs);
    expect(nextOpeningAtMs(schedule, nowMs, nowMs)).toBe(at('2026-05-10T00:30:00Z'));
  });

  test('are not held back by a clock that was ahead', () => {
    const schedule = { rules: nightly, setAtMs: at('2026-05-01T00:00:00Z') };
    const next = nextOpeningAtMs(schedule, at('2031-01-01T00:00:00Z'), at('2026-05-09T12:00:00Z'));
    expect(next).toBe(at('2026-05-10T00:30:00Z'));
  });

  test.each([
    [{ cron: 'every night' }],
    [{ cron: '* * * * * *' }],
    [{ cron: '0 0 31 2 *' }],
    [{ cron: '61 1 * * *' }],
    [{ cron: '0 1 * * *', timeZone: 'Europe/Nowhere' }],
    [{ timeZone: 'Europe/Berlin' }],
    [{ sitesReady: 0 }],
    [{}],
  ])('are refused where nobody can tell them: %j', (rules) => {
    expect(scheduleRulesSchema.safeParse(rules).success).toBe(false);
  });
});

/** A clock that a spec moves. */
class HandClock {
  wallMs = at('2026-11-25T12:00:00Z');
  monotonicMs = 0;
  wallTimeMs = (): number => this.wallMs;
  monotonicTimeMs = (): number => this.monotonicMs;
  pass(durationMs: number): void {
    this.wallMs += durationMs;
    this.monotonicMs += durationMs;
  }
}

describe('a task with a schedule', () => {
  let harness: Harness;
  const clock = new HandClock();
  beforeAll(async () => {
    harness = await Harness.start({ clock });
    for (const name of ['north', 'south', 'west']) await harness.join(name);
  });
  afterAll(() => harness.stop());
  const hello = (site: FakeSite | undefined, approvedTasks: string[]) =>
    site?.ask('hello', {
      ...{ agentVersion: '0.2.0', node: 'v24', engines: [], memoryBytes: 1, cores: 1 },
      ...{ backbones: [tinyBackbone.fingerprint], approvedTasks },
    });
  const roundOf = async (task: string) => (await harness.task(task)).currentRound;
  const untilRound = (task: string) =>
    harness.until(
      () => roundOf(task),
      (round) => round !== null,
    );
  const post = (path: string, body: object) => harness.request('POST', `/v1/tasks/${path}`, body);
  const create = async (task: string, rules: object) => {
    const { definition } = await harness.createTask({ task: `${task}-model`, rounds: 2 });
    await post(`${task}-model/cancel`, {});
    await harness.request('POST', '/v1/tasks?start=false', { ...definition, task });
    await post(`${task}/schedule`, { rules });
    return post(`${task}/start`, {});
  };

  test('opens a round when its time has come, over a restart, and shows the next time', async () => {
    const rules = { cron: '0 1 * * *', timeZone: 'Europe/Berlin' };
    const schedule = { rules, nextAtMs: at('2026-11-26T00:00:00Z'), isDue: false };
    expect(await create('night', rules)).toMatchObject({ currentRound: null, schedule });
    clock.pass(6 * hourMs);
    await harness.restart();
    clock.pass(6 * hourMs - 1);
    await new Promise((wake) => setTimeout(wake, 1500));
    expect(await roundOf('night')).toBeNull();
    clock.pass(1);
    expect(await untilRound('night')).toMatchObject({ round: 1, attempt: 1 });
    expect(await harness.task('night')).toMatchObject({
      schedule: { nextAtMs: at('2026-11-27T00:00:00Z') },
    });
    // Whoever looked at another attempt is told.
    const other = { reason: 'a spec', ifAttempt: 2 };
    const refused = await harness.raw('POST', '/v1/tasks/night/rounds/1/abandon', other);
    expect(refused.status).toBe(409);
    expect(await refused.json()).toMatchObject({
      code: 'STATE_CONFLICT',
      detail: expect.stringContaining('expected attempt 2 to be the last one, it is attempt 1;'),
    });
    // An attempt that failed is no reason to disturb anybody by day.
    await post('night/rounds/1/abandon', { reason: 'a spec', ifAttempt: 1 });
    await new Promise((wake) => setTimeout(wake, 1500));
    expect(await roundOf('night')).toMatchObject({ attempt: 1, phase: 'abandoned' });
    clock.pass(24 * hourMs);
    await harness.until(
      () => roundOf('night'),
      (round) => round?.attempt === 2,
    );
    await post('night/cancel', {});
  });

  test('opens a round once enough of its members are connected, approve it and have its backbone', async () => {
    await create('crowd', { sitesReady: 2 });
    const readiness = async () => (await harness.task('crowd')).schedule;
    const [north, south] = [...harness.sites.values()];
    await north?.connect();
    await south?.connect();
    await hello(north, ['crowd']);
    await hello(south, ['another']);
    expect(await readiness()).toMatchObject({ sitesReady: 1, isDue: false, nextAtMs: null });
    expect(await roundOf('crowd')).toBeNull();
    await hello(south, ['another', 'crowd']);
    expect(await untilRound('crowd')).toMatchObject({ round: 1 });
    const refused = await harness.raw('POST', '/v1/tasks/crowd/schedule', {
      rules: { sitesReady: 4 },
    });
    expect(refused.status).toBe(400);
    expect(await post('crowd/schedule', { rules: null })).toMatchObject({ schedule: null });
    await post('crowd/cancel', {});
  });
});
