/** The losses in operations that tfjs-core differentiates by itself; coefficients k as in loss-coefficients.ts. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { LossName } from '../types.ts';
import type { Tfjs } from './backends.ts';

/** A batch's loss on the backend. */
export interface TensorLoss {
  readonly name: LossName;
  /** (B,C). */
  readonly targets: Tensor;
  /** k, (B,1) or (B,C). */
  readonly coefficients: Tensor;
}

/**
 * Sum of k l over a batch, natural logarithm.
 *
 * Cross-entropy: l_b = -sum_c t_bc log softmax(z)_bc. Binary: l_bc = log(1 + exp(z_bc)) - t_bc z_bc.
 *
 * @param tf - API
 * @param logits - z, (B,C)
 * @param loss - which, targets and coefficients
 * @returns a scalar
 */
export function addedLosses(tf: Tfjs, logits: Tensor, loss: TensorLoss): Tensor {
  const { name, targets, coefficients } = loss;
  const losses =
    name === 'cross-entropy'
      ? tf.neg(tf.mul(targets, tf.logSoftmax(logits))) // (B,C), a row's sum is its loss
      : tf.sub(softplus(tf, logits), tf.mul(targets, logits));
  return tf.sum(tf.mul(losses, coefficients));
}

/** log(1 + exp(z)) = max(z, 0) + log(1 + exp(-|z|)): the WebAssembly backend has no softplus of its own. */
function softplus(tf: Tfjs, z: Tensor): Tensor {
  return tf.add(tf.relu(z), tf.log(tf.add(tf.exp(tf.neg(tf.abs(z))), 1)));
}
