import { findingTargets, lossInputs, smoothedTargets } from './loss.ts';

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

const binary = { name: 'binary-cross-entropy', labelSmoothing: 0 } as const;

describe('findings', () => {
  test('count where they are known, by class and by answer', () => {
    const plan = { ...binary, classWeights: [1, 2, 4], positiveWeights: [3, 5, 7] };
    const { targets, weights } = findingTargets([1, 0, -1, -1, 1, 0], 3, plan);
    expect([...targets]).toEqual([1, 0, 0, 0, 1, 0]);
    expect([...weights]).toEqual([3, 2, 0, 0, 10, 4]);
  });

  test('are moved towards a half by smoothing, on both sides', () => {
    const { targets } = findingTargets([1, 0], 2, { ...binary, labelSmoothing: 0.2 });
    expect(targets[0]).toBeCloseTo(0.9, 6);
    expect(targets[1]).toBeCloseTo(0.1, 6);
  });

  test.each([[2], [-2], [0.5], [Number.NaN]])('refuse the finding %d', (value) => {
    expect(() => findingTargets([0, value], 2, binary)).toThrow(
      expect.objectContaining({ code: 'DATASET_INVALID', details: { index: 1, classes: 2 } }),
    );
  });
});

describe('what a batch is asked', () => {
  test('is its class, which counts by the weight of the class', () => {
    const plan = { name: 'cross-entropy', labelSmoothing: 0, classWeights: [1, 5] } as const;
    const asked = lossInputs({ ...plan, classWeights: [1, 5] }, [1, 0], undefined, 2);
    expect(asked).toEqual({
      loss: 'cross-entropy',
      targets: Float32Array.of(0, 1, 1, 0),
      weights: Float32Array.of(5, 1),
    });
  });

  test('is each class against all others where a binary loss has no findings', () => {
    const { targets, weights } = lossInputs(binary, [1, 0], undefined, 3);
    expect([...targets]).toEqual([0, 1, 0, 1, 0, 0]);
    expect([...(weights ?? [])]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  test('is refused with weights that are not one for each class', () => {
    const plan = { ...binary, positiveWeights: [1, 2] };
    expect(() => lossInputs(plan, [0], undefined, 3)).toThrow(
      expect.objectContaining({ code: 'PLAN_INVALID', details: { expected: 3, actual: 2 } }),
    );
  });

  test('is refused where findings stand beside one class an image, or are too few', () => {
    const one = { name: 'cross-entropy', labelSmoothing: 0 } as const;
    expect(() => lossInputs(one, [0], [1, 0], 2)).toThrow(
      expect.objectContaining({ code: 'DATASET_INVALID' }),
    );
    expect(() => lossInputs(binary, [0, 0], [1, 0], 2)).toThrow(
      expect.objectContaining({ code: 'UPDATE_SHAPE_MISMATCH' }),
    );
  });
});
