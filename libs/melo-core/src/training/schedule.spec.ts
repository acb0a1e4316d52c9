import fc from 'fast-check';
import { trainingPlanSchema } from '#core/protocol';
import { learningRateAt, schedulePosition } from './schedule.ts';

const plan = (schedule: object): Parameters<typeof learningRateAt>[0] =>
  trainingPlanSchema.parse({
    version: 1,
    optimiser: { name: 'adamw', learningRate: 0.01 },
    schedule: { name: 'cosine', totalRounds: 10, ...schedule },
    duration: { unit: 'epochs', count: 1 },
    batchSize: 4,
    loss: { name: 'cross-entropy' },
    augmentation: { name: 'none' },
    seed: 0,
  });

describe('the learning rate', () => {
  test.each([
    [0, 0.01],
    [5, 0.0055],
    [10, 0.001],
    [12, 0.001],
  ])('at %d of 10 rounds is %d on a cosine to 0.001', (position, expected) => {
    expect(learningRateAt(plan({ minimumLearningRate: 0.001 }), position)).toBeCloseTo(
      expected,
      12,
    );
  });

  test.each([
    [0, 0],
    [1, 0.005],
    [2, 0.01],
    [6, 0.005],
  ])('at %d rounds is %d with two rounds of warm-up', (position, expected) => {
    expect(learningRateAt(plan({ warmupRounds: 2 }), position)).toBeCloseTo(expected, 12);
  });

  test('is the minimum at once where the warm-up fills the schedule', () => {
    expect(learningRateAt(plan({ warmupRounds: 10 }), 10)).toBe(0);
  });

  test('never rises after the warm-up and stays within its bounds', () => {
    const rounding = 1e-15;
    const position = fc.double({ min: 2, max: 20, noNaN: true });
    fc.assert(
      fc.property(position, position, (a, b) => {
        const some = plan({ warmupRounds: 2, minimumLearningRate: 0.001 });
        const [early, late] = [
          learningRateAt(some, Math.min(a, b)),
          learningRateAt(some, Math.max(a, b)),
        ];
        expect(late - early).toBeLessThanOrEqual(rounding);
        expect(late).toBeGreaterThanOrEqual(0.001 - rounding);
        expect(early).toBeLessThanOrEqual(0.01 + rounding);
      }),
    );
  });

  test('sums to the same over a round however many steps a site takes', () => {
    const some = plan({});
    const mean = (steps: number): number => {
      let sum = 0;
      for (let step = 0; step < steps; step++) {
        sum += learningRateAt(some, schedulePosition(3, step, steps)) / steps;
      }
      return sum;
    };
    expect(Math.abs(mean(3) / mean(400) - 1)).toBeLessThan(1e-3);
  });
});
