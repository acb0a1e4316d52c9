/** Starts trainer processes, keeps one between jobs, and starts another when one crashes. */
import type { Logger } from '../common/events.ts';
import { sleep } from '../common/retry.ts';
import type {
  InspectedBackbone,
  RoundJob,
  RoundPart,
  TrainerJob,
  TrainerMessage,
  TrainerProgress,
} from './messages.ts';
import {
  crashed,
  TrainerChild,
  TrainerRefusal,
  type TrainerChildOptions,
} from './trainer-child.ts';

export { TrainerRefusal } from './trainer-child.ts';

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

/** Bounds of trainer processes. */
export interface TrainerOptions extends TrainerChildOptions {
  readonly attempts: number;
  readonly restartDelayMs: number;
  /** A process without a job is ended after so long: the machine has its memory back. */
  readonly idleMaxMs: number;
  readonly logger: Logger;
}

interface IdleChild {
  readonly child: TrainerChild;
  readonly timer: NodeJS.Timeout;
}

/** Runs jobs in a process beside the agent, which stays for the next one: model and images are there already. */
export class ProcessTrainer implements Trainer {
  readonly #options: TrainerOptions;
  #idle: IdleChild | null = null;
  #isStopped = false;

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

  /** End the process that waits for a job, and keep none from now on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#takeIdle()?.kill();
  }

  async #runOnce(
    job: TrainerJob,
    onMessage: (message: TrainerMessage) => void,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const child = this.#takeIdle() ?? new TrainerChild(this.#options);
    try {
      await child.run(job, onMessage, signal);
    } finally {
      await this.#keep(child);
    }
  }

  #takeIdle(): TrainerChild | null {
    const idle = this.#idle;
    this.#idle = null;
    if (idle === null) return null;
    clearTimeout(idle.timer);
    return idle.child;
  }

  /** The agent keeps the time: a process that ended itself might do so just as a job comes. */
  async #keep(child: TrainerChild): Promise<void> {
    if (!child.isUsable || this.#isStopped || this.#idle !== null) {
      await child.kill();
      return;
    }
    const timer = setTimeout(() => {
      void this.#takeIdle()?.kill();
    }, this.#options.idleMaxMs);
    timer.unref();
    const idle = { child, timer };
    this.#idle = idle;
    void child.ended.then(() => {
      if (this.#idle === idle) this.#takeIdle(); // it ended while it waited: the next job starts another
    });
  }
}

function deliver(message: TrainerMessage, handlers: JobHandlers): void {
  if (message.type === 'progress') handlers.onProgress(message);
  else if (message.type === 'finished') handlers.onFinished(message.part);
  else if (message.type === 'unreadable') handlers.onUnreadable(message.count);
}
