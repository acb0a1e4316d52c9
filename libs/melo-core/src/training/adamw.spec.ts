import fc from 'fast-check';
import { adamwStep, freshAdamwState } from './adamw.ts';

const hyperparameters = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

describe('AdamW', () => {
  test('gives the values of torch.optim.AdamW, computed by hand for two steps', () => {
    // theta = 1, g = 0.5 then -0.25, rate 0.1. After step 1: m^ = g, v^ = g^2, so theta loses 0.1 (1 + 0.01).
    const values = Float32Array.of(1);
    const state = freshAdamwState(1);
    const ranges = [{ offset: 0, size: 1 }];
    adamwStep(values, state, hyperparameters, {
      gradients: Float32Array.of(0.5),
      ranges,
      step: 1,
      learningRate: 0.1,
    });
    expect(values[0]).toBeCloseTo(1 - 0.1 * (1 + 0.01), 6);
    adamwStep(values, state, hyperparameters, {
      gradients: Float32Array.of(-0.25),
      ranges,
      step: 2,
      learningRate: 0.1,
    });
    const m = (0.9 * 0.05 - 0.1 * 0.25) / (1 - 0.81);
    const v = (0.999 * 0.00025 + 0.001 * 0.0625) / (1 - 0.998001);
    expect(values[0]).toBeCloseTo(0.899 - 0.1 * (m / Math.sqrt(v) + 0.01 * 0.899), 5);
  });

  test('decays weights by the rate times the decay, apart from the gradient', () => {
    const values = Float32Array.of(2);
    adamwStep(
      values,
      freshAdamwState(1),
      { ...hyperparameters, weightDecay: 0.5 },
      {
        gradients: Float32Array.of(0),
        ranges: [{ offset: 0, size: 1 }],
        step: 1,
        learningRate: 0.1,
      },
    );
    expect(values[0]).toBeCloseTo(2 * (1 - 0.1 * 0.5), 6);
  });

  test('keeps every byte outside the trained ranges, in values and moments', () => {
    const finite = fc.float({ noNaN: true, noDefaultInfinity: true, min: -8, max: 8 });
    fc.assert(
      fc.property(
        fc.array(finite, { minLength: 4, maxLength: 24 }),
        fc.nat(3),
        fc.nat(3),
        (numbers, offset, size) => {
          const values = Float32Array.from(numbers);
          const before = values.slice();
          const state = freshAdamwState(values.length);
          adamwStep(values, state, hyperparameters, {
            gradients: Float32Array.from(numbers, (value) => value + 9),
            ranges: [{ offset, size: Math.min(size, values.length - offset) }],
            step: 3,
            learningRate: 0.1,
          });
          for (let index = 0; index < values.length; index++) {
            const isTrained = index >= offset && index < offset + size;
            if (!isTrained) {
              expect(Object.is(values[index], before[index])).toBe(true);
              expect(state.firstMoment[index]).toBe(0);
              expect(state.secondMoment[index]).toBe(0);
            } else expect(state.secondMoment[index]).toBeGreaterThan(0);
          }
        },
      ),
    );
  });

  test('refuses arrays of different lengths and a step before the first', () => {
    const update = { gradients: new Float32Array(2), ranges: [], step: 1, learningRate: 0.1 };
    expect(() =>
      adamwStep(new Float32Array(3), freshAdamwState(3), hyperparameters, update),
    ).toThrow(expect.objectContaining({ code: 'UPDATE_SHAPE_MISMATCH' }));
    expect(() =>
      adamwStep(new Float32Array(2), freshAdamwState(2), hyperparameters, { ...update, step: 0 }),
    ).toThrow(RangeError);
  });

  test('moves a range by its own share of the rate', () => {
    const values = Float32Array.of(1, 1);
    adamwStep(values, freshAdamwState(2), hyperparameters, {
      gradients: Float32Array.of(0.5, 0.5),
      ranges: [
        { offset: 0, size: 1 },
        { offset: 1, size: 1, rateFactor: 4 },
      ],
      step: 1,
      learningRate: 0.01,
    });
    expect(1 - (values[1] ?? 0)).toBeCloseTo(4 * (1 - (values[0] ?? 0)), 6);
  });
});
