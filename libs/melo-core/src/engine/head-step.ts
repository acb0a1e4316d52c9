/**
 * The loss and its gradient to the head alone, from features and logits: a linear probe needs no backward pass.
 *
 * Letters: B images, D dimension, C classes, k coefficients. Sums are in float64 and rounded to float32 once.
 */
import { checkLength } from '#core/check';
import { sigmoid, softmaxScores, softplus } from '#core/evaluation';
import type { WeightedLoss } from './loss-coefficients.ts';

/**
 * Apply the head: logits = z W^T + b, summed in float64.
 *
 * @param features - z, (B,D)
 * @param head - W (C,D), then b (C)
 * @param classes - C
 * @returns (B,C), new
 * @throws InputError UPDATE_SHAPE_MISMATCH if the features are not rows of D
 */
export function headLogits(
  features: Float32Array,
  head: Float32Array,
  classes: number,
): Float32Array {
  const dimension = head.length / classes - 1;
  const count = Math.round(features.length / dimension);
  checkLength(features, count * dimension, 'features');
  const logits = new Float32Array(count * classes);
  for (let b = 0; b < count; b++) {
    for (let c = 0; c < classes; c++) {
      let sum = head[classes * dimension + c] ?? 0;
      for (let d = 0; d < dimension; d++) {
        sum += (features[b * dimension + d] ?? 0) * (head[c * dimension + d] ?? 0);
      }
      logits[b * classes + c] = sum;
    }
  }
  return logits;
}

/** A loss at given logits, and its derivative. */
export interface LossAtLogits {
  /** Each image's k l, summed over its classes, (B). */
  readonly losses: Float64Array;
  /** dlogits, (B,C). */
  readonly dLogits: Float64Array;
}

/**
 * Compute a loss and its derivative by the logits.
 *
 * Cross-entropy: l_b = -sum_c t_bc log p_bc, dlogits = k_b (p - t), p the softmax.
 * Binary: l_bc = log(1 + exp(z_bc)) - t_bc z_bc, dlogits = k_bc (sigmoid(z_bc) - t_bc).
 *
 * @param logits - (B,C)
 * @param loss - targets (B,C) and coefficients
 * @param classes - C
 * @throws InputError UPDATE_SHAPE_MISMATCH if the logits do not have the targets' length
 */
export function lossAtLogits(
  logits: Float32Array,
  loss: WeightedLoss,
  classes: number,
): LossAtLogits {
  const { name, targets, coefficients, columns } = loss;
  checkLength(logits, targets.length, 'logits');
  const losses = new Float64Array(logits.length / classes);
  const dLogits = new Float64Array(logits.length);
  for (let b = 0; b < losses.length; b++) {
    const row = logits.subarray(b * classes, (b + 1) * classes);
    const softmax = name === 'cross-entropy' ? softmaxScores(row) : null;
    for (const [c, z] of row.entries()) {
      const at = b * classes + c;
      const target = targets[at] ?? 0;
      const coefficient = coefficients[columns === 1 ? b : at] ?? 0;
      const share = softmax === null ? sigmoid(z) : (softmax.scores[c] ?? 0);
      const value = softmax === null ? softplus(z) - target * z : target * (softmax.logSumExp - z);
      losses[b] = (losses[b] ?? 0) + coefficient * value;
      dLogits[at] = coefficient * (share - target);
    }
  }
  return { losses, dLogits };
}

/** What {@link headStep} needs. */
export interface HeadStepInput {
  /** What the head multiplies, (B,D). */
  readonly features: Float32Array;
  /** (B,C). */
  readonly logits: Float32Array;
  readonly loss: WeightedLoss;
  /** B. */
  readonly count: number;
  /** C. */
  readonly classes: number;
}

/** What {@link headStep} gives, all new. */
export interface HeadStepResult {
  /** Sum of k l over the batch. */
  readonly loss: number;
  /** Head's gradient: weight (C,D), then bias (C). */
  readonly gradient: Float32Array;
}

/**
 * Compute a batch's loss and its gradient to the head: dW = dlogits^T z; db = sum_b dlogits.
 *
 * @param input - a batch's features, logits and loss; not changed
 * @throws InputError UPDATE_SHAPE_MISMATCH if an array does not have B rows
 */
export function headStep(input: HeadStepInput): HeadStepResult {
  const { features, logits, count, classes } = input;
  const { losses, dLogits } = lossAtLogits(logits, input.loss, classes);
  const dimension = features.length / count;
  checkLength(features, count * Math.floor(dimension), 'features');
  const gradient = new Float64Array(classes * (dimension + 1));
  for (let b = 0; b < count; b++) {
    const row = dLogits.subarray(b * classes, (b + 1) * classes);
    addHeadGradient(gradient, features.subarray(b * dimension, (b + 1) * dimension), row);
  }
  const loss = losses.reduce((sum, value) => sum + value, 0);
  return { loss, gradient: Float32Array.from(gradient) };
}

/** Add one image's gradient to the head: features (D) times dlogits (C), then dlogits. */
function addHeadGradient(sum: Float64Array, features: Float32Array, dLogits: Float64Array): void {
  const dimension = features.length;
  const biasOffset = dLogits.length * dimension;
  for (const [c, dLogit] of dLogits.entries()) {
    sum[biasOffset + c] = (sum[biasOffset + c] ?? 0) + dLogit;
    for (const [d, feature] of features.entries()) {
      const at = c * dimension + d;
      sum[at] = (sum[at] ?? 0) + dLogit * feature;
    }
  }
}

/**
 * Compute each image's loss and its gradient to the head.
 *
 * @param input - as for {@link headStep}
 * @returns losses (B) and gradients (B, C D + C), new
 * @throws what {@link headStep} throws
 */
export function headExamples(input: HeadStepInput): {
  readonly losses: Float32Array;
  readonly gradients: Float32Array;
} {
  const { features, logits, count, classes } = input;
  const { losses, dLogits } = lossAtLogits(logits, input.loss, classes);
  const dimension = features.length / count;
  checkLength(features, count * Math.floor(dimension), 'features');
  const size = classes * (dimension + 1);
  const gradients = new Float32Array(count * size);
  for (let b = 0; b < count; b++) {
    const own = new Float64Array(size);
    const row = dLogits.subarray(b * classes, (b + 1) * classes);
    addHeadGradient(own, features.subarray(b * dimension, (b + 1) * dimension), row);
    gradients.set(own, b * size);
  }
  return { losses: Float32Array.from(losses), gradients };
}
