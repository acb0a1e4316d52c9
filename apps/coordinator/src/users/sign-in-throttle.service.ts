/**
 * How often a wrong password may be tried: a few times at once, then after a wait that doubles with each further failure.
 * Names count whether there is such an account or not, so that a refusal tells nothing; a restart forgets it all.
 */
import { Injectable } from '@nestjs/common';
import { ProtocolError } from '#core/errors';
import { BoundedMap } from '../common/bounded-map.ts';
import { Environment } from '../common/environment.ts';
import { addressKey } from './client-address.ts';

/** What is counted by. */
export type ThrottleKind = 'user' | 'address';

/** Failures at once before there is a wait: a proxy or a hospital's gateway is one address for many people. */
export const freeFailures: Readonly<Record<ThrottleKind, number>> = { user: 5, address: 50 };
/** Milliseconds of the first wait and of the longest. */
export const firstWaitMs = 30_000;
export const longestWaitMs = 15 * 60_000;
/** Milliseconds without a failure after which all are forgotten. */
const memoryMs = 24 * 3_600_000;
/** Names told apart at most, and addresses; those under a wait are forgotten last. */
export const keysMax = 10_000;

interface Failures {
  readonly count: number;
  readonly atMs: number;
}

/** One try that has begun: it counts as failed until it is said to be none. */
export interface Attempt {
  /** It succeeded: the account's failures are forgotten. */
  succeeded(): void;
  /** It was not decided: it does not count. */
  undecided(): void;
}

/** How often a wrong password may be tried. */
@Injectable()
export class SignInThrottle {
  readonly #environment: Environment;
  readonly #failures: Readonly<Record<ThrottleKind, BoundedMap<string, Failures>>>;

  constructor(environment: Environment) {
    this.#environment = environment;
    const failuresOf = (kind: ThrottleKind) =>
      new BoundedMap<string, Failures>(keysMax, (failures) => this.#waitMs(kind, failures) === 0);
    this.#failures = { user: failuresOf('user'), address: failuresOf('address') };
  }

  /**
   * Begin a try. It counts before it is decided, so that many at once are not more than one after the other.
   *
   * @throws ProtocolError RATE_LIMITED with the seconds to wait
   */
  begin(user: string, address: string): Attempt {
    const keys = [
      ['user', user],
      ['address', addressKey(address)],
    ] as const;
    const waitMs = Math.max(
      ...keys.map(([kind, name]) => this.#waitMs(kind, this.#of(kind, name))),
    );
    if (waitMs > 0) {
      const retryAfterSeconds = Math.ceil(waitMs / 1000);
      throw new ProtocolError(
        'RATE_LIMITED',
        `sign-in: expected fewer tries, too many failed; wait ${retryAfterSeconds} s`,
        { retryAfterSeconds },
      );
    }
    for (const [kind, name] of keys) this.#count(kind, name, 1);
    return {
      succeeded: () => {
        this.#failures.user.delete(user);
        this.#count('address', addressKey(address), -1);
      },
      undecided: () => {
        for (const [kind, name] of keys) this.#count(kind, name, -1);
      },
    };
  }

  #waitMs(kind: ThrottleKind, { count, atMs }: Failures): number {
    if (count < freeFailures[kind]) return 0;
    const longMs = Math.min(longestWaitMs, firstWaitMs * 2 ** (count - freeFailures[kind]));
    return Math.max(0, atMs + longMs - this.#environment.clock.monotonicTimeMs());
  }

  #count(kind: ThrottleKind, name: string, change: number): void {
    const count = this.#of(kind, name).count + change;
    const atMs = this.#environment.clock.monotonicTimeMs();
    if (count > 0) this.#failures[kind].set(name, { count, atMs });
    else this.#failures[kind].delete(name);
  }

  #of(kind: ThrottleKind, name: string): Failures {
    const nowMs = this.#environment.clock.monotonicTimeMs();
    const found = this.#failures[kind].get(name);
    const isRecent = found !== undefined && nowMs - found.atMs < memoryMs;
    return isRecent ? found : { count: 0, atMs: nowMs };
  }
}
