/** Work that nobody waits for: failures are logged, and stopping waits for its end. */
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { Environment } from './environment.ts';

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

  /** Start work; its failure is logged under `event`. */
  start(event: string, work: () => Promise<void>): void {
    if (this.#isStopping) return;
    const running = work()
      .catch((error: unknown) => {
        this.#environment.logger.error('background work failed', { event, error });
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Start work later, unless the application stops first. */
  startLater(event: string, delayMs: number, work: () => Promise<void>): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.start(event, work);
    }, delayMs);
    this.#timers.add(timer);
  }

  /** Start work again and again, the first time after one interval. */
  startEvery(event: string, intervalMs: number, work: () => Promise<void>): void {
    this.startLater(event, intervalMs, async () => {
      try {
        await work();
      } finally {
        if (!this.#isStopping) this.startEvery(event, intervalMs, work);
      }
    });
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#running);
  }
}
