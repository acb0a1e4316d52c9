import { smoothedTargets } from './loss.ts';

describe('targets', () => {
  test('are one-hot without smoothing', () => {
    expect([...smoothedTargets([2, 0], 3, 0)]).toEqual([0, 0, 1, 1, 0, 0]);
  });

  test('share the smoothing among all classes, the true one too', () => {
    const [a, b, c, d] = smoothedTargets([1], 4, 0.2);
    expect(b).toBeCloseTo(0.85, 6);
    for (const other of [a, c, d]) expect(other).toBeCloseTo(0.05, 6);
  });

  test.each([[-1], [3], [0.5], [Number.NaN]])('refuse the label %d of 3 classes', (label) => {
    expect(() => smoothedTargets([0, label], 3, 0)).toThrow(
      expect.objectContaining({ code: 'DATASET_INVALID', details: { index: 1, classes: 3 } }),
    );
  });
});
