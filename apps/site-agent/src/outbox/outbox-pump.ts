/** Sends what the outbox holds, one entry after the other, for as long as it takes; beside training, never blocking it. */
import { noCrashPoints, type CrashPoints } from '#core/crash-points';
import { RefusedError } from '../transport/refused-error.ts';
import { isLinkError, type CoordinatorCommands } from '../transport/connection.ts';
import { uploadSealed, type UploadOutcome, type UploadProgress } from '../transport/upload.ts';
import { backoffDelayMs, sleep, type Backoff } from '../common/retry.ts';
import type { Logger } from '../common/events.ts';
import type { EvaluationEntry, Outbox, OutboxEntry, UpdateEntry } from './outbox.ts';

/** What the pump tells the agent. */
export interface PumpEvents {
  onProgress(entry: UpdateEntry, progress: UploadProgress): void;
  /** The coordinator has the update, or had it before. Called before the entry is put by. */
  onUploaded(entry: UpdateEntry, outcome: UploadOutcome): Promise<void>;
  /** The coordinator will never take the entry. Called before the entry is removed. */
  onDropped(entry: OutboxEntry, refusal: RefusedError): Promise<void>;
}

/** Sends the outbox. */
export class OutboxPump {
  readonly #outbox: Outbox;
  readonly #commands: CoordinatorCommands;
  readonly #events: PumpEvents;
  readonly #logger: Logger;
  readonly #backoff: Backoff;
  readonly #crashPoints: CrashPoints;
  readonly #stop = new AbortController();
  #running: Promise<void> | null = null;
  /** The entry under way. */
  #active: {
    readonly task: string;
    readonly abort: AbortController;
    readonly ended: Promise<boolean>;
  } | null = null;
  #isKicked = false;
  /** Tasks of which nothing goes out. */
  readonly #held = new Set<string>();

  constructor(options: {
    readonly outbox: Outbox;
    readonly commands: CoordinatorCommands;
    readonly events: PumpEvents;
    readonly logger: Logger;
    readonly backoff: Backoff;
    readonly crashPoints?: CrashPoints;
  }) {
    this.#outbox = options.outbox;
    this.#commands = options.commands;
    this.#events = options.events;
    this.#logger = options.logger;
    this.#backoff = options.backoff;
    this.#crashPoints = options.crashPoints ?? noCrashPoints;
  }

  /** Send what waits now; returns at once. */
  kick(): void {
    this.#isKicked = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      if (this.#isKicked && !this.#isStopped()) this.kick();
    });
  }

  /** Stop after the entry under way fails or ends; what waits stays in the outbox. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Send nothing of a task from now on, and return once nothing of it is under way. */
  async hold(task: string): Promise<void> {
    this.#held.add(task);
    if (this.#active?.task !== task) return;
    this.#active.abort.abort();
    await this.#active.ended;
  }

  /** Send what is of a task again. */
  release(task: string): void {
    this.#held.delete(task);
  }

  /** A method, since the answer changes while others wait. */
  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (this.#isKicked && !this.#isStopped()) {
      this.#isKicked = false;
      let hasFailed = false;
      for (const name of await this.#outbox.names()) {
        if (this.#isStopped()) return;
        hasFailed = !(await this.#send(name)) || hasFailed;
      }
      failures = hasFailed ? failures + 1 : 0;
      if (!hasFailed) continue;
      await sleep(backoffDelayMs(failures, this.#backoff), this.#stop.signal);
      this.#isKicked = true;
    }
  }

  /** Send one entry; tells whether it is dealt with. */
  async #send(name: string): Promise<boolean> {
    const entry = await this.#outbox.read(name);
    if (entry === null) return true;
    const task = entry.kind === 'update' ? entry.key.task : entry.task;
    if (this.#held.has(task)) return true; // about to be removed
    const abort = new AbortController();
    const ended = this.#sendEntry(entry, AbortSignal.any([this.#stop.signal, abort.signal]));
    this.#active = { task, abort, ended };
    try {
      return await ended;
    } finally {
      this.#active = null;
    }
  }

  async #sendEntry(entry: OutboxEntry, signal: AbortSignal): Promise<boolean> {
    const { name } = entry;
    try {
      if (entry.kind === 'update') {
        await this.#sendUpdate(entry, signal);
        await this.#outbox.keepSent(entry.key);
        return true;
      }
      await this.#sendEvaluation(entry, signal);
    } catch (error) {
      if (signal.aborted) return false;
      if (!(error instanceof RefusedError) || error.isRetryable || error.code === 'INTERNAL') {
        this.#logger.warn({ entry: name, error: String(error) }, 'outbox: sent again later');
        return false;
      }
      await this.#events.onDropped(entry, error);
    }
    await this.#outbox.remove(name);
    return true;
  }

  async #sendUpdate(entry: UpdateEntry, signal: AbortSignal): Promise<void> {
    const outcome = await uploadSealed(this.#commands, entry, {
      signal,
      retryDelayMs: this.#backoff.minimumMs,
      onProgress: (progress) => {
        this.#crashPoints.reach('agent.range-acknowledged');
        this.#events.onProgress(entry, progress);
      },
    });
    await this.#events.onUploaded(entry, outcome);
  }

  async #sendEvaluation(entry: EvaluationEntry, signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#commands.whenConnected(signal);
      try {
        await this.#commands.command('evaluation', { evaluation: entry.evaluation });
        return;
      } catch (error) {
        if (!isLinkError(error) || signal.aborted) throw error;
      }
    }
  }
}
