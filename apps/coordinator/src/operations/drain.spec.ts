/** Draining: what is open is finished, nothing else begins, then it is over; and how it is undone. */
import { Command } from 'commander';
import { decodeAdapterFile } from '#core/adapter';
import { nodeEnvironment } from '../admin/admin-environment.ts';
import { healthSchema } from '../health/health.contract.ts';
import { HandClock } from '../testing/hand-clock.ts';
import { Harness } from '../testing/harness.ts';
import { addDrainCommand } from './drain-command.ts';
import { drainViewSchema } from './operations.contract.ts';

describe('a drain', () => {
  let harness: Harness;
  const clock = new HandClock();
  beforeEach(async () => {
    harness = await Harness.start({ clock });
    for (const site of ['north', 'south', 'west']) await harness.join(site);
  });
  afterEach(() => harness.stop());

  /** Run `melo coordinator drain` in this process; every line is JSON. */
  async function run(...more: string[]) {
    const lines: unknown[] = [];
    let exitCode = 0;
    const environment = {
      ...nodeEnvironment(),
      print: (line: string) => lines.push(JSON.parse(line)),
      tell: (line: string) => lines.push(JSON.parse(line)),
      setExitCode: (code: number) => {
        exitCode = code;
      },
    };
    const program = new Command().exitOverride();
    addDrainCommand(program, environment);
    const options = ['--data', harness.folder, '--json', ...more];
    await program.parseAsync(['node', 'melo', 'drain', ...options]);
    return { lines, exitCode };
  }

  const view = async () => drainViewSchema.parse(await harness.request('GET', '/v1/drain'));

  const deltasOf = async (task: string) => {
    const { layout } = decodeAdapterFile(await harness.download(task, 0));
    return new Float32Array(layout.size).fill(1);
  };

  test('finishes the open round, takes its updates, opens no other and is over', async () => {
    await harness.createTask({ rounds: 3 });
    const delta = await deltasOf('chest');
    const [north, south, west] = [...harness.sites.values()];
    await north?.takePart('chest', delta);
    await harness.request('POST', '/v1/drain', {});
    expect(await view()).toMatchObject({
      status: 'draining',
      rounds: [
        {
          task: 'chest',
          round: 1,
          members: [
            { site: 'south', status: 'invited' },
            { site: 'west', status: 'invited' },
          ],
        },
      ],
    });
    expect(healthSchema.parse(await harness.request('GET', '/v1/health')).isDraining).toBe(true);
    const second = await harness.createTask({ task: 'other' });
    expect(second).toMatchObject({
      status: 'running',
      currentRound: null,
      openingRefusal: { code: 'DRAINING' },
    });

    const waiting = run();
    await south?.takePart('chest', delta);
    await west?.takePart('chest', delta);
    await harness.coordinator.whenDrained;
    await harness.coordinator.close();
    const { lines, exitCode } = await waiting;
    await harness.restart();
    expect(exitCode).toBe(0);
    expect(lines.at(-1)).toEqual({ event: 'drained' });

    // What starts anew serves: both tasks go on.
    await harness.until(
      () => harness.task('chest'),
      (task) => task.latestVersion === 1 && task.currentRound?.round === 2,
    );
    await harness.until(
      () => harness.task('other'),
      (task) => task.currentRound?.round === 1,
    );
  });

  test('is undone, and rounds open again; a wait has an end of its own', async () => {
    await harness.createTask({ rounds: 2 });
    const late = await run('--timeout', '0');
    expect(late.exitCode).toBe(10);
    expect(late.lines.at(-1)).toMatchObject({ code: 'TIMEOUT' });
    expect((await view()).status).toBe('draining');
    await harness.createTask({ task: 'other' });
    expect((await run('--cancel')).exitCode).toBe(0);
    expect((await view()).status).toBe('serving');
    // Either round may open first, and takes the database a moment.
    for (const name of ['other', 'chest'])
      await harness.until(
        () => harness.task(name),
        (task) => task.currentRound?.round === 1 && task.openingRefusal === null,
      );
  });

  test('awaits a late update that is coming in, and begins no other', async () => {
    const deadlineMs = 30_000; // an upload that is silent for a minute is not awaited
    await harness.createTask({ rounds: 1, rules: { quorumSites: 1, deadlineMs } });
    const delta = await deltasOf('chest');
    const sealedBy = async (name: string) => {
      const site = harness.sites.get(name);
      if (site === undefined) throw new Error('site');
      const { assignment, open } = await site.assignment('chest');
      const { payload } = assignment.open;
      await site.ask('round:accept', { decision: site.decision(open, payload) });
      return { site, sealed: site.seal(open, payload, { delta }) };
    };
    const north = await sealedBy('north');
    const south = await sealedBy('south');
    await north.site.begin(north.sealed);
    await harness.sites.get('west')?.takePart('chest', delta);
    clock.nowMs += deadlineMs;
    await harness.untilVersion('chest', 1);
    await harness.request('POST', '/v1/drain', {});
    await expect(south.site.begin(south.sealed)).rejects.toMatchObject({
      code: 'DRAINING',
      retryable: true,
    });
    expect(await view()).toMatchObject({
      status: 'draining',
      lateUploads: [{ site: 'north', task: 'chest', round: 1 }],
    });
    await north.site.sendRanges(north.sealed);
    const { uploadId } = north.sealed;
    expect(await north.site.ask('upload:commit', { uploadId })).toMatchObject({ status: 'late' });
    // Nobody reads that it is over: it ends once there was time to.
    let isOver = false;
    void harness.coordinator.whenDrained.then(() => (isOver = true));
    await harness.until(
      async () => {
        clock.nowMs += 1000;
        return isOver;
      },
      (over) => over,
    );
  });
});
