/**
 * Find every window of a secret that occurs in traffic, at any offset of either.
 *
 * The traffic's windows go into an open-addressing table under a rolling hash (Rabin and Karp 1987); then the secrets are
 * rolled over it. A hash only proposes: bytes decide. Windows of one repeated byte are in no secret's interest (black
 * borders, zeros) and are left out.
 */

/** A secret to look for. */
export interface Needle {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** One window that was found. */
export interface WindowHit {
  readonly needle: string;
  /** Byte of the secret at which the window starts. */
  readonly needleOffset: number;
  /** Index of the haystack it was found in. */
  readonly haystack: number;
  readonly haystackOffset: number;
}

// Looked up once: inside jest every look-up of a global costs a hundredfold.
const { imul } = Math;

const base = 0x01000193; // odd, so that no byte is lost modulo 2^32
const haystackBytesMax = 2 ** 29;

/** Mix a hash so that its low bits depend on all (the finaliser of MurmurHash3). */
function mix(hash: number): number {
  let mixed = hash;
  mixed = imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function highestPower(width: number): number {
  let power = 1;
  for (let index = 0; index < width; index++) power = imul(power, base);
  return power;
}

/** Call `visit(offset, hash)` for every window that is not one repeated byte; stop where it returns false. */
function eachWindow(
  bytes: Uint8Array,
  width: number,
  visit: (offset: number, hash: number) => boolean,
): void {
  const power = highestPower(width);
  let hash = 0;
  let sameRun = 0; // how many bytes before here equal the last one
  for (let end = 0; end < bytes.length; end++) {
    const entering = bytes[end] ?? 0;
    sameRun = end > 0 && bytes[end - 1] === entering ? sameRun + 1 : 1;
    hash = (imul(hash, base) + entering) | 0;
    if (end >= width) hash = (hash - imul(power, bytes[end - width] ?? 0)) | 0;
    if (end < width - 1 || sameRun >= width) continue;
    if (!visit(end - width + 1, mix(hash))) return;
  }
}

/** Whether two windows hold the same bytes. */
function isEqual(
  a: Uint8Array,
  aOffset: number,
  b: Uint8Array,
  bOffset: number,
  width: number,
): boolean {
  for (let index = 0; index < width; index++) {
    if (a[aOffset + index] !== b[bOffset + index]) return false;
  }
  return true;
}

/** All haystacks end to end, their windows in a table: slots hold a position plus one, or zero. */
class WindowTable {
  readonly #bytes: Uint8Array;
  readonly #starts: number[];
  readonly #width: number;
  readonly #slots: Uint32Array;
  readonly #mask: number;

  constructor(haystacks: readonly Uint8Array[], width: number) {
    const total = haystacks.reduce((sum, haystack) => sum + haystack.length, 0);
    if (total > haystackBytesMax)
      throw new RangeError(`haystacks: expected ${haystackBytesMax} bytes at most, got ${total}`);
    this.#width = width;
    this.#bytes = new Uint8Array(total);
    this.#starts = [];
    const slotCount = 2 ** Math.ceil(Math.log2(2 * Math.max(total, 1) + 2));
    this.#slots = new Uint32Array(slotCount);
    this.#mask = slotCount - 1;
    let start = 0;
    for (const haystack of haystacks) {
      this.#starts.push(start);
      this.#bytes.set(haystack, start);
      this.#index(start, haystack.length);
      start += haystack.length;
    }
  }

  /** Enter the windows of one haystack; of equal windows the first alone. */
  #index(start: number, length: number): void {
    eachWindow(this.#bytes.subarray(start, start + length), this.#width, (offset, hash) => {
      const slot = this.#slotOf(this.#bytes, start + offset, hash);
      if (this.#slots[slot] === 0) this.#slots[slot] = start + offset + 1;
      return true;
    });
  }

  /** The slot that holds this window, or the empty one where it belongs. */
  #slotOf(bytes: Uint8Array, offset: number, hash: number): number {
    let slot = hash & this.#mask;
    for (;;) {
      const position = this.#slots[slot] ?? 0;
      if (position === 0) return slot;
      if (isEqual(this.#bytes, position - 1, bytes, offset, this.#width)) return slot;
      slot = (slot + 1) & this.#mask;
    }
  }

  /** Where a window occurs first, or undefined. */
  find(
    bytes: Uint8Array,
    offset: number,
    hash: number,
  ): { haystack: number; offset: number } | undefined {
    const position = this.#slots[this.#slotOf(bytes, offset, hash)] ?? 0;
    if (position === 0) return undefined;
    let haystack = this.#starts.length - 1;
    while (haystack > 0 && (this.#starts[haystack] ?? 0) > position - 1) haystack -= 1;
    return { haystack, offset: position - 1 - (this.#starts[haystack] ?? 0) };
  }
}

/**
 * Find windows of `width` bytes of each needle in the haystacks.
 *
 * @param hitsMax - most hits that are listed for one needle; one is enough to fail
 */
export function findWindows(
  haystacks: readonly Uint8Array[],
  needles: readonly Needle[],
  width = 16,
  hitsMax = 5,
): WindowHit[] {
  const table = new WindowTable(haystacks, width);
  const hits: WindowHit[] = [];
  for (const { name, bytes } of needles) {
    let found = 0;
    eachWindow(bytes, width, (needleOffset, hash) => {
      const place = table.find(bytes, needleOffset, hash);
      if (place === undefined) return true;
      hits.push({
        needle: name,
        needleOffset,
        haystack: place.haystack,
        haystackOffset: place.offset,
      });
      found += 1;
      return found < hitsMax;
    });
  }
  return hits;
}
