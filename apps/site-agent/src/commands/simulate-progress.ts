/** How far a simulation is: a line that rewrites itself on a terminal, now and then a line elsewhere. */
import type { SimulationProgress } from '../simulation/simulation.ts';

const linesEveryMs = 10_000;
const redrawEveryMs = 250;
/** Before so much time has passed nothing is guessed. */
const guessAfterMs = 2000;

/** Where lines go. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Shows progress. */
export interface SimulationReporter {
  readonly report: (progress: SimulationProgress) => void;
  /** Leave the line that rewrites itself. */
  readonly end: () => void;
}

const timeText = (seconds: number): string =>
  seconds < 90 ? `about ${Math.ceil(seconds)} s left` : `about ${Math.ceil(seconds / 60)} min left`;

/** Write a line: what is worked on, how much is done, and how long the rest takes at the pace so far. */
export function progressText(progress: SimulationProgress, elapsedMs: number): string {
  const { phase, what, done, total, worked } = progress;
  const percent = total > 0 ? `, ${Math.floor((100 * done) / total)} %` : '';
  const isGuess = worked > 0 && elapsedMs >= guessAfterMs && done < total;
  const left = isGuess ? `, ${timeText(((total - done) * elapsedMs) / worked / 1000)}` : '';
  return `${phase} ${what}${percent}${left}`;
}

/** Make a reporter; phases take turns where sites differ, and each has its own clock. */
export function simulationReporter(
  stream: ProgressStream,
  now: () => number = () => performance.now(),
): SimulationReporter {
  const spent = new Map<SimulationProgress['phase'], { ms: number; worked: number }>();
  const startedAtMs = now();
  let [seenAtMs, lastMs] = [startedAtMs, startedAtMs];
  let isLineOpen = false;
  const isTerminal = stream.isTTY === true;
  const end = (): void => {
    if (isLineOpen) stream.write('\n');
    isLineOpen = false;
  };
  const report = (progress: SimulationProgress): void => {
    const atMs = now();
    const { phase, worked } = progress;
    const before = spent.get(phase);
    const isAnew = before === undefined || worked < before.worked; // the images of other sites
    const elapsedMs = (isAnew ? 0 : before.ms) + atMs - seenAtMs;
    spent.set(phase, { ms: elapsedMs, worked });
    seenAtMs = atMs;
    if (atMs - lastMs < (isTerminal ? redrawEveryMs : linesEveryMs)) return;
    lastMs = atMs;
    const text = progressText(progress, elapsedMs);
    const width = (stream.columns ?? 80) - 1;
    stream.write(isTerminal ? `\r${text.slice(0, width)}\u001B[K` : `${text}\n`);
    isLineOpen = isTerminal;
  };
  return { report, end };
}
