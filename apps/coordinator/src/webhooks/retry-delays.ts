/** When a delivery is sent again, and when it is given up. */

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

/** The longest wait before each further attempt, in milliseconds; after the last one, a day and a half on, it is given up. */
export const retryDelaysMs: readonly number[] = [
  10_000,
  30_000,
  2 * minuteMs,
  10 * minuteMs,
  hourMs,
  3 * hourMs,
  8 * hourMs,
  24 * hourMs,
];

/**
 * Milliseconds until the next attempt; null where none is left.
 *
 * @param attempts - attempts that failed so far, at least 1
 * @param chance - 0 to 1, drawn anew each time: half of the wait is fixed and half of it by chance, so that addresses that were
 * away together are not all called at one moment
 */
export function retryDelayMs(attempts: number, chance: number): number | null {
  const longestMs = retryDelaysMs[attempts - 1];
  return longestMs === undefined ? null : Math.round((longestMs / 2) * (1 + chance));
}
