/** How far a transfer is and how long it may still take, told at most every two seconds and at its end. */

const intervalMs = 2000;

/** What is told. */
export interface TransferReport {
  /** Seconds that are left at the speed so far; null before there is one. */
  readonly etaSeconds: number | null;
}

/** Measures one transfer. */
export class TransferMeter {
  readonly #bytes: number;
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #bytesAtStart: number;
  #toldMs: number;

  /**
   * Start to measure.
   *
   * @param bytes - of the whole
   * @param bytesDone - that were there before: they say nothing about the speed
   */
  constructor(bytes: number, bytesDone: number, now: () => number = () => performance.now()) {
    this.#bytes = bytes;
    this.#now = now;
    this.#startedMs = now();
    this.#toldMs = this.#startedMs;
    this.#bytesAtStart = bytesDone;
  }

  /** Tell what to report now; null where the last report is not two seconds old. */
  report(bytesDone: number): TransferReport | null {
    const nowMs = this.#now();
    const isDone = bytesDone >= this.#bytes;
    if (!isDone && nowMs - this.#toldMs < intervalMs) return null;
    this.#toldMs = nowMs;
    const since = bytesDone - this.#bytesAtStart;
    if (since <= 0) return { etaSeconds: null };
    const msPerByte = (nowMs - this.#startedMs) / since;
    return { etaSeconds: Math.round(msPerByte * (this.#bytes - bytesDone)) / 1000 };
  }
}
