/** The system's clocks, behind the core's port. */
import type { Clock } from '#core/clock';

/** Wall time of the system and the monotonic time of this process. */
export const systemClock: Clock = {
  wallTimeMs: () => Date.now(),
  monotonicTimeMs: () => performance.now(),
};
