/** The proximal term of FedProx: it holds a site's adapter near the global one while it trains. */
import type { TrainedRange } from './adamw.ts';

/**
 * Add mu (w - w_global) to the gradient of a step, in place: the gradient of mu/2 |w - w_global|^2. The loss that is reported stays that of
 * the images, so that it compares with that of other plans.
 *
 * @param gradients - (P), changed in the ranges alone
 * @param values - w, (P)
 * @param global - w_global, (P)
 * @param ranges - what the term holds: all that is trained and shared
 * @param weight - mu, > 0
 * @see Li et al. 2020, FedProx, Algorithm 2, https://arxiv.org/abs/1812.06127
 */
export function addProximalGradient(
  gradients: Float32Array,
  values: Float32Array,
  global: Float32Array,
  ranges: readonly TrainedRange[],
  weight: number,
): void {
  for (const { offset, size } of ranges) {
    for (let index = offset; index < offset + size; index++) {
      const apart = (values[index] ?? 0) - (global[index] ?? 0);
      gradients[index] = (gradients[index] ?? 0) + weight * apart;
    }
  }
}
