import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Harness } from '../testing/harness.ts';

/** A clock that a spec moves: wall and monotonic time apart. */
class HandClock {
  wallMs = 1_800_000_000_000;
  monotonicMs = 0;
  wallTimeMs = (): number => this.wallMs;
  monotonicTimeMs = (): number => this.monotonicMs;
  pass(durationMs: number): void {
    this.wallMs += durationMs;
    this.monotonicMs += durationMs;
  }
}

const hourMs = 3_600_000;

describe('deadlines', () => {
  let harness: Harness;
  const clock = new HandClock();
  beforeAll(async () => {
    harness = await Harness.start({ clock, settings: { attemptsMax: 1, retentionMs: 0 } });
    for (const name of ['north', 'south', 'west']) await harness.join(name);
  });
  afterAll(() => harness.stop());
  const newTask = (task: string) =>
    harness.createTask({ task, rules: { quorumSites: 2, deadlineMs: hourMs } });
  const deadlineOf = async (task: string): Promise<number> =>
    (await harness.task(task)).currentRound?.deadlineAtMs ?? NaN;
  const phaseOf = async (task: string): Promise<string | undefined> =>
    (await harness.task(task)).currentRound?.phase;

  test('get the time back that the coordinator was down, and that a clock was set', async () => {
    await newTask('patient');
    const signed = await deadlineOf('patient');
    expect(signed).toBe(clock.wallMs + hourMs);

    // Down for two hours: far past the deadline as it was signed.
    for (const site of harness.sites.values()) site.close();
    await harness.coordinator.close();
    clock.pass(2 * hourMs);
    harness.coordinator = await Harness.launch(harness.folder, harness.options);
    expect(await deadlineOf('patient')).toBe(signed + 2 * hourMs);

    // Wall time set forward by a day: the time left stays.
    clock.wallMs += 24 * hourMs;
    await harness.until(
      () => deadlineOf('patient'),
      (deadline) => deadline === signed + 26 * hourMs,
    );
    expect(await phaseOf('patient')).toBe('inviting');

    // What is left passes on the monotonic clock, and the round ends.
    clock.pass(hourMs - 1);
    await new Promise((wake) => setTimeout(wake, 600));
    expect(await phaseOf('patient')).toBe('inviting');
    clock.pass(1);
    await harness.until(
      () => phaseOf('patient'),
      (phase) => phase === 'abandoned',
    );
    expect(await harness.task('patient')).toMatchObject({
      status: 'failed',
      reason: expect.stringContaining('0 of 3 sites reported'),
    });
  });

  test('that a site misses three times in a row suspend it', async () => {
    for (const task of ['second', 'third']) {
      await newTask(task);
      clock.pass(hourMs);
      await harness.until(
        () => phaseOf(task),
        (phase) => phase === 'abandoned',
      );
    }
    const sites = await harness.request('GET', '/v1/sites');
    expect(sites).toMatchObject({
      sites: Array(3).fill(
        expect.objectContaining({ status: 'suspended', reason: 'it lost 3 rounds in a row' }),
      ),
    });
    await harness.request('POST', '/v1/sites/north/resume');
    expect(await harness.request('GET', '/v1/sites/north')).toMatchObject({
      status: 'active',
      lostRounds: 0,
    });
  });
});

test('a folder that a running coordinator holds is not opened twice', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'melo-coordinator-'));
  const first = await Harness.launch(folder, {});
  await expect(Harness.launch(folder, {})).rejects.toMatchObject({ code: 'DATA_FOLDER_LOCKED' });
  await first.close();
  await rm(folder, { recursive: true });
});
