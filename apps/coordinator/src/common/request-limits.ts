/** How many requests one caller may make: a token bucket for each account, token or, before anybody is known, address. */
import { Injectable } from '@nestjs/common';
import { ProtocolError } from '#core/errors';
import { BoundedMap } from './bounded-map.ts';
import { Environment } from './environment.ts';

/** Callers told apart at most. */
const callersMax = 10_000;

interface Bucket {
  readonly left: number;
  readonly atMs: number;
}

/** How many requests one caller may make. */
@Injectable()
export class RequestLimits {
  readonly #environment: Environment;
  readonly #buckets = new BoundedMap<string, Bucket>(callersMax);

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /**
   * Count one request.
   *
   * @throws ProtocolError RATE_LIMITED with the seconds to wait
   */
  take(caller: string): void {
    const { clock, settings } = this.#environment;
    const { requestsPerSecond: perSecond, requestsBurst: burst } = settings;
    const nowMs = clock.monotonicTimeMs();
    const bucket = this.#buckets.get(caller) ?? { left: burst, atMs: nowMs };
    const left = Math.min(burst, bucket.left + ((nowMs - bucket.atMs) / 1000) * perSecond);
    this.#buckets.set(caller, { left: left < 1 ? left : left - 1, atMs: nowMs });
    if (left >= 1) return;
    const retryAfterSeconds = Math.max(1, Math.ceil((1 - left) / perSecond));
    throw new ProtocolError(
      'RATE_LIMITED',
      `access: expected ${perSecond} requests a second at most, got more; wait ${retryAfterSeconds} s`,
      { retryAfterSeconds },
    );
  }
}
