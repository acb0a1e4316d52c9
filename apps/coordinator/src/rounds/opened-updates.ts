/**
 * Updates that were opened at their commit, until the aggregate of their round takes them: no update is opened twice where memory
 * allows. Never the only copy: what is not here is opened again from its file.
 */

/** Bytes held at most: a round of a few sites, or part of a large one. */
const heldBytesMax = 64 * 1024 * 1024;
/** An attempt that is abandoned asks for its updates no more; decrypted numbers do not stay for longer. */
const heldMs = 10 * 60_000;

interface Held {
  readonly delta: Float32Array;
  readonly timer: NodeJS.Timeout;
}

/** Opened updates, each by the digest of its RoundOpen and of its ciphertext. */
export class OpenedUpdates {
  readonly #held = new Map<string, Held>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = heldBytesMax) {
    this.#bytesMax = bytesMax;
  }

  /** Hold an update, if there is room. */
  hold(key: string, delta: Float32Array): void {
    if (this.#held.has(key) || this.#bytes + delta.byteLength > this.#bytesMax) return;
    const timer = setTimeout(() => this.take(key), heldMs);
    timer.unref();
    this.#held.set(key, { delta, timer });
    this.#bytes += delta.byteLength;
  }

  /** Take an update out, null where it is not held. */
  take(key: string): Float32Array | null {
    const held = this.#held.get(key);
    if (held === undefined) return null;
    clearTimeout(held.timer);
    this.#held.delete(key);
    this.#bytes -= held.delta.byteLength;
    return held.delta;
  }
}
