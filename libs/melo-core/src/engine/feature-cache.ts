/**
 * Features of images under the A and B of the last linear probe, so that a probe computes each image's once.
 *
 * While the head alone is trained, A and B stay as they are and so do the features that the head multiplies: every epoch,
 * round and evaluation after the first needs them, not the backbone. An image is known by the digest of its pixels.
 */
import { createHash } from 'node:crypto';

/** Bytes of an entry beside its numbers: the digest as a key and the map's own. */
const entryOverheadBytes = 160;

const digestOf = ({ buffer, byteOffset, byteLength }: Float32Array): string =>
  createHash('sha256')
    .update(new Uint8Array(buffer, byteOffset, byteLength))
    .digest('base64');

/** Features by image, for one state of A and B; the least recently used go first. */
export class FeatureCache {
  readonly #bytesMax: number;
  readonly #features = new Map<string, Float32Array>();
  #state = '';
  #bytes = 0;

  /** @param bytesMax - what the entries may take, bytes */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes that the entries take. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Tell whether the entries are of this A and B.
   *
   * @param frozen - the numbers of the adapter before its head
   */
  isOf(frozen: Float32Array): boolean {
    return this.#state !== '' && this.#state === digestOf(frozen);
  }

  /** Keep entries of this A and B from here on; those of another state are forgotten. */
  begin(frozen: Float32Array): void {
    const state = digestOf(frozen);
    if (state === this.#state) return;
    this.#state = state;
    this.#features.clear();
    this.#bytes = 0;
  }

  /**
   * Look a batch up and compute what is missing in one call.
   *
   * @param images - (B, N), row-major
   * @param count - B
   * @param compute - features (b,D) of some images (b,N)
   * @returns (B,D), new
   */
  async take(
    images: Float32Array,
    count: number,
    compute: (images: Float32Array, count: number) => Promise<Float32Array>,
  ): Promise<Float32Array> {
    const size = images.length / count;
    const imageOf = (row: number): Float32Array => images.subarray(row * size, (row + 1) * size);
    const keys = Array.from({ length: count }, (_, row) => digestOf(imageOf(row)));
    const known = keys.map((key) => this.#get(key));
    const missing = [...known.keys()].filter((row) => known[row] === undefined);
    if (missing.length > 0) {
      const wanted = new Float32Array(missing.length * size);
      for (const [place, row] of missing.entries()) wanted.set(imageOf(row), place * size);
      const computed = await compute(wanted, missing.length);
      const dimension = computed.length / missing.length;
      for (const [place, row] of missing.entries()) {
        const features = computed.slice(place * dimension, (place + 1) * dimension);
        known[row] = features;
        this.#put(keys[row] ?? '', features);
      }
    }
    const dimension = known[0]?.length ?? 0;
    const all = new Float32Array(count * dimension);
    for (const [row, features] of known.entries())
      if (features !== undefined) all.set(features, row * dimension);
    return all;
  }

  #get(key: string): Float32Array | undefined {
    const features = this.#features.get(key);
    if (features === undefined) return undefined;
    this.#features.delete(key);
    this.#features.set(key, features); // the last used stands last
    return features;
  }

  #put(key: string, features: Float32Array): void {
    const bytes = features.byteLength + entryOverheadBytes;
    if (this.#features.has(key) || bytes > this.#bytesMax) return;
    for (const [oldest, { byteLength }] of this.#features) {
      if (this.#bytes + bytes <= this.#bytesMax) break;
      this.#features.delete(oldest);
      this.#bytes -= byteLength + entryOverheadBytes;
    }
    this.#features.set(key, features);
    this.#bytes += bytes;
  }
}
