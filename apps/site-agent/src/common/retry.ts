/** Waiting and trying again: jittered exponential back-off, and sleeps that an abort ends. */
import { randomInt } from 'node:crypto';

const randomShare = (): number => randomInt(2 ** 32) / 2 ** 32;

/** Bounds of a back-off. */
export interface Backoff {
  readonly minimumMs: number;
  readonly maximumMs: number;
}

/**
 * Tell how long to wait before attempt `attempt` (0 the first time): half of the exponential delay, and up to as much
 * again drawn at random, so that agents that lost the same coordinator do not return in step.
 */
export function backoffDelayMs(
  attempt: number,
  { minimumMs, maximumMs }: Backoff,
  random: () => number = randomShare,
): number {
  const ceiling = Math.min(maximumMs, minimumMs * 2 ** Math.min(attempt, 30));
  return ceiling / 2 + (ceiling / 2) * random();
}

/** Wait, or return early where the signal is aborted; never rejects. */
export function sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((wake) => {
    if (signal?.aborted === true) {
      wake();
      return;
    }
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      wake();
    };
    const timer = setTimeout(finish, durationMs);
    signal?.addEventListener('abort', finish);
  });
}
