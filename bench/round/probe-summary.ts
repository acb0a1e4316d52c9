/** What the probe found, by round: where time goes and whether memory grows. */
import { fileURLToPath } from 'node:url';
import type { CoordinatorProcess } from '../../test/support/federation.ts';
import { slope } from '../leak/slope.ts';
import { readProbeLines, type ProbeLine } from './probe-line.ts';
import { categoryNames, type Category } from './profile.ts';

/** Rounds that memory may settle in before its growth is measured. */
const settlingRounds = 50;

/** What the probe found. */
export interface ProbeSummary {
  /** CPU milliseconds of the coordinator's threads in a round. */
  readonly cpuMsPerRound: Readonly<Record<Category, number>>;
  /** Wall milliseconds that writes waited for the disk in a round; waits that overlap count each. */
  readonly syncWaitMsPerRound: number;
  /** Growth of heap and external memory after collections, from round 50 on; null with fewer than 60 rounds. */
  readonly memoryMegabytesPerRound: number | null;
}

/** How the coordinator is started with the probe in it. */
export function probeArguments(folder: string): CoordinatorProcess {
  const program = new URL('./probe.js', import.meta.url);
  return {
    nodeArguments: ['--import', fileURLToPath(program)],
    environment: { MELO_BENCH_PROBE: folder },
  };
}

/** The number of rounds that had settled at a time, with the share of the one under way; from 0. */
export function roundsAt(timesMs: readonly number[], atMs: number): number {
  const next = timesMs.findIndex((timeMs) => timeMs > atMs);
  if (next === 0) return 0;
  if (next < 0) return timesMs.length - 1;
  const [from = 0, to = 0] = [timesMs[next - 1], timesMs[next]];
  return next - 1 + (atMs - from) / (to - from);
}

function memorySlope(lines: readonly ProbeLine[], timesMs: readonly number[]): number | null {
  const points = lines
    .filter(({ isMainThread }) => isMainThread)
    .map(({ atMs, memoryBytes }): [number, number] => [roundsAt(timesMs, atMs), memoryBytes / 1e6])
    .filter(([round]) => round >= settlingRounds && round < timesMs.length - 1);
  return points.length < 10 ? null : slope(points);
}

/** Sum what was written while rounds ran. */
export async function summariseProbe(
  folder: string,
  timesMs: readonly number[],
): Promise<ProbeSummary> {
  const rounds = timesMs.length - 1;
  const [fromMs = 0, toMs = 0] = [timesMs[0], timesMs.at(-1)];
  const all = await readProbeLines(folder);
  const lines = all.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs + 1000);
  const perRound = (total: number): number => Math.round((100 * total) / rounds) / 100;
  const sumOf = (pick: (line: ProbeLine) => number): number =>
    lines.reduce((sum, line) => sum + pick(line), 0);
  const cpuMsPerRound = {
    crypto: 0,
    database: 0,
    disk: 0,
    messages: 0,
    reduce: 0,
    garbage: 0,
    other: 0,
  };
  for (const name of categoryNames)
    cpuMsPerRound[name] = perRound(sumOf(({ cpuMs }) => cpuMs[name]));
  const growth = memorySlope(lines, timesMs);
  return {
    cpuMsPerRound,
    syncWaitMsPerRound: perRound(sumOf(({ syncWaitMs }) => syncWaitMs)),
    memoryMegabytesPerRound: growth === null ? null : Math.round(1e4 * growth) / 1e4,
  };
}
