/** Decoded images in memory, within a bound; what does not fit is read from the folder of decoded images. */

interface Entry {
  readonly pixels: Uint8Array;
  job: number;
}

/** Keeps pixels between the jobs of one process; those that the present job did not use make room first. */
export class PixelMemory {
  readonly #bytesMax: number;
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #job = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Another job begins: nothing is in use yet. */
  beginJob(): void {
    this.#job += 1;
  }

  /** Pixels as they were put, not copied. */
  get(key: string): Uint8Array | undefined {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.job = this.#job;
    return entry?.pixels;
  }

  /** Keep pixels if there is room; the caller does not change them afterwards. */
  put(key: string, pixels: Uint8Array): void {
    if (this.#entries.has(key) || !this.#makeRoom(pixels.length)) return;
    this.#entries.set(key, { pixels, job: this.#job });
    this.#bytes += pixels.length;
  }

  #makeRoom(bytes: number): boolean {
    if (this.#bytes + bytes <= this.#bytesMax) return true;
    for (const [key, { pixels, job }] of this.#entries) {
      if (job === this.#job) continue;
      this.#entries.delete(key);
      this.#bytes -= pixels.length;
      if (this.#bytes + bytes <= this.#bytesMax) return true;
    }
    return false;
  }
}
