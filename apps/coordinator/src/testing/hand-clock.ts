/** Clocks that specs move. */
import type { Clock } from '#core/clock';
import { systemClock } from '../common/clock.ts';

/** A clock that moves when told. */
export class HandClock implements Clock {
  nowMs = 1_800_000_000_000;
  wallTimeMs = (): number => this.nowMs;
  monotonicTimeMs = (): number => this.nowMs;
}

/** The system's clocks, ahead by what a spec let pass: a deadline is over when the spec says so, however slow the machine. */
export class AheadClock implements Clock {
  #aheadMs = 0;
  wallTimeMs = (): number => systemClock.wallTimeMs() + this.#aheadMs;
  monotonicTimeMs = (): number => systemClock.monotonicTimeMs() + this.#aheadMs;
  pass(durationMs: number): void {
    this.#aheadMs += durationMs;
  }
}
