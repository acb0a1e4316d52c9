import fc from 'fast-check';
import { toHex } from '#core/bytes';
import { seededRng } from '#core/rng';
import { aggregationMethodNames } from '#core/protocol';
import { aggregationMethod, aggregationMethods, averageUpdates, type SiteUpdate } from './index.ts';

const size = 257;
const values = (seed: string, scale: number): Float32Array => {
  const rng = seededRng(seed);
  return new Float32Array(size).map(() => scale * (2 * rng.nextFloat() - 1));
};
const global = values('global', 3);
// Unequal weights and magnitudes, so that the order of a float sum would show.
const sites: readonly SiteUpdate[] = [
  { site: 'alpha', weight: 83, delta: values('alpha', 1e-3) },
  { site: 'beta', weight: 272, delta: values('beta', 1) },
  { site: 'gamma', weight: 121, delta: values('gamma', 1e3) },
];
const bytesOf = (floats: Float32Array): string =>
  toHex(new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength));

/** The rule written once more: dense, entry by entry, plain numbers, sites in the order of the alphabet. */
function reference(start: Float32Array, updates: readonly SiteUpdate[]): Float32Array {
  const names = updates.map(({ site }) => site).sort();
  const inOrder = names.map((name) => updates.filter(({ site }) => site === name)[0]);
  let total = 0;
  for (const update of inOrder) total += update?.weight ?? 0;
  return Float32Array.from(start, (value, index) => {
    let change = 0;
    for (const update of inOrder) {
      change += ((update?.weight ?? 0) / total) * (update?.delta[index] ?? 0);
    }
    return Math.fround(value + change);
  });
}

const permutations = <T>(items: readonly T[]): T[][] =>
  items.length <= 1
    ? [[...items]]
    : items.flatMap((item, index) =>
        permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [
          item,
          ...rest,
        ]),
      );

describe('fedavg', () => {
  test('gives the same bytes for all six orders of three sites', () => {
    const orders = permutations(sites);
    expect(orders).toHaveLength(6);
    const results = orders.map((updates) => bytesOf(averageUpdates(global, updates)));
    expect(new Set(results).size).toBe(1);
  });

  test('equals the reference to the last bit, with unequal weights', () => {
    expect(bytesOf(averageUpdates(global, sites))).toBe(bytesOf(reference(global, sites)));
  });

  test('the weights matter: equal ones give another result', () => {
    const equal = sites.map((update) => ({ ...update, weight: 1 }));
    expect(bytesOf(averageUpdates(global, equal))).not.toBe(bytesOf(averageUpdates(global, sites)));
  });

  test('rounds once: three thirds of a change are the change', () => {
    const delta = new Float32Array([1, 2 ** -20, 3]);
    const updates = ['a', 'b', 'c'].map((site) => ({ site, weight: 7, delta }));
    expect([...averageUpdates(new Float32Array(3), updates)]).toEqual([...delta]);
  });

  test('is the global adapter plus the change where one site reports, and changes nothing passed in', () => {
    const [alpha] = sites;
    if (alpha === undefined) throw new Error('there is a first site');
    const before = [bytesOf(global), bytesOf(alpha.delta)];
    const next = averageUpdates(global, [alpha]);
    expect(next).toEqual(global.map((value, index) => value + (alpha.delta[index] ?? 0)));
    expect([bytesOf(global), bytesOf(alpha.delta)]).toEqual(before);
  });

  const number = fc.float({ min: -1000, max: 1000, noNaN: true });
  const round = fc.nat(6).chain((length) =>
    fc.record({
      global: fc.float32Array({
        minLength: length,
        maxLength: length,
        noNaN: true,
        min: -9,
        max: 9,
      }),
      updates: fc.uniqueArray(
        fc.record({
          site: fc.stringMatching(/^[a-z][a-z0-9-]{0,5}$/),
          weight: fc.integer({ min: 1, max: 10_000_000 }),
          delta: fc
            .array(number, { minLength: length, maxLength: length })
            .map((numbers) => new Float32Array(numbers)),
        }),
        { selector: ({ site }) => site, minLength: 1, maxLength: 8 },
      ),
    }),
  );

  test('for any round: the reference, whatever the order of the updates', () => {
    fc.assert(
      fc.property(round, fc.infiniteStream(fc.nat()), (input, keys) => {
        const shuffled = input.updates
          .map((update) => ({ update, key: keys.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ update }) => update);
        const expected = bytesOf(reference(input.global, input.updates));
        expect(bytesOf(averageUpdates(input.global, shuffled))).toBe(expected);
        expect(bytesOf(averageUpdates(input.global, input.updates))).toBe(expected);
      }),
    );
  });

  test('for any round: weights scaled by a power of two change nothing; the result lies between the sites', () => {
    fc.assert(
      fc.property(round, (input) => {
        const next = averageUpdates(input.global, input.updates);
        const doubled = input.updates.map((update) => ({ ...update, weight: update.weight * 4 }));
        expect(bytesOf(averageUpdates(input.global, doubled))).toBe(bytesOf(next));
        for (const [index, value] of next.entries()) {
          const start = input.global[index] ?? 0;
          const locals = input.updates.map(({ delta }) => start + (delta[index] ?? 0));
          const slack = 1e-4; // float32 rounding of numbers up to 1009
          expect(value).toBeGreaterThanOrEqual(Math.min(...locals) - slack);
          expect(value).toBeLessThanOrEqual(Math.max(...locals) + slack);
        }
      }),
    );
  });

  test.each([
    ['no update', [], 'INTERNAL'],
    ['a site twice', [sites[0], sites[1], sites[0]], 'INTERNAL'],
    [
      'another length',
      [{ ...sites[0], delta: new Float32Array(size + 1) }],
      'UPDATE_SHAPE_MISMATCH',
    ],
    [
      'an infinite entry',
      [{ ...sites[0], delta: values('x', 1).fill(Infinity, 5, 6) }],
      'NON_FINITE_UPDATE',
    ],
    [
      'an entry that is no number',
      [{ ...sites[0], delta: values('x', 1).fill(Number.NaN) }],
      'NON_FINITE_UPDATE',
    ],
    [
      'a sum beyond float32',
      [{ ...sites[0], delta: values('x', 0).fill(3.4028234e38) }],
      'NON_FINITE_UPDATE',
    ],
  ])('%s is refused', (_what, list, code) => {
    const updates = list.map((update) => ({ site: '', weight: 1, delta: global, ...update }));
    const start = global.map(() => 3e38);
    expect(() => averageUpdates(start, updates)).toThrow(expect.objectContaining({ code }));
  });

  test.each([-1, Number.NaN, Infinity])('a weight of %d is refused', (weight) => {
    const updates = [{ site: 'a', weight, delta: global }];
    expect(() => averageUpdates(global, updates)).toThrow(RangeError);
  });
});

describe('registry', () => {
  test('has every method that a definition may name', () => {
    expect(Object.keys(aggregationMethods).sort()).toEqual([...aggregationMethodNames].sort());
  });

  test('every method is found under its own name, and no other', () => {
    for (const [name, method] of Object.entries(aggregationMethods)) {
      expect(aggregationMethod(name)).toBe(method);
      expect(method.name).toBe(name);
    }
    for (const name of ['fedprox', 'toString', '__proto__', '']) {
      expect(() => aggregationMethod(name)).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID' }),
      );
    }
  });
});
