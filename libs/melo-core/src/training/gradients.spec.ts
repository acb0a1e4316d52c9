import fc from 'fast-check';
import { boundGradient } from './gradients.ts';

const ranges = [
  { offset: 0, size: 2 },
  { offset: 3, size: 1 },
];

describe('a bounded gradient', () => {
  test('is scaled to the maximum over all trained numbers together', () => {
    const gradients = Float32Array.of(2, 3, 100, 6);
    expect(boundGradient(gradients, ranges, 3.5)).toBe(7);
    expect([...gradients]).toEqual([1, 1.5, 100, 3]);
  });

  test('stays as it is where it is no longer than the maximum', () => {
    const gradients = Float32Array.of(2, 3, 100, 6);
    boundGradient(gradients, ranges, 7);
    expect([...gradients]).toEqual([2, 3, 100, 6]);
  });

  test('is never longer than the maximum, and keeps its direction', () => {
    const numbers = fc.array(fc.float({ noNaN: true, min: -1e6, max: 1e6 }), {
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(numbers, fc.float({ min: 1, max: 100, noNaN: true }), (values, maximum) => {
        const gradients = Float32Array.from(values);
        const whole = [{ offset: 0, size: values.length }];
        const length = boundGradient(gradients, whole, maximum);
        const after = Math.hypot(...gradients);
        expect(after).toBeLessThanOrEqual(maximum * (1 + 1e-6));
        const dot = gradients.reduce((sum, value, at) => sum + value * (values[at] ?? 0), 0);
        expect(Math.abs(dot - after * length)).toBeLessThanOrEqual(1e-5 * after * length + 1e-30);
      }),
    );
  });
});
