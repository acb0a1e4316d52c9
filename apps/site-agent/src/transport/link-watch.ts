/**
 * Watches one connection for what sockets do not tell: silence of a half-open link, and time in which this machine slept.
 *
 * Both sides say something every 15 seconds whatever else goes on, so a link without a byte for three times as long is
 * dead. Bytes count, not messages: a large message on a slow line is a sign of life while it comes.
 */
import type { Clock } from '#core/clock';

/** What was noticed. */
export type LinkFinding = 'silence' | 'sleep' | null;

/** Watches of one connection. */
export class LinkWatch {
  readonly #clock: Clock;
  readonly #silenceMaxMs: number;
  readonly #sleepGapMs: number;
  readonly #bytesReceived: () => number;
  #bytes: number;
  #heardAtMs: number;
  #wallMs: number;
  #monotonicMs: number;

  constructor(options: {
    readonly clock: Clock;
    readonly silenceMaxMs: number;
    /** A look that comes later than this after the one before means that time passed without this process. */
    readonly sleepGapMs: number;
    readonly bytesReceived: () => number;
  }) {
    this.#clock = options.clock;
    this.#silenceMaxMs = options.silenceMaxMs;
    this.#sleepGapMs = options.sleepGapMs;
    this.#bytesReceived = options.bytesReceived;
    this.#bytes = options.bytesReceived();
    this.#wallMs = options.clock.wallTimeMs();
    this.#monotonicMs = options.clock.monotonicTimeMs();
    this.#heardAtMs = this.#monotonicMs;
  }

  /** Look now; to be called at a steady interval. */
  look(): LinkFinding {
    const wallMs = this.#clock.wallTimeMs();
    const monotonicMs = this.#clock.monotonicTimeMs();
    // Some systems stop the monotonic clock while they sleep, some do not; a wall clock set back says nothing.
    const gapMs = Math.max(wallMs - this.#wallMs, monotonicMs - this.#monotonicMs);
    this.#wallMs = wallMs;
    this.#monotonicMs = monotonicMs;
    if (gapMs > this.#sleepGapMs) {
      this.#heardAtMs = monotonicMs;
      return 'sleep';
    }
    const bytes = this.#bytesReceived();
    if (bytes !== this.#bytes) this.#heardAtMs = monotonicMs;
    this.#bytes = bytes;
    return monotonicMs - this.#heardAtMs > this.#silenceMaxMs ? 'silence' : null;
  }
}
