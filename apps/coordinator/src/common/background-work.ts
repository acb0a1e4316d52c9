/** Work that nobody waits for: failures are logged, and stopping waits for its end. */
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { Environment } from './environment.ts';

/** Milliseconds before work that must be done is tried again, twice as long after each failure. */
const retryDelayMs = 100;
const retryDelayMsMax = 60_000;

const delayAfter = (failures: number): number =>
  Math.min(retryDelayMsMax, retryDelayMs * 2 ** Math.min(failures - 1, 12));

/** Work that nobody waits for. */
@Injectable()
export class BackgroundWork implements BeforeApplicationShutdown {
  readonly #running = new Set<Promise<void>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #environment: Environment;
  #isStopping = false;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Start work that may be left out; its failure is logged under `event`. */
  start(event: string, work: () => Promise<void>): void {
    if (this.#isStopping) return;
    const running = work()
      .catch((error: unknown) => {
        this.#environment.logger.error('background work failed', { event, error });
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /**
   * Start work that must be done: it is tried again until it succeeds, or the application stops, whose next start finds what
   * is left to do.
   */
  startUntilDone(event: string, work: () => Promise<void>): void {
    this.#tryUntilDone(event, work, 0);
  }

  /** Do work that must be done, and return after the first try; where that fails it goes on in the background. */
  async nowOrUntilDone(event: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#tryLater(event, work, 1, error);
    }
  }

  #tryUntilDone(event: string, work: () => Promise<void>, failures: number): void {
    this.start(event, async () => {
      try {
        await work();
      } catch (error) {
        this.#tryLater(event, work, failures + 1, error);
      }
    });
  }

  #tryLater(event: string, work: () => Promise<void>, failures: number, error: unknown): void {
    this.#environment.logger.warn('background work failed, it is tried again', {
      event,
      count: failures,
      error,
    });
    this.#schedule(delayAfter(failures), () => {
      this.#tryUntilDone(event, work, failures);
    });
  }

  /** Start work later, unless the application stops first. */
  startLater(event: string, delayMs: number, work: () => Promise<void>): void {
    this.#schedule(delayMs, () => {
      this.start(event, work);
    });
  }

  #schedule(delayMs: number, run: () => void): void {
    if (this.#isStopping) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }

  /** Start work again and again, the first time after one interval. */
  startEvery(event: string, intervalMs: number, work: () => Promise<void>): void {
    this.startLater(event, intervalMs, async () => {
      try {
        await work();
      } finally {
        this.startEvery(event, intervalMs, work);
      }
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#running);
  }
}
