/** `npm run demo` as another program runs it: its output piped, its temporary files in a folder of their own. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from './package-root.ts';

/** A federation so small that a run takes seconds. */
export const smallDemo = ['--sites', '2', '--images-per-site', '12', '--no-open', '--json'];

/** One run of the demo. */
export class DemoProcess {
  readonly temporary: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;
  #listeners: (() => void)[] = [];
  stdout = '';
  stderr = '';

  /** Start it; `temporary` is made, and should be empty again when it has ended. */
  constructor(temporary: string, options: readonly string[]) {
    this.temporary = temporary;
    mkdirSync(temporary, { recursive: true });
    // A database that is not there: the demo has its own, whatever its caller's environment names.
    const env = { TMPDIR: temporary, DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
    this.#child = spawn(process.execPath, [join(packageRoot, 'tools/demo.mjs'), ...options], {
      env: { ...process.env, ...env, NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#wake();
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#wake();
    });
    this.#exit = new Promise((done) => {
      this.#child.on('close', (code) => {
        done(code);
        this.#wake();
      });
    });
  }

  #wake(): void {
    for (const look of this.#listeners) look();
  }

  /**
   * Wait until what it printed fits.
   *
   * @throws Error with its output where it ends before
   */
  until<T>(pick: (run: this) => T | null): Promise<T> {
    return new Promise((seen, failed) => {
      const look = (): void => {
        const found = pick(this);
        const hasEnded = this.#child.exitCode !== null;
        if (found === null && !hasEnded) return;
        this.#listeners = this.#listeners.filter((each) => each !== look);
        if (found === null) failed(new Error(`the demo ended before; it said:\n${this.stderr}`));
        else seen(found);
      };
      this.#listeners.push(look);
      look();
    });
  }

  /** Wait until its progress says this. */
  async untilSaid(text: string): Promise<void> {
    await this.until(({ stderr }) => (stderr.includes(text) ? true : null));
  }

  /** Wait until its JSON line is there, and parse it. */
  untilOutcome(): Promise<unknown> {
    return this.until(({ stdout }): unknown => {
      const line = /^\{.*\}$/m.exec(stdout)?.[0];
      return line === undefined ? null : JSON.parse(line);
    });
  }

  /** Send a signal to the demo itself; what it started has groups of its own. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Its exit code, once both pipes are closed too. */
  exit(): Promise<number | null> {
    return this.#exit;
  }

  /**
   * Everything that runs with this run's temporary folder in its environment: all that it started, trainers too.
   *
   * @returns their command lines; none where there is no /proc
   */
  async processes(): Promise<string[]> {
    const entries = await readdir('/proc').catch(() => []);
    const found: string[] = [];
    for (const entry of entries.filter((name) => /^\d+$/.test(name))) {
      const read = (file: string): Promise<string> =>
        readFile(`/proc/${entry}/${file}`, 'utf8').catch(() => ''); // ended meanwhile
      if (!(await read('environ')).includes(`TMPDIR=${this.temporary}\0`)) continue;
      const command = await read('cmdline'); // empty where it has ended and is not reaped
      if (command !== '') found.push(command.replaceAll('\0', ' '));
    }
    return found;
  }
}
