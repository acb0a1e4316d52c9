/** How far a pull is: a line that rewrites itself on a terminal, now and then a line elsewhere, NDJSON under --json. */
import type { PullProgress } from '../backbones/pull-backbone.ts';

const linesEveryMs = 10_000;
const redrawEveryMs = 250;
/** The rate is that of the last so many milliseconds, so that an old pause does not count. */
const rateWindowMs = 15_000;

/** Write a number of bytes for people. */
export function bytesText(bytes: number): string {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1e3)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(0)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** Seconds that are left at the present rate. */
export class Rate {
  readonly #samples: { readonly atMs: number; readonly done: number }[] = [];

  /** Take note of how much is done; null while there is no rate yet. */
  remainingSeconds(atMs: number, done: number, total: number): number | null {
    const samples = this.#samples;
    samples.push({ atMs, done });
    while (samples.length > 2 && atMs - (samples[0]?.atMs ?? atMs) > rateWindowMs) samples.shift();
    const first = samples[0];
    if (first === undefined || atMs <= first.atMs || done <= first.done) return null;
    return Math.ceil(((total - done) * (atMs - first.atMs)) / (done - first.done) / 1000);
  }
}

const timeText = (seconds: number | null): string => {
  if (seconds === null) return '';
  return seconds < 90 ? `, about ${seconds} s left` : `, about ${Math.ceil(seconds / 60)} min left`;
};

/** Shows progress. */
export interface PullReporter {
  readonly report: (progress: PullProgress) => void;
  /** Leave the line that rewrites itself. */
  readonly end: () => void;
}

/** What a reporter writes to, and when. */
export interface ReporterOptions {
  readonly isJson: boolean;
  readonly isTerminal: boolean;
  readonly now?: () => number;
  /** Standard error, for people. */
  readonly write?: (text: string) => void;
  /** Standard output, for programs. */
  readonly writeJson?: (line: string) => void;
}

/** Make a reporter. */
export function pullReporter(options: ReporterOptions): PullReporter {
  const { isJson, isTerminal, now = Date.now } = options;
  const write = options.write ?? ((text: string) => void process.stderr.write(text));
  const writeJson = options.writeJson ?? ((line: string) => void process.stdout.write(line));
  const rates = new Map<string, Rate>();
  let lastMs = Number.NEGATIVE_INFINITY;
  let isLineOpen = false;

  const isDue = (isEnd: boolean): boolean => {
    const everyMs = isTerminal && !isJson ? redrawEveryMs : linesEveryMs;
    if (!isEnd && now() - lastMs < everyMs) return false;
    lastMs = now();
    return true;
  };
  const show = (text: string): void => {
    write(isTerminal ? `\r${text}\x1b[K` : `${text}\n`);
    isLineOpen = isTerminal;
  };
  const end = (): void => {
    if (isLineOpen) write('\n');
    isLineOpen = false;
  };
  const report = (progress: PullProgress): void => {
    const remaining = remainingOf(progress, rates, now());
    if (!isDue(isLastOf(progress))) return;
    if (isJson) writeJson(`${JSON.stringify(eventOf(progress, remaining))}\n`);
    else show(textOf(progress, remaining));
    if (isLastOf(progress)) end();
  };
  return { report, end };
}

function remainingOf(
  progress: PullProgress,
  rates: Map<string, Rate>,
  nowMs: number,
): number | null {
  if (progress.phase !== 'download') return null;
  const rate = rates.get(progress.path) ?? new Rate();
  rates.set(progress.path, rate);
  return rate.remainingSeconds(nowMs, progress.done, progress.bytes);
}

function isLastOf(progress: PullProgress): boolean {
  switch (progress.phase) {
    case 'found':
      return true;
    case 'download':
      return progress.done === progress.bytes;
    case 'fingerprint':
      return progress.done === progress.total;
  }
}

function textOf(progress: PullProgress, remaining: number | null): string {
  switch (progress.phase) {
    case 'found': {
      const { repository, revision, licence } = progress.snapshot;
      return `${repository} at ${revision.slice(0, 12)}: ${bytesText(progress.bytes)}, licence ${licence ?? 'not stated'}`;
    }
    case 'download': {
      const percent = Math.floor((100 * progress.done) / progress.bytes);
      return `${progress.path}: ${bytesText(progress.done)} of ${bytesText(progress.bytes)}, ${percent} %${timeText(remaining)}`;
    }
    case 'fingerprint':
      return `fingerprint: ${progress.done} of ${progress.total} tensors`;
  }
}

function eventOf(progress: PullProgress, etaSeconds: number | null): object {
  if (progress.phase === 'found') {
    const { repository, revision, licence } = progress.snapshot;
    return { event: 'found', repository, revision, licence, bytes: progress.bytes };
  }
  const { phase: event, ...rest } = progress;
  return progress.phase === 'download' ? { event, ...rest, etaSeconds } : { event, ...rest };
}
