/** Keeps one step from moving the adapter too far: the gradient's length is bounded. */
import type { TrainedRange } from './adamw.ts';

/**
 * Scale a gradient down, in place, where its length over the trained numbers is above a maximum: g max / length(g).
 *
 * @param gradients - (P), finite; only the trained ranges are read and changed
 * @param ranges - what is trained, taken together as one vector
 * @param maximum - > 0
 * @returns the length before, summed in float64
 * @see Pascanu et al. 2013, Algorithm 1, https://arxiv.org/abs/1211.5063
 */
export function boundGradient(
  gradients: Float32Array,
  ranges: readonly TrainedRange[],
  maximum: number,
): number {
  let sum = 0;
  for (const { offset, size } of ranges) {
    for (let index = offset; index < offset + size; index++) sum += (gradients[index] ?? 0) ** 2;
  }
  const length = Math.sqrt(sum);
  if (length <= maximum) return length;
  for (const { offset, size } of ranges) {
    for (let index = offset; index < offset + size; index++) {
      gradients[index] = ((gradients[index] ?? 0) * maximum) / length;
    }
  }
  return length;
}
