/**
 * The loss and its gradient to the head alone, from features and logits: a linear probe needs no backward pass.
 *
 * Letters: B images, D dimension, C classes. Sums are in float64 and rounded to float32 once.
 */
import { checkLength } from '#core/check';
import { softmaxScores } from '#core/evaluation';

/** What {@link headStep} needs. */
export interface HeadStepInput {
  /** The CLS token after the last norm, (B,D). */
  readonly features: Float32Array;
  /** (B,C). */
  readonly logits: Float32Array;
  /** Target shares, (B,C), each row sums to 1. */
  readonly targets: Float32Array;
  /** B. */
  readonly count: number;
  /** C. */
  readonly classes: number;
}

/** What {@link headStep} gives, all new. */
export interface HeadStepResult {
  /** Mean cross-entropy over the batch, natural logarithm. */
  readonly loss: number;
  /** (C,D). */
  readonly weightGradient: Float32Array;
  /** (C). */
  readonly biasGradient: Float32Array;
}

/**
 * Compute the mean cross-entropy and its gradient to the head.
 *
 * loss = -(1/B) sum_b sum_c t_bc log p_bc; dlogits = (p - t) / B; dW = dlogits^T z; db = sum_b dlogits.
 *
 * @param input - a batch's features, logits and targets; not changed
 * @throws InputError UPDATE_SHAPE_MISMATCH if an array does not have B rows
 */
export function headStep(input: HeadStepInput): HeadStepResult {
  const { features, logits, targets, count, classes } = input;
  checkLength(logits, count * classes, 'logits');
  checkLength(targets, count * classes, 'targets');
  const dimension = features.length / count;
  checkLength(features, count * Math.floor(dimension), 'features');
  const weightGradient = new Float64Array(classes * dimension);
  const biasGradient = new Float64Array(classes);
  let loss = 0;
  for (let b = 0; b < count; b++) {
    const row = logits.subarray(b * classes, (b + 1) * classes);
    const { scores, logSumExp } = softmaxScores(row);
    for (let c = 0; c < classes; c++) {
      const target = targets[b * classes + c] ?? 0;
      const dLogit = ((scores[c] ?? 0) - target) / count;
      loss += (target * (logSumExp - (row[c] ?? 0))) / count;
      biasGradient[c] = (biasGradient[c] ?? 0) + dLogit;
      for (let d = 0; d < dimension; d++) {
        const at = c * dimension + d;
        weightGradient[at] =
          (weightGradient[at] ?? 0) + dLogit * (features[b * dimension + d] ?? 0);
      }
    }
  }
  return {
    loss,
    weightGradient: Float32Array.from(weightGradient),
    biasGradient: Float32Array.from(biasGradient),
  };
}
