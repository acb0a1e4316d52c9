/** Which transport the next connection tries: the first of the list, and the next one where that does not get through. */
import type { Clock } from '#core/clock';

/** Ways of socket.io, in the words of the configuration. */
export const transportNames = ['websocket', 'polling'] as const;
/** One of them. */
export type TransportName = (typeof transportNames)[number];

/** A fallback is kept for so long before the first of the list is tried again, at the next reconnection. */
const fallbackKeptMs = 600_000;

/** The choice, connection after connection. */
export class TransportChoice {
  readonly #transports: readonly TransportName[];
  readonly #failuresMax: number;
  readonly #clock: Clock;
  #at = 0;
  #failures = 0;
  #fellBackAtMs = 0;

  constructor(transports: readonly TransportName[], failuresMax: number, clock: Clock) {
    this.#transports = transports;
    this.#failuresMax = failuresMax;
    this.#clock = clock;
  }

  /** What the next connection tries. */
  next(): TransportName {
    const isOld = this.#clock.monotonicTimeMs() - this.#fellBackAtMs > fallbackKeptMs;
    if (this.#at > 0 && isOld) this.#at = 0;
    return this.#transports[this.#at] ?? 'websocket';
  }

  /** A connection stood. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** The coordinator answered, but this transport did not get through. */
  failed(): void {
    this.#failures += 1;
    if (this.#failures < this.#failuresMax) return;
    this.#failures = 0;
    this.#at = (this.#at + 1) % this.#transports.length;
    this.#fellBackAtMs = this.#clock.monotonicTimeMs();
  }
}
