/** One trainer process as the agent sees it: jobs one after the other, each watched; one that crashed or was killed is gone. */
import { fork, type ChildProcess } from 'node:child_process';
import { InputError, MeloError, UnavailableError, type ErrorCode } from '#core/errors';
import type { Logger } from '../common/events.ts';
import { trainerMessageSchema, type TrainerJob, type TrainerMessage } from './messages.ts';

/** The trainer refused the job for a reason of its own (images, adapter, engine): starting it again changes nothing. */
export class TrainerRefusal extends MeloError {
  constructor(code: ErrorCode, message: string) {
    super(code, message);
  }
}

/** What a trainer process is started with. */
export interface TrainerChildOptions {
  readonly processFile: string;
  readonly silenceMaxMs: number;
  readonly logger: Logger;
  readonly execArgv?: readonly string[];
}

/** Codes that a fresh process may well get past. */
const restartCodes: ReadonlySet<string> = new Set(['INTERNAL', 'DISK_FULL', 'TIMEOUT']);

const memoryAdvice =
  'if it ran out of memory, lower engine.threads or the number of agents on this machine';

/** Say that a trainer process did not do its job. */
export function crashed(what: string, advice?: string): UnavailableError {
  const next = advice === undefined ? '' : `; ${advice}`;
  return new UnavailableError(
    'TRAINER_FAILED',
    `trainer: expected it to end by itself, ${what}${next}`,
  );
}

interface RunningJob {
  readonly onMessage: (message: TrainerMessage) => void;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One process from its start to its end. */
export class TrainerChild {
  /** Resolves once the process is gone. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #silenceMaxMs: number;
  #job: RunningJob | null = null;
  #silence: NodeJS.Timeout | null = null;
  #errorText = '';
  #failure: Error | null = null;
  #isLost = false;

  constructor(options: TrainerChildOptions) {
    this.#silenceMaxMs = options.silenceMaxMs;
    const child = fork(options.processFile, [], {
      execArgv: [...(options.execArgv ?? [])],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child = child;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errorText = (this.#errorText + text).slice(-2000);
    });
    child.on('message', (message) => {
      this.#take(message);
    });
    child.on('error', (error) => {
      this.#lose(crashed(error.message));
    });
    this.ended = new Promise((resolve) => {
      child.on('close', (code, killedBy) => {
        if (this.#job !== null && this.#errorText !== '')
          options.logger.warn({ code, killedBy, stderr: this.#errorText }, 'trainer: ended');
        this.#isLost = true;
        const end = `it ended with ${killedBy ?? `code ${String(code)}`}`;
        this.#settle(this.#failure ?? crashed(end, memoryAdvice));
        resolve();
      });
    });
  }

  /** Whether it can take a job. */
  get isUsable(): boolean {
    return !this.#isLost && this.#job === null && this.#child.connected;
  }

  /**
   * Do one job; calling it off kills the process, and the promise is settled once it is gone.
   *
   * @throws TrainerRefusal, after which the process takes other jobs; UnavailableError TRAINER_FAILED or InputError
   *   REQUEST_INVALID, after which it is gone
   */
  async run(
    job: TrainerJob,
    onMessage: (message: TrainerMessage) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const kill = (): void => {
      void this.kill(); // its files are complete or absent at any moment
    };
    try {
      await new Promise<void>((resolve, reject) => {
        this.#job = { onMessage, resolve, reject };
        this.#listen();
        signal.addEventListener('abort', kill);
        this.#child.send(job);
      });
    } finally {
      signal.removeEventListener('abort', kill);
    }
  }

  /** End it at once, and wait until it is gone. */
  kill(): Promise<void> {
    this.#isLost = true;
    this.#child.kill('SIGKILL');
    return this.ended;
  }

  /** The job fails with `failure` once the process, which is of no use any more, is gone. */
  #lose(failure: Error): void {
    this.#failure ??= failure;
    void this.kill();
  }

  /** A process that says nothing for too long hangs in native code: it is killed and counts as crashed. */
  #listen(): void {
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#lose(crashed(`it said nothing for ${this.#silenceMaxMs} ms`));
    }, this.#silenceMaxMs);
  }

  #settle(failure: Error | null): void {
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = null;
    const job = this.#job;
    this.#job = null;
    if (failure === null) job?.resolve();
    else job?.reject(failure);
  }

  #take(raw: unknown): void {
    const job = this.#job;
    if (job === null || this.#isLost) return;
    this.#listen();
    const parsed = trainerMessageSchema.safeParse(raw);
    if (!parsed.success) {
      this.#lose(new InputError('REQUEST_INVALID', 'trainer: expected a message of this release'));
      return;
    }
    const message = parsed.data;
    job.onMessage(message);
    if (message.type === 'done') this.#settle(null);
    else if (message.type === 'failed') this.#fail(message.code, message.message);
  }

  #fail(code: ErrorCode, message: string): void {
    if (restartCodes.has(code)) this.#lose(crashed(`it failed with ${code}: ${message}`));
    else this.#settle(new TrainerRefusal(code, message));
  }
}
