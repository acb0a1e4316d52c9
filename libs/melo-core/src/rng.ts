/**
 * A seeded generator whose stream anyone can derive again: ChaCha20 blocks from a seed, for order and initial values.
 *
 * Block k is deterministicBytes(BLAKE2b-256(encodePieces(['melo/1/rng', seed, LE64(k)])), 4096), read as LE32 words.
 * Never for masks, noise or keys: those come from the system's generator.
 */
import { z } from 'zod';
import { fromHex, toHex, uint64le, utf8 } from './bytes.ts';
import { checkInteger } from './check.ts';
import { blake2b256, deterministicBytes, encodePieces } from '#core/crypto';

const blockBytes = 4096;
const wordsPerBlock = blockBytes / 4;

/** Where a generator stands, as JSON. */
export const rngStateSchema = z.strictObject({
  seed: z
    .string()
    .regex(/^(?:[0-9a-f]{2})*$/)
    .max(2048),
  /** 32-bit words taken so far. */
  position: z.number().int().min(0),
});
/** Where a generator stands. */
export type RngState = z.infer<typeof rngStateSchema>;

/** A stream of numbers fixed by its seed. */
export interface SeededRng {
  /** A whole number in [0, 2^32). */
  nextUint32(): number;
  /** A number in [0, 1) with 53 random bits. */
  nextFloat(): number;
  /** A whole number in [0, bound), every one equally likely; 1 <= bound <= 2^32. */
  nextInteger(bound: number): number;
  /** A draw from the standard normal distribution (Box and Muller 1958, the cosine branch). */
  nextNormal(): number;
  /** Shuffle in place (Fisher and Yates) and return the same array. */
  shuffle<T>(items: T[]): T[];
  /** Where the stream stands; {@link restoreRng} goes on from there. */
  state(): RngState;
}

/** Start the stream of a seed: bytes, or text taken as UTF-8. */
export function seededRng(seed: Uint8Array | string): SeededRng {
  return restoreRng({ seed: toHex(typeof seed === 'string' ? utf8(seed) : seed), position: 0 });
}

/** Go on with a stream where {@link SeededRng.state} was taken. */
export function restoreRng(state: RngState): SeededRng {
  const seed = fromHex(state.seed);
  let position = state.position;
  let blockIndex = -1;
  let block: DataView = new DataView(new ArrayBuffer(0));

  const nextUint32 = (): number => {
    const wanted = Math.floor(position / wordsPerBlock);
    if (wanted !== blockIndex) {
      const key = blake2b256(encodePieces([utf8('melo/1/rng'), seed, uint64le(wanted)]));
      const bytes = deterministicBytes(key, blockBytes);
      block = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      blockIndex = wanted;
    }
    const word = block.getUint32(4 * (position % wordsPerBlock), true);
    position += 1;
    return word;
  };
  const nextFloat = (): number => ((nextUint32() >>> 5) * 2 ** 26 + (nextUint32() >>> 6)) / 2 ** 53;
  const nextInteger = (bound: number): number => {
    checkInteger(bound, 'bound', { minimum: 1, maximum: 2 ** 32 });
    const limit = 2 ** 32 - (2 ** 32 % bound); // words at or above it would favour small results
    for (;;) {
      const word = nextUint32();
      if (word < limit) return word % bound;
    }
  };
  const nextNormal = (): number => {
    const radius = Math.sqrt(-2 * Math.log(1 - nextFloat()));
    return radius * Math.cos(2 * Math.PI * nextFloat());
  };
  const shuffle = <T>(items: T[]): T[] => {
    for (let last = items.length - 1; last > 0; last--) {
      const other = nextInteger(last + 1);
      const [a, b] = [items[last], items[other]];
      if (a === undefined || b === undefined) continue; // holes of a sparse array stay where they are
      items[last] = b;
      items[other] = a;
    }
    return items;
  };
  return {
    nextUint32,
    nextFloat,
    nextInteger,
    nextNormal,
    shuffle,
    state: () => ({ seed: state.seed, position }),
  };
}
