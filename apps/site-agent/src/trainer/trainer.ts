/** Starts trainer processes, watches them, and starts them again when they crash. */
import { fork, type ChildProcess } from 'node:child_process';
import { InputError, MeloError, UnavailableError, type ErrorCode } from '#core/errors';
import type { Logger } from '../common/events.ts';
import { sleep } from '../common/retry.ts';
import {
  trainerMessageSchema,
  type InspectedBackbone,
  type RoundJob,
  type RoundPart,
  type TrainerJob,
  type TrainerMessage,
  type TrainerProgress,
} from './messages.ts';

/** What a job reports while it runs. */
export interface JobHandlers {
  onProgress(progress: TrainerProgress): void;
  /** A part's files are on disk. */
  onFinished(part: RoundPart): void;
  onUnreadable(count: number): void;
}

/** Runs the work of rounds, one at a time. */
export interface Trainer {
  /**
   * Do a round's work; restarts a crashed process a bounded number of times.
   *
   * @throws UnavailableError TRAINER_FAILED, or MeloError with the trainer's own code
   */
  run(job: RoundJob, handlers: JobHandlers, signal: AbortSignal): Promise<void>;
  /** Read a backbone's configuration and fingerprint. */
  inspectBackbone(directory: string): Promise<InspectedBackbone>;
}

/** The trainer refused the job for a reason of its own (images, adapter, engine): starting it again changes nothing. */
export class TrainerRefusal extends MeloError {
  constructor(code: ErrorCode, message: string) {
    super(code, message);
  }
}

/** Bounds of trainer processes. */
export interface TrainerOptions {
  readonly processFile: string;
  readonly attempts: number;
  readonly restartDelayMs: number;
  readonly silenceMaxMs: number;
  readonly logger: Logger;
  readonly execArgv?: readonly string[];
}

/** Codes that a fresh process may well get past. */
const restartCodes: ReadonlySet<string> = new Set(['INTERNAL', 'DISK_FULL', 'TIMEOUT']);

function crashed(what: string): UnavailableError {
  return new UnavailableError(
    'TRAINER_FAILED',
    `trainer: expected it to end by itself, ${what}; if it ran out of memory, lower engine.threads or the number of agents on this machine`,
  );
}

/** Runs each job in a process of its own. */
export class ProcessTrainer implements Trainer {
  readonly #options: TrainerOptions;

  constructor(options: TrainerOptions) {
    this.#options = options;
  }

  async run(job: RoundJob, handlers: JobHandlers, signal: AbortSignal): Promise<void> {
    const { attempts, restartDelayMs, logger } = this.#options;
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#runOnce(job, (message) => deliver(message, handlers), signal);
        return;
      } catch (error) {
        if (signal.aborted || error instanceof TrainerRefusal || attempt >= attempts) throw error;
        logger.warn({ attempt, attempts, error: String(error) }, 'trainer: started again');
        await sleep(restartDelayMs * 2 ** (attempt - 1), signal);
        signal.throwIfAborted();
      }
    }
  }

  async inspectBackbone(directory: string): Promise<InspectedBackbone> {
    const inspected: InspectedBackbone[] = [];
    const never = new AbortController().signal;
    await this.#runOnce(
      { type: 'inspect-backbone', directory },
      (message) => {
        if (message.type !== 'inspected') return;
        const { type: _, ...found } = message;
        inspected.push(found);
      },
      never,
    );
    const [first] = inspected;
    if (first === undefined) throw crashed('it ended without an answer');
    return first;
  }

  #runOnce(
    job: TrainerJob,
    onMessage: (message: TrainerMessage) => void,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const child = fork(this.#options.processFile, [], {
      execArgv: [...(this.#options.execArgv ?? [])],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const watch = new ChildWatch(child, this.#options, onMessage);
    const kill = (): void => {
      child.kill('SIGKILL'); // its files are complete or absent at any moment
    };
    signal.addEventListener('abort', kill);
    child.send(job);
    return watch.ended.finally(() => {
      signal.removeEventListener('abort', kill);
    });
  }
}

function deliver(message: TrainerMessage, handlers: JobHandlers): void {
  if (message.type === 'progress') handlers.onProgress(message);
  else if (message.type === 'finished') handlers.onFinished(message.part);
  else if (message.type === 'unreadable') handlers.onUnreadable(message.count);
}

/** One process from its first message to its end. */
class ChildWatch {
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #silenceMaxMs: number;
  readonly #onMessage: (message: TrainerMessage) => void;
  #silence: NodeJS.Timeout | null = null;
  #errorText = '';
  #isDone = false;
  #failure: Error | null = null;

  constructor(
    child: ChildProcess,
    options: TrainerOptions,
    onMessage: (message: TrainerMessage) => void,
  ) {
    this.#child = child;
    this.#silenceMaxMs = options.silenceMaxMs;
    this.#onMessage = onMessage;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#errorText = (this.#errorText + text).slice(-2000);
    });
    child.on('message', (message) => {
      this.#take(message);
    });
    this.#listen();
    this.ended = new Promise((resolve, reject) => {
      child.on('error', (error) => {
        this.#failure ??= crashed(error.message);
      });
      child.on('close', (code, killedBy) => {
        if (this.#silence !== null) clearTimeout(this.#silence);
        if (this.#isDone) {
          resolve();
          return;
        }
        if (this.#errorText !== '')
          options.logger.warn({ code, killedBy, stderr: this.#errorText }, 'trainer: ended');
        reject(this.#failure ?? crashed(`it ended with ${killedBy ?? `code ${String(code)}`}`));
      });
    });
  }

  /** A process that says nothing for too long hangs in native code: it is killed and counts as crashed. */
  #listen(): void {
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#failure = crashed(`it said nothing for ${this.#silenceMaxMs} ms`);
      this.#child.kill('SIGKILL');
    }, this.#silenceMaxMs);
  }

  #take(raw: unknown): void {
    this.#listen();
    const parsed = trainerMessageSchema.safeParse(raw);
    if (!parsed.success) {
      this.#failure = new InputError(
        'REQUEST_INVALID',
        'trainer: expected a message of this release',
      );
      this.#child.kill('SIGKILL');
      return;
    }
    const message = parsed.data;
    if (message.type === 'done') this.#isDone = true;
    else if (message.type === 'failed') this.#failure = failureOf(message.code, message.message);
    this.#onMessage(message);
  }
}

function failureOf(code: ErrorCode, message: string): Error {
  return restartCodes.has(code)
    ? crashed(`it failed with ${code}: ${message}`)
    : new TrainerRefusal(code, message);
}
