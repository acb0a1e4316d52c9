/**
 * Class-prior correction: training sees logits z + log q, q the site's own shares of the classes, and predictions see z alone.
 *
 * Under softmax the loss of z + log q is that of a model whose head need not carry the shares (balanced softmax), so that heads
 * of sites with different shares average to one that favours no class. Adding log q to the head's bias for a step is the same
 * as adding it to the logits, and the gradient to the bias is unchanged.
 *
 * @see Ren et al. 2020, equation 3, https://arxiv.org/abs/2007.10740; Zhang et al. 2022 (FedLC), https://arxiv.org/abs/2209.00189
 */
import type { AdapterLayout } from '#core/adapter';
import { assert } from '#core/errors';
import { checkLabel } from '#core/evaluation';

/**
 * Work out log q_c = log((n_c + 1) / (N + C)): one image more of every class keeps a class without images finite.
 *
 * @param labels - classes of the training images (N)
 * @param classes - C
 * @throws InputError DATASET_INVALID if a label is not a class
 */
export function classLogPriors(labels: ArrayLike<number>, classes: number): Float64Array {
  const counts = new Float64Array(classes).fill(1);
  for (let index = 0; index < labels.length; index++) {
    const label = checkLabel(labels[index] ?? Number.NaN, classes, index);
    counts[label] = (counts[label] ?? 0) + 1;
  }
  return counts.map((count) => Math.log(count / (labels.length + classes)));
}

/**
 * Shift the head's bias: what a step computes with.
 *
 * @param values - (P), not changed
 * @param logPriors - (C)
 * @returns (P), new
 */
export function withLogPriors(
  layout: AdapterLayout,
  values: Float32Array,
  logPriors: Float64Array,
): Float32Array {
  const bias = layout.tensors.find(({ name }) => name === 'head.bias');
  assert(
    bias?.size === logPriors.length,
    'class priors: expected one for each number of head.bias',
  );
  const shifted = values.slice();
  for (const [index, value] of logPriors.entries()) {
    shifted[bias.offset + index] = (values[bias.offset + index] ?? 0) + value;
  }
  return shifted;
}
