/**
 * LoRA dropout: in training, a share of the inputs of every A is left out, and the others count for more.
 *
 * Hu et al. and PEFT draw a mask for every number of h: y = W h + s B A (m * h) / (1 - p). Here one mask of D stands for a
 * whole step, and A (m * h) = (A diag(m)) h: columns of A are zeroed, so a merged W' = W + s B A diag(m) / (1 - p) is exact,
 * every engine can do it, and a step costs no more. Each projection of each block has its own mask.
 * @see Hu et al. 2021, LoRA, https://arxiv.org/abs/2106.09685
 */
import type { AdapterLayout } from '#core/adapter';
import { seededRng } from '#core/rng';

/** A step's masks. */
export interface Dropout {
  /** What the adapter's numbers are multiplied with for this step, (P): 0 or 1 / (1 - p) in A, 1 elsewhere. */
  readonly factors: Float32Array;
}

/**
 * Draw a step's masks: for each A (r,D) in the layout's order, D draws u in [0, 1); a column is left out where u < p.
 *
 * @param layout - of the adapter
 * @param rate - p, in [0, 1)
 * @param seed - text that fixes the masks: one for each step
 */
export function drawDropout(layout: AdapterLayout, rate: number, seed: string): Dropout {
  const rng = seededRng(seed);
  const factors = new Float32Array(layout.size).fill(1);
  for (const { name, shape, offset } of layout.tensors) {
    const [rank = 0, dimension = 0] = shape;
    if (!name.endsWith('.lora_A')) continue;
    for (let column = 0; column < dimension; column++) {
      const factor = rng.nextFloat() < rate ? 0 : 1 / (1 - rate);
      for (let row = 0; row < rank; row++) factors[offset + row * dimension + column] = factor;
    }
  }
  return { factors };
}

/**
 * Apply a step's masks to an adapter, or to the gradient at the masked adapter, which gives the gradient at the adapter itself.
 *
 * @param values - (P), not changed
 * @returns (P), new
 */
export function applyDropout({ factors }: Dropout, values: Float32Array): Float32Array {
  return values.map((value, index) => value * (factors[index] ?? 1));
}
