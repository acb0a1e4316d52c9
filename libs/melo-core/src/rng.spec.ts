import fc from 'fast-check';
import { restoreRng, rngStateSchema, seededRng } from './rng.ts';

describe('seeded generator', () => {
  test('the same seed gives the same stream, another seed another', () => {
    const draw = (seed: string): number[] => Array.from({ length: 8 }, seededRng(seed).nextUint32);
    expect(draw('a')).toEqual(draw('a'));
    expect(draw('a')).not.toEqual(draw('b'));
  });

  test('goes on exactly where its state was taken, across block borders', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2100 }), (taken) => {
        const rng = seededRng('resume');
        for (let count = 0; count < taken; count++) rng.nextUint32();
        const resumed = restoreRng(rngStateSchema.parse(JSON.parse(JSON.stringify(rng.state()))));
        expect([resumed.nextUint32(), resumed.nextFloat()]).toEqual([
          rng.nextUint32(),
          rng.nextFloat(),
        ]);
      }),
      { numRuns: 20 },
    );
  });

  test('whole numbers stay below their bound and reach every value', () => {
    const rng = seededRng('integers');
    const seen = new Set(Array.from({ length: 500 }, () => rng.nextInteger(7)));
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(() => rng.nextInteger(0)).toThrow(RangeError);
  });

  test('normal draws have mean 0 and variance 1 within five standard errors', () => {
    const rng = seededRng('normal');
    const draws = Array.from({ length: 20_000 }, rng.nextNormal);
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    const variance = draws.reduce((sum, draw) => sum + (draw - mean) ** 2, 0) / draws.length;
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(draws.length));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / draws.length));
  });

  test('a shuffle is a permutation', () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.string(), (items, seed) => {
        const shuffled = seededRng(seed).shuffle([...items]);
        expect(shuffled.sort((a, b) => a - b)).toEqual([...items].sort((a, b) => a - b));
      }),
    );
  });
});
