/** Progress for people: bars that are drawn anew on a terminal, lines anywhere else. */

/** Where progress goes: standard error, or a list of lines in a spec. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const barWidth = 24;

/** Draw a share of 0 to 1 as a bar. */
export function bar(share: number, width = barWidth): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]`;
}

/** So much of the work must have been seen done before it says how long the rest takes. */
const shareSeenMin = 0.05;

/** Guesses the seconds left from the work seen done: the start, when nothing moves yet, does not count. */
export class TimeLeft {
  #first: { readonly atSeconds: number; readonly share: number } | undefined;

  /** The seconds left at this moment; null as long as there is too little to go by. */
  at(seconds: number, share: number): number | null {
    if (share >= 1) return 0;
    if (!(share > 0)) return null;
    this.#first ??= { atSeconds: seconds, share };
    const shareSeen = share - this.#first.share;
    if (shareSeen < shareSeenMin) return null;
    return ((seconds - this.#first.atSeconds) / shareSeen) * (1 - share);
  }
}

/** Seconds as people say them. */
export function durationText(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 120 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** The time left as people say it. */
export function leftText(seconds: number | null): string {
  return seconds === null ? 'time left not known yet' : `about ${durationText(seconds)} left`;
}

/** Draws. */
export class ProgressView {
  readonly #stream: ProgressStream;
  #linesDrawn = 0;

  constructor(stream: ProgressStream) {
    this.#stream = stream;
  }

  /** Whether bars are drawn anew. */
  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  /** Say a line that stays. */
  say(line: string): void {
    this.clear();
    this.#stream.write(`${line}\n`);
  }

  /** Draw bars in place of those before; nothing where there is no terminal. */
  draw(lines: readonly string[]): void {
    if (!this.isTerminal) return;
    this.clear();
    const width = (this.#stream.columns ?? 80) - 1; // a line that wraps could not be taken back
    this.#stream.write(lines.map((line) => `${line.slice(0, width)}\n`).join(''));
    this.#linesDrawn = lines.length;
  }

  /** Take the bars away. */
  clear(): void {
    if (this.#linesDrawn === 0) return;
    this.#stream.write(`\u001B[${this.#linesDrawn}A\u001B[0J`);
    this.#linesDrawn = 0;
  }
}
