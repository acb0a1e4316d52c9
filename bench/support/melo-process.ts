/** Start `melo ...` as a process of its own, read its NDJSON lines, stop or kill it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The package's own folder, from source or from dist. */
export const packageRoot = findPackageRoot(dirname(fileURLToPath(import.meta.url)));

function findPackageRoot(from: string): string {
  const index = from.lastIndexOf(`${join('/', 'dist')}${join('/', 'bench')}`);
  return index >= 0 ? from.slice(0, index) : resolve(from, '..', '..');
}

/** One running `melo` process. */
export class MeloProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #exit: Promise<number | null>;
  #onLine: (() => void)[] = [];
  #hasExited = false;

  constructor(options: {
    readonly name: string;
    readonly args: readonly string[];
    readonly logFile: string;
    readonly input?: string;
    readonly env?: Readonly<Record<string, string>>;
  }) {
    this.name = options.name;
    this.#child = spawn(process.execPath, [join(packageRoot, 'bin', 'melo.mjs'), ...options.args], {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env, NODE_OPTIONS: '' },
    });
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
      this.#child.on('close', (code) => {
        this.#hasExited = true;
        log.end();
        this.#wake();
        done(code);
      });
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

  /** Everything printed so far. */
  get output(): string {
    return this.#lines.join('\n');
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
        throw new Error(
          `${this.name} ${why}; its last lines:\n${this.#lines.slice(-15).join('\n')}`,
        );
      }
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, Math.min(1000, timeoutMs));
        this.#onLine.push(() => {
          clearTimeout(timer);
          wake();
        });
      });
    }
  }

  /** Send a signal and wait for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.#hasExited) this.#child.kill(signal);
    return this.#exit;
  }

  /** Wait for the process to end by itself. */
  exit(): Promise<number | null> {
    return this.#exit;
  }
}
