import type { SimulationProgress } from '../simulation/simulation.ts';
import { progressText, simulationReporter } from './simulate-progress.ts';

const half: SimulationProgress = {
  ...{ phase: 'training', what: 'fedavg, seed 1: federated' },
  ...{ done: 50, total: 100, worked: 10 },
};

describe('progress of a simulation', () => {
  test('guesses the rest from what this process did, not from what was done before it', () => {
    // 10 of 100 took 20 s; 40 were done already.
    expect(progressText(half, 20_000)).toBe(
      'training fedavg, seed 1: federated, 50 %, about 2 min left',
    );
    expect(progressText({ ...half, worked: 0 }, 20_000)).toBe(
      'training fedavg, seed 1: federated, 50 %',
    );
  });

  test('is a line now and then where nobody watches, and none of a run that is over before', () => {
    let nowMs = 0;
    const lines: string[] = [];
    const reporter = simulationReporter({ write: (text) => lines.push(text) }, () => nowMs);
    for (nowMs = 0; nowMs <= 25_000; nowMs += 1000) reporter.report(half);
    reporter.end();
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/left\n$/);
  });

  test('rewrites one line on a terminal, no longer than it is wide', () => {
    let nowMs = 0;
    const written: string[] = [];
    const stream = { isTTY: true, columns: 20, write: (text: string) => written.push(text) };
    const reporter = simulationReporter(stream, () => nowMs);
    for (nowMs = 0; nowMs <= 1000; nowMs += 500) reporter.report(half);
    reporter.end();
    expect(written).toEqual([
      '\rtraining fedavg, se\u001B[K',
      '\rtraining fedavg, se\u001B[K',
      '\n',
    ]);
  });

  test('does not count the time of one phase as that of another', () => {
    let nowMs = 0;
    const lines: string[] = [];
    const reporter = simulationReporter({ write: (text) => lines.push(text) }, () => nowMs);
    const preparing: SimulationProgress = {
      ...{ phase: 'preparing', what: 'images', done: 1, total: 2, worked: 1 },
    };
    const at = (ms: number, progress: SimulationProgress): void => {
      nowMs = ms;
      reporter.report(progress);
    };
    at(5000, { ...half, done: 10, worked: 5 });
    at(95_000, preparing);
    at(100_000, { ...half, done: 15, worked: 10 });
    at(110_000, { ...half, done: 25, worked: 20 });
    // 20 of 100 took 20 s.
    expect(lines.at(-1)).toBe('training fedavg, seed 1: federated, 25 %, about 75 s left\n');
  });
});
