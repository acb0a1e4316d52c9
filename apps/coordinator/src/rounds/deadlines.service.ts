/**
 * Deadlines of rounds: stored as wall time, measured by the monotonic clock while the process lives.
 *
 * Time during which the coordinator was down is added back at the next start, from the last stored sign of life. Where
 * wall time jumps against monotonic time by more than five minutes (a clock that was set, a machine that slept), the
 * stored deadlines move along, so that the time left stays what it was, and an alert is logged.
 */
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { eq } from 'drizzle-orm';
import { z } from 'zod';
import { Environment } from '../common/environment.ts';
import type { Queries } from '../config/database.ts';
import { settings } from '../config/schema.ts';
import { RoundStore } from './round-store.ts';

const tickMs = 250;
const signOfLifeIntervalMs = 10_000;
const clockJumpMs = 5 * 60_000;
const lastAliveKey = 'last-alive-ms';

interface Deadline {
  readonly dueMonotonicMs: number;
  readonly onPassed: () => void;
}

/** Deadlines of rounds. */
@Injectable()
export class DeadlinesService implements OnApplicationShutdown {
  readonly #environment: Environment;
  readonly #store: RoundStore;
  readonly #deadlines = new Map<number, Deadline>();
  /** Called with the milliseconds by which every stored deadline moves: down-time, or a jump of the clock. */
  readonly whenShifted: ((transaction: Queries, byMs: number) => Promise<void>)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #lastTick: { readonly wallMs: number; readonly monotonicMs: number };
  #lastSignMonotonicMs = 0;
  /** Set until the deadlines that follow a jump are stored. */
  /** By how much wall time jumped and stored deadlines do not follow yet. */
  #jumpDueMs = 0;
  #isTicking = false;

  constructor(environment: Environment, store: RoundStore) {
    this.#environment = environment;
    this.#store = store;
    this.#lastTick = this.#now();
  }

  /** Add the down-time to every open deadline and begin to measure. */
  async start(): Promise<void> {
    const { queries, clock, logger } = this.#environment;
    const rows = await queries.select().from(settings).where(eq(settings.key, lastAliveKey));
    const lastAliveMs = rows[0] === undefined ? null : z.number().parse(rows[0].value);
    const downTimeMs = lastAliveMs === null ? 0 : Math.max(0, clock.wallTimeMs() - lastAliveMs);
    const unsettled = await this.#store.unsettled();
    // In one transaction: the time is added once, whenever the start fails.
    await this.#environment.transactions.run(async (transaction) => {
      for (const { id, deadlineAtMs } of unsettled) {
        await this.#store.setDeadline(transaction, id, deadlineAtMs + downTimeMs);
      }
      for (const listener of this.whenShifted) await listener(transaction, downTimeMs);
      await this.#signOfLife(transaction);
    });
    if (downTimeMs > 0)
      logger.info('down-time added to open deadlines', { durationMs: downTimeMs });
    this.#lastTick = this.#now();
    this.#timer = setInterval(() => {
      void this.tick().catch((error: unknown) => {
        logger.error('deadline tick failed', { error });
      });
    }, tickMs);
  }

  /** Measure a deadline from now on; one of the same round is replaced. */
  schedule(roundId: number, deadlineAtMs: number, onPassed: () => void): void {
    const leftMs = Math.max(0, deadlineAtMs - this.#environment.clock.wallTimeMs());
    const dueMonotonicMs = this.#environment.clock.monotonicTimeMs() + leftMs;
    this.#deadlines.set(roundId, { dueMonotonicMs, onPassed });
  }

  /** Measure a deadline no more. */
  cancel(roundId: number): void {
    this.#deadlines.delete(roundId);
  }

  /** Look at the clocks: what has passed, whether wall time jumped, whether a sign of life is due. */
  async tick(): Promise<void> {
    const { queries } = this.#environment;
    const now = this.#now();
    const jumpMs =
      now.wallMs - this.#lastTick.wallMs - (now.monotonicMs - this.#lastTick.monotonicMs);
    this.#lastTick = now;
    for (const [roundId, deadline] of this.#deadlines) {
      if (now.monotonicMs < deadline.dueMonotonicMs) continue;
      this.#deadlines.delete(roundId);
      deadline.onPassed();
    }
    if (Math.abs(jumpMs) > clockJumpMs) this.#noteJump(jumpMs);
    if (this.#isTicking) return; // the database is slow: the next look stores what is due
    this.#isTicking = true;
    try {
      if (this.#jumpDueMs !== 0) await this.#followJump(now);
      if (now.monotonicMs - this.#lastSignMonotonicMs >= signOfLifeIntervalMs) {
        await this.#signOfLife(queries);
      }
    } finally {
      this.#isTicking = false;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    const { queries, logger } = this.#environment;
    try {
      await this.#signOfLife(queries);
    } catch (error) {
      logger.error('the last sign of life is not stored', { error });
    }
  }

  #noteJump(jumpMs: number): void {
    this.#jumpDueMs += jumpMs;
    this.#environment.logger.error(
      'ALERT: the clock jumped; the deadlines of open rounds were held and follow it',
      { event: 'clock-jump', durationMs: jumpMs },
    );
  }

  /** Keep the time left, whatever wall time says now. */
  async #followJump(now: { readonly wallMs: number; readonly monotonicMs: number }): Promise<void> {
    const jumpMs = this.#jumpDueMs;
    await this.#environment.transactions.run(async (transaction) => {
      for (const [roundId, { dueMonotonicMs }] of this.#deadlines) {
        const deadlineAtMs = Math.round(now.wallMs + dueMonotonicMs - now.monotonicMs);
        await this.#store.setDeadline(transaction, roundId, deadlineAtMs);
      }
      for (const listener of this.whenShifted) await listener(transaction, Math.round(jumpMs));
      await this.#signOfLife(transaction);
    });
    this.#jumpDueMs -= jumpMs;
  }

  async #signOfLife(queries: Queries): Promise<void> {
    const { clock } = this.#environment;
    this.#lastSignMonotonicMs = clock.monotonicTimeMs();
    const value = clock.wallTimeMs();
    await queries
      .insert(settings)
      .values({ key: lastAliveKey, value })
      .onConflictDoUpdate({ target: settings.key, set: { value } });
  }

  #now(): { readonly wallMs: number; readonly monotonicMs: number } {
    const { clock } = this.#environment;
    return { wallMs: clock.wallTimeMs(), monotonicMs: clock.monotonicTimeMs() };
  }
}
