import { seededRng } from '#core/rng';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';
import type { TrainingCheckpoint } from './types.ts';

const checkpoint = (): TrainingCheckpoint => ({
  state: { version: 1, step: 12, lossSum: 3.0000000000000004, rng: seededRng('order').state() },
  values: Float32Array.of(1.5, -0, 3e-39),
  firstMoment: Float32Array.of(0, 1, 2),
  secondMoment: Float32Array.of(4, 5, 6),
});
const refused = expect.objectContaining({ code: 'CHECKPOINT_INVALID' });

describe('a checkpoint', () => {
  test('comes back as it was, to the last bit', () => {
    const decoded = decodeCheckpoint(encodeCheckpoint(checkpoint()), 3);
    expect(decoded).toEqual(checkpoint());
    expect(Object.is(decoded.values[1], -0)).toBe(true);
    expect(decoded.state.lossSum).toBe(3.0000000000000004);
  });

  test('is refused with any one byte changed', () => {
    const bytes = encodeCheckpoint(checkpoint());
    for (let index = 0; index < bytes.length; index++) {
      const damaged = bytes.slice();
      damaged[index] = (damaged[index] ?? 0) ^ 1;
      expect(() => decodeCheckpoint(damaged, 3)).toThrow(refused);
    }
  });

  test('is refused at every shorter length', () => {
    const bytes = encodeCheckpoint(checkpoint());
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodeCheckpoint(bytes.subarray(0, length), 3)).toThrow(refused);
    }
  });

  test('is refused for an adapter of another size', () => {
    const bytes = encodeCheckpoint(checkpoint());
    for (const size of [0, 2, 4]) expect(() => decodeCheckpoint(bytes, size)).toThrow(refused);
  });
});
