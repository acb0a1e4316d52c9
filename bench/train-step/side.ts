/** The benchmark's end of a side: a process that is idle unless it was asked for steps. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { readySchema, turnSchema, type Ready, type SideOptions, type Turn } from './messages.ts';

/** A side that did not answer in its time, or ended. */
export class SideError extends Error {}

/** One side of the benchmark. */
export class Side {
  readonly name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #ended: Promise<number | null>;

  constructor(name: string, program: string, programArguments: readonly string[]) {
    this.name = name;
    // The products' side loads onnxruntime by itself, which reports to its maker unless this is set.
    const env = { ...process.env, ORT_DISABLE_TELEMETRY: '1' };
    this.#child = spawn(program, programArguments, { stdio: ['pipe', 'pipe', 'inherit'], env });
    this.#child.stdin.on('error', () => undefined); // it has ended: the wait for its answer says so
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#ended = new Promise((done) => {
      this.#child.once('error', () => done(null));
      this.#child.once('exit', done);
    });
  }

  /** Wait until it is ready. */
  async ready(timeoutMs: number): Promise<Ready> {
    return readySchema.parse(await this.firstLine(timeoutMs));
  }

  /** Wait for what it says by itself once it is ready. */
  async firstLine(timeoutMs: number): Promise<unknown> {
    const said: unknown = JSON.parse(await this.#line(timeoutMs));
    return said;
  }

  /** Let it take steps. */
  async steps(count: number, timeoutMs: number): Promise<Turn> {
    return turnSchema.parse(await this.ask({ steps: count }, timeoutMs));
  }

  /** Give an order, one line of JSON, and return the answer as it came. */
  async ask(order: object, timeoutMs: number): Promise<unknown> {
    const line = this.#line(timeoutMs);
    this.#child.stdin.write(`${JSON.stringify(order)}\n`);
    const answer: unknown = JSON.parse(await line);
    return answer;
  }

  /** End it. */
  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  async #line(timeoutMs: number): Promise<string> {
    const cancel = new AbortController();
    const timer = setTimeout(() => cancel.abort(), timeoutMs);
    try {
      return await new Promise<string>((done, failed) => {
        const fail = (what: string): void => failed(new SideError(`${this.name}: ${what}`));
        this.#lines.once('line', done);
        void this.#ended.then((status) => fail(`expected an answer, it ended with ${status}`));
        const late = `expected an answer within ${timeoutMs / 1000} s, none came`;
        cancel.signal.addEventListener('abort', () => fail(late));
      });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Start a side that is a program of this folder. */
export function startOwnSide(program: 'our-side' | 'products-side', options: SideOptions): Side {
  const path = fileURLToPath(new URL(`./${program}.js`, import.meta.url));
  return new Side(program, process.execPath, [path, JSON.stringify(options)]);
}

/** How PyTorch runs the model. */
export type PeerMode = 'eager' | 'compile';

/** Start PyTorch's side. */
export function startPeerSide(interpreter: string, mode: PeerMode, options: SideOptions): Side {
  const script = fileURLToPath(new URL('./torch_peer.py', import.meta.url));
  const { shape, rank, classes, batch, threads } = options;
  const { patchSize, imageSize } = shape;
  const peerOptions = { size: shape, patchSize, imageSize, rank, classes, batch, threads, mode };
  return new Side(`torch-${mode}`, interpreter, [script, JSON.stringify(peerOptions)]);
}
