import fc from 'fast-check';
import { findWindows } from './support/window-search.ts';

const runs = process.env['SLOW'] === '1' ? 2000 : 200;

/** The definition itself: does any window that is not one repeated byte occur in any haystack? */
function occursByBruteForce(
  haystacks: readonly Uint8Array[],
  needle: Uint8Array,
  width: number,
): boolean {
  const windows = (bytes: Uint8Array): string[] =>
    Array.from({ length: Math.max(0, bytes.length - width + 1) }, (_, at) =>
      Buffer.from(bytes.subarray(at, at + width)),
    )
      .filter((window) => window.some((byte) => byte !== window[0]))
      .map((window) => window.toString('hex'));
  const known = new Set(haystacks.flatMap(windows));
  return windows(needle).some((window) => known.has(window));
}

const { imul } = Math;

/** Bytes of a linear congruential generator, in a plain loop: the longest is 22 MB. */
function noise(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed;
  for (let index = 0; index < length; index++) {
    state = (imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

describe('findWindows', () => {
  test('a window at any offset of either side is found, and placed', () => {
    const needle = noise(1000, 1);
    const haystack = noise(777, 2);
    haystack.set(needle.subarray(333, 349), 501);
    const hits = findWindows([noise(50, 3), haystack], [{ name: 'needle', bytes: needle }]);
    expect(hits).toEqual([
      { needle: 'needle', needleOffset: 333, haystack: 1, haystackOffset: 501 },
    ]);
  });

  test('fifteen bytes in common are not a window of sixteen', () => {
    const needle = noise(1000, 1);
    const haystack = noise(777, 2);
    haystack.set(needle.subarray(333, 348), 501);
    expect(findWindows([haystack], [{ name: 'needle', bytes: needle }])).toEqual([]);
  });

  test('windows of one repeated byte are left out, those beside them are not', () => {
    const zeros = new Uint8Array(64);
    expect(findWindows([zeros], [{ name: 'zeros', bytes: zeros }])).toEqual([]);
    const edge = Uint8Array.from([...new Uint8Array(15), 9]);
    expect(findWindows([zeros, edge], [{ name: 'edge', bytes: edge }])).toHaveLength(1);
  });

  test('a window that spans two haystacks is in neither', () => {
    const needle = noise(16, 4);
    const halves = [needle.subarray(0, 8), needle.subarray(8)];
    expect(findWindows(halves, [{ name: 'needle', bytes: needle }])).toEqual([]);
  });

  test('it agrees with brute force on bytes of a small alphabet', () => {
    const bytes = fc.uint8Array({ max: 2, maxLength: 40 });
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 3 }), bytes, (haystacks, needle) => {
        const hits = findWindows(haystacks, [{ name: 'needle', bytes: needle }], 4);
        expect(hits.length > 0).toBe(occursByBruteForce(haystacks, needle, 4));
        for (const hit of hits) {
          const found = haystacks[hit.haystack]?.subarray(
            hit.haystackOffset,
            hit.haystackOffset + 4,
          );
          expect(found).toEqual(needle.subarray(hit.needleOffset, hit.needleOffset + 4));
        }
      }),
      { numRuns: runs },
    );
  });

  test('22 MB of needle against traffic without it find nothing', () => {
    expect(
      findWindows([noise(500_000, 5)], [{ name: 'large', bytes: noise(22_000_000, 7) }]),
    ).toEqual([]);
  });
});
