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

/** Guess the seconds left from the share done; null as long as there is too little to go by. */
export function secondsLeft(elapsedSeconds: number, share: number): number | null {
  if (!(share > 0.005) || elapsedSeconds <= 0) return null;
  return elapsedSeconds * (1 / Math.min(1, share) - 1);
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
