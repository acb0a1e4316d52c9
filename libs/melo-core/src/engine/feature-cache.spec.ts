import { FeatureCache } from './feature-cache.ts';

const frozen = Float32Array.of(1, 2, 3);
const image = (value: number): number[] => [value, -value];

/** Features are the image's first number and its square; counts what it was asked for. */
function counting() {
  const asked: number[] = [];
  const compute = (images: Float32Array, count: number): Promise<Float32Array> => {
    const features = new Float32Array(2 * count);
    for (let row = 0; row < count; row++) {
      const value = images[2 * row] ?? NaN;
      asked.push(value);
      features.set([value, value * value], 2 * row);
    }
    return Promise.resolve(features);
  };
  return { asked, compute };
}

const batch = (...values: number[]): [Float32Array, number] => [
  Float32Array.from(values.flatMap(image)),
  values.length,
];

describe('a cache of features', () => {
  test('computes each image once, whatever batch it stands in', async () => {
    const cache = new FeatureCache(10_000);
    cache.begin(frozen);
    const { asked, compute } = counting();
    expect([...(await cache.take(...batch(3, 4), compute))]).toEqual([3, 9, 4, 16]);
    expect([...(await cache.take(...batch(5, 3, 4), compute))]).toEqual([5, 25, 3, 9, 4, 16]);
    expect(asked).toEqual([3, 4, 5]);
  });

  test('forgets all once A or B is another', async () => {
    const cache = new FeatureCache(10_000);
    const { asked, compute } = counting();
    expect(cache.isOf(frozen)).toBe(false);
    cache.begin(frozen);
    await cache.take(...batch(3), compute);
    expect(cache.isOf(Float32Array.from(frozen))).toBe(true);
    const other = Float32Array.of(1, 2, 4);
    expect(cache.isOf(other)).toBe(false);
    cache.begin(other);
    expect(cache.bytes).toBe(0);
    await cache.take(...batch(3), compute);
    expect(asked).toEqual([3, 3]);
  });

  test('stays within its bytes, and the least recently used goes first', async () => {
    const cache = new FeatureCache(2 * (8 + 160));
    cache.begin(frozen);
    const { asked, compute } = counting();
    await cache.take(...batch(1), compute);
    await cache.take(...batch(2), compute);
    await cache.take(...batch(1), compute);
    await cache.take(...batch(3), compute); // 2 goes
    expect(cache.bytes).toBe(2 * (8 + 160));
    await cache.take(...batch(1), compute);
    expect(asked).toEqual([1, 2, 3]);
    await cache.take(...batch(2), compute);
    expect(asked).toEqual([1, 2, 3, 2]);
  });

  test('gives arrays of its own: one that is written to does not spoil the next', async () => {
    const cache = new FeatureCache(10_000);
    cache.begin(frozen);
    const { compute } = counting();
    (await cache.take(...batch(7), compute)).fill(0);
    expect([...(await cache.take(...batch(7), compute))]).toEqual([7, 49]);
  });
});
