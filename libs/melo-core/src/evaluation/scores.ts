/**
 * From logits to scores in [0, 1]: shares of one class an image, or a yes or no for each class by itself.
 *
 * Letters: C classes. Everything is in float64.
 */
import type { Activation } from '#core/protocol';

/**
 * Compute the softmax of one row of logits, stable and in float64.
 *
 * p_c = exp(z_c - max z) / sum_j exp(z_j - max z).
 *
 * @param logits - one row, (C), finite
 * @returns the scores (C), new, and the logarithm of the sum of exponentials of `logits`
 */
export function softmaxScores(logits: ArrayLike<number>): {
  scores: Float64Array;
  logSumExp: number;
} {
  const scores = Float64Array.from(logits);
  const largest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  let total = 0;
  for (let c = 0; c < scores.length; c++) {
    const weight = Math.exp((scores[c] ?? 0) - largest);
    scores[c] = weight;
    total += weight;
  }
  for (let c = 0; c < scores.length; c++) scores[c] = (scores[c] ?? 0) / total;
  return { scores, logSumExp: largest + Math.log(total) };
}

/** Compute the logistic function, 1 / (1 + exp(-z)), of a finite number; in [0, 1], and 1/2 at 0. */
export function sigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

/** Compute log(1 + exp(z)), stable for any finite z: the loss of the answer no; that of yes is softplus(z) - z. */
export function softplus(z: number): number {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

/**
 * Turn one row of logits into scores.
 *
 * @param logits - (C), finite
 * @param activation - `softmax`: they sum to 1; `sigmoid`: each stands for itself
 * @returns (C), new
 */
export function scoresOf(logits: Float32Array, activation: Activation): Float64Array {
  return activation === 'softmax'
    ? softmaxScores(logits).scores
    : Float64Array.from(logits, sigmoid);
}

/** Tell whether a score of one class by itself says yes: 1/2 or more. */
export function isYes(score: number): boolean {
  return score >= 0.5;
}
