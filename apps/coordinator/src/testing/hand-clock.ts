/** A clock that moves when told. */
import type { Clock } from '#core/clock';

/** A clock that moves when told. */
export class HandClock implements Clock {
  nowMs = 1_800_000_000_000;
  wallTimeMs = (): number => this.nowMs;
  monotonicTimeMs = (): number => this.nowMs;
}
