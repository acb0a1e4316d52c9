import fc from 'fast-check';
import { batchOrder, batchStream, localSteps } from './batches.ts';

describe('the steps of a local round', () => {
  test.each([
    [{ unit: 'epochs', count: 3 } as const, 10, 4, 9],
    [{ unit: 'epochs', count: 1 } as const, 8, 4, 2],
    [{ unit: 'epochs', count: 2 } as const, 1, 16, 2],
    [{ unit: 'steps', count: 7 } as const, 10, 4, 7],
  ])('of %j with %d images in batches of %d are %d', (duration, images, batchSize, expected) => {
    expect(localSteps({ duration, batchSize }, images)).toBe(expected);
  });
});

describe('the order of batches', () => {
  const rng = batchStream({ seed: 7 }, 'task/1/site');

  test('shows every image once an epoch, in another order each time, with a smaller last batch', () => {
    const order = batchOrder({ images: 10, batchSize: 4, step: 0, rng });
    const epochs = [0, 1].map(() => [order.next(), order.next(), order.next()]);
    for (const batches of epochs) {
      expect(batches.map(({ length }) => length)).toEqual([4, 4, 2]);
      expect(batches.flat().sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  test('depends on the seed and on the stream', () => {
    const first = (seed: number, stream: string): readonly number[] =>
      batchOrder({ images: 50, batchSize: 50, step: 0, rng: batchStream({ seed }, stream) }).next();
    expect(first(1, 'a')).toEqual(first(1, 'a'));
    expect(first(1, 'a')).not.toEqual(first(2, 'a'));
    expect(first(1, 'a')).not.toEqual(first(1, 'b'));
  });

  test('goes on from any step as if it had never stopped', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(20),
        (images, batchSize, stop) => {
          const whole = batchOrder({ images, batchSize, step: 0, rng });
          for (let step = 0; step < stop; step++) whole.next();
          const resumed = batchOrder({ images, batchSize, step: stop, rng: whole.epochStart() });
          for (let step = 0; step < 8; step++) expect(resumed.next()).toEqual(whole.next());
        },
      ),
    );
  });
});
