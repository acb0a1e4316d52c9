/** Limits of what one site may send, in messages and in bytes: token buckets on the monotonic clock, by site id. */
import type { Clock } from '#core/clock';

/** How much a site may send. */
export interface RateLimits {
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
  readonly bytesPerSecond: number;
  readonly bytesBurst: number;
  /** Commands that may wait for their answers at once. */
  readonly inFlightMax: number;
}

/** A full-speed upload in ranges of 256 KiB stays well below these. */
export const defaultRateLimits: RateLimits = {
  messagesPerSecond: 200,
  messagesBurst: 1000,
  bytesPerSecond: 64 * 1024 * 1024,
  bytesBurst: 128 * 1024 * 1024,
  inFlightMax: 32,
};

interface Bucket {
  messages: number;
  bytes: number;
  atMs: number;
  inFlight: number;
}

/** Limits of what each site may send. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #limits: RateLimits;
  readonly #buckets = new Map<string, Bucket>();

  constructor(clock: Clock, limits: RateLimits = defaultRateLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** Take one message of so many bytes from a site's buckets; false where it sent too much. Pair with {@link leave}. */
  enter(site: string, bytes: number): boolean {
    const bucket = this.#refill(site);
    if (
      bucket.inFlight >= this.#limits.inFlightMax ||
      bucket.messages < 1 ||
      bucket.bytes < bytes
    ) {
      return false;
    }
    bucket.messages -= 1;
    bucket.bytes -= bytes;
    bucket.inFlight += 1;
    return true;
  }

  /** Say that a message that entered was answered. */
  leave(site: string): void {
    const bucket = this.#buckets.get(site);
    if (bucket !== undefined) bucket.inFlight -= 1;
  }

  #refill(site: string): Bucket {
    const { messagesBurst, messagesPerSecond, bytesBurst, bytesPerSecond } = this.#limits;
    const nowMs = this.#clock.monotonicTimeMs();
    const fresh = { messages: messagesBurst, bytes: bytesBurst, atMs: nowMs, inFlight: 0 };
    const bucket = this.#buckets.get(site) ?? fresh;
    const seconds = (nowMs - bucket.atMs) / 1000;
    bucket.messages = Math.min(messagesBurst, bucket.messages + seconds * messagesPerSecond);
    bucket.bytes = Math.min(bytesBurst, bucket.bytes + seconds * bytesPerSecond);
    bucket.atMs = nowMs;
    this.#buckets.set(site, bucket);
    return bucket;
  }
}
