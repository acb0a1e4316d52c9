/** Where `melo admin watch` writes: a screen in place, a line for each change, or one JSON object for each. */
import { printable } from './text.ts';
import { describeChange, describeFreshness, frameOf, type Freshness } from './watch-text.ts';
import type { Screen } from './watch-ports.ts';
import { changesBetween, partsOf, type WatchedTask, type WatchParts } from './watch-view.ts';

/** What is to be shown now. */
export interface WatchState {
  readonly tasks: readonly WatchedTask[];
  readonly freshness: Freshness;
  readonly nowMs: number;
}

/** Shows states one after the other. */
export interface WatchOutput {
  show(state: WatchState): void;
  end(): void;
}

/** What every way of writing is told. */
export interface WatchOutputOptions {
  readonly url: string;
  readonly intervalMs: number;
  print(line: string): void;
}

/** Everything that is shown, as lines. */
export function linesOf(
  { tasks, freshness, nowMs }: WatchState,
  { url, intervalMs }: WatchOutputOptions,
): readonly string[] {
  const heading = `${url}  ${describeFreshness(freshness, { nowMs, intervalMs })}`;
  return frameOf(tasks, heading, nowMs).map(printable);
}

const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';

/** Draw in place on the terminal's other screen; what was drawn last stays on the first one at the end. */
export class ScreenOutput implements WatchOutput {
  readonly #screen: Screen;
  readonly #options: WatchOutputOptions;
  #lines: readonly string[] = [];

  constructor(screen: Screen, options: WatchOutputOptions) {
    this.#screen = screen;
    this.#options = options;
    screen.write(enter);
  }

  show(state: WatchState): void {
    this.#lines = linesOf(state, this.#options);
    const rows = Math.max(2, this.#screen.rows());
    const columns = this.#screen.columns();
    const hidden = this.#lines.length - (rows - 1);
    const shown =
      hidden <= 0
        ? this.#lines
        : [...this.#lines.slice(0, rows - 2), `... ${hidden + 1} lines more; name a task`];
    const drawn = shown.map((line) => `${Array.from(line).slice(0, columns).join('')}\u001b[K\r\n`);
    this.#screen.write(`\u001b[H${drawn.join('')}\u001b[J`);
  }

  end(): void {
    this.#screen.write(leave);
    if (this.#lines.length > 0) this.#options.print(this.#lines.join('\n'));
  }
}

/** Write what changed: a line for people or one JSON object each; at first everything is new. */
export class ChangesOutput implements WatchOutput {
  readonly #options: WatchOutputOptions;
  readonly #isJson: boolean;
  #parts: WatchParts = new Map();
  #freshness = '';

  constructor(options: WatchOutputOptions, isJson: boolean) {
    this.#options = options;
    this.#isJson = isJson;
  }

  show({ tasks, freshness, nowMs }: WatchState): void {
    const { state, sinceMs, reason } = freshness;
    const { intervalMs } = this.#options;
    if (this.#freshness !== state) {
      const event = { event: 'connection', state, sinceMs, reason };
      this.#write(event, describeFreshness(freshness, { nowMs, intervalMs }), nowMs);
    }
    this.#freshness = state;
    const parts = partsOf(tasks);
    for (const change of changesBetween(this.#parts, parts)) {
      this.#write(change, describeChange(change, nowMs), nowMs);
    }
    this.#parts = parts;
  }

  end(): void {
    // Every line was written when it was due.
  }

  #write(event: object, text: string, nowMs: number): void {
    const at = new Date(nowMs).toISOString();
    const line = this.#isJson
      ? JSON.stringify({ atMs: nowMs, ...event })
      : `${at} ${printable(text)}`;
    this.#options.print(line);
  }
}
