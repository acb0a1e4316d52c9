/** Start `melo ...` as a process of its own, read its NDJSON lines, stop or kill it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from './package-root.ts';

/** Milliseconds a process may take to end after SIGTERM before it is killed. */
const gracePeriodMs = 15_000;

const living = new Set<MeloProcess>();

/** Kill whatever still runs: for `afterAll`, so that a failed test leaves no process behind. */
export async function killAllProcesses(): Promise<void> {
  await Promise.all([...living].map((each) => each.stop('SIGKILL')));
}

process.once('exit', () => {
  for (const each of living) each.killGroup();
});

/** Parse one line of output as JSON, or undefined: not every line is NDJSON, Node's own warnings are not. */
export function parseJsonLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // a line for people
  }
}

/** One running `melo` process. */
export class MeloProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #exit: Promise<number | null>;
  #onLine: (() => void)[] = [];
  #hasExited = false;
  #isExpectedToEnd = false;

  constructor(options: {
    readonly name: string;
    readonly args: readonly string[];
    /** The program that Node runs; `melo` by default. */
    readonly script?: string;
    readonly logFile: string;
    readonly input?: string;
    readonly env?: Readonly<Record<string, string>>;
    /** Options of Node itself, such as a profiler's. */
    readonly nodeArguments?: readonly string[];
  }) {
    this.name = options.name;
    // A group of its own, so that a trainer it forked can be ended with it after a failed test.
    const { nodeArguments = [], script = join(packageRoot, 'bin', 'melo.mjs') } = options;
    const program = [...nodeArguments, script];
    this.#child = spawn(process.execPath, [...program, ...options.args], {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env, NODE_OPTIONS: '' },
      detached: process.platform !== 'win32',
    });
    living.add(this);
    this.#child.stdin?.on('error', () => undefined); // it may end before it reads its input
    if (options.input !== undefined) this.#child.stdin?.end(options.input);
    const log = createWriteStream(options.logFile, { flags: 'a' });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        log.write(`${line}\n`);
        this.#lines.push(line);
        this.#wake();
      });
    }
    this.#exit = new Promise((done) => {
      const onEnd = (code: number | null): void => {
        this.#hasExited = true;
        log.end();
        this.#wake();
        done(code);
      };
      // Its pipes may stay open in a forked child for a moment, so `exit` counts, after a turn for the last lines.
      this.#child.on('exit', (code) => setTimeout(onEnd, 50, code));
      this.#child.on('error', () => onEnd(null));
    });
  }

  #wake(): void {
    const waiting = this.#onLine;
    this.#onLine = [];
    for (const wake of waiting) wake();
  }

  /** Process id, or -1 where it never started. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Close both streams at this end, as a reader that ends first does. */
  stopReading(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** Whether it has ended. */
  get hasExited(): boolean {
    return this.#hasExited;
  }

  /** Whether it has ended although nobody stopped or killed it. */
  get hasFailed(): boolean {
    return this.#hasExited && !this.#isExpectedToEnd;
  }

  /** Everything printed so far, both streams. */
  get output(): string {
    return this.#lines.join('\n');
  }

  /** The lines printed so far from one on, for a reader that comes back. */
  linesFrom(index: number): readonly string[] {
    return this.#lines.slice(index);
  }

  /** The end of it, for messages. */
  get lastLines(): string {
    return this.#lines.slice(-15).join('\n');
  }

  /** The NDJSON values printed so far. */
  get events(): unknown[] {
    return this.#lines.map(parseJsonLine).filter((value) => value !== undefined);
  }

  /**
   * Wait until a line fits, counting lines printed before too.
   *
   * @throws Error with the last lines where the process ends first or the time is up
   */
  async waitForLine<T>(pick: (line: string) => T | undefined, timeoutMs = 120_000): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (let index = 0; ;) {
      for (; index < this.#lines.length; index++) {
        const found = pick(this.#lines[index] ?? '');
        if (found !== undefined) return found;
      }
      if (this.#hasExited || Date.now() > deadline) {
        const why = this.#hasExited ? 'ended' : `printed nothing fitting in ${timeoutMs} ms`;
        throw new Error(`${this.name} ${why}; its last lines:\n${this.lastLines}`);
      }
      await this.#nextLine(Math.min(1000, timeoutMs));
    }
  }

  #nextLine(timeoutMs: number): Promise<void> {
    return new Promise((wake) => {
      const timer = setTimeout(wake, timeoutMs);
      this.#onLine.push(() => {
        clearTimeout(timer);
        wake();
      });
    });
  }

  /** Wait until an NDJSON line with this event was printed, e.g. `uploaded`. */
  waitForEvent(event: string, timeoutMs = 120_000): Promise<unknown> {
    return this.waitForLine((line) => {
      const value = parseJsonLine(line);
      const isWanted =
        typeof value === 'object' && value !== null && 'event' in value && value.event === event;
      return isWanted ? value : undefined;
    }, timeoutMs);
  }

  /** Send a signal to this process alone and wait for its end; after 15 s it is killed with what it started. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#isExpectedToEnd = true;
    if (!this.#hasExited) this.#child.kill(signal);
    const timeUp = new AbortController();
    const code = await Promise.race([
      this.#exit,
      sleep(gracePeriodMs, 'late' as const, { signal: timeUp.signal }).catch(() => null),
    ]);
    timeUp.abort();
    this.killGroup();
    living.delete(this);
    return code === 'late' ? this.#exit : code;
  }

  /** End this process alone at once, as a power cut would; what it forked must notice by itself. */
  async kill(): Promise<void> {
    this.#isExpectedToEnd = true;
    this.#child.kill('SIGKILL');
    await this.#exit;
  }

  /** It may end by itself from now on: that is no failure. */
  expectEnd(): void {
    this.#isExpectedToEnd = true;
  }

  /** Send a signal to this process alone, and wait for nothing. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Kill whatever is left of its process group. */
  killGroup(): void {
    if (this.pid < 0) return;
    try {
      process.kill(process.platform === 'win32' ? this.pid : -this.pid, 'SIGKILL');
    } catch {
      // nothing of it is left
    }
  }

  /** Wait for the process to end by itself. */
  exit(): Promise<number | null> {
    return this.#exit;
  }
}
