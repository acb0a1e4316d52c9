/**
 * AdamW on a flat array of which only some ranges are trained.
 *
 * Letters: P numbers of the adapter, m and v first and second moment, t the step from 1. State is float32; each number's
 * arithmetic is float64, rounded once when it is stored, so the result depends on nothing but its inputs.
 *
 * @see Loshchilov and Hutter 2019, Algorithm 2, https://arxiv.org/abs/1711.05101
 */
import { checkInteger, checkLength } from '#core/check';

/** AdamW's numbers that stay the same over a round. */
export interface AdamwHyperparameters {
  /** In [0, 1). */
  readonly beta1: number;
  readonly beta2: number;
  /** Added to the root of the second moment, > 0. */
  readonly epsilon: number;
  /** Decoupled, multiplied by the step's rate: theta loses rate * weightDecay * theta a step. */
  readonly weightDecay: number;
}

/** The moments, (P) each; zero where nothing was trained. */
export interface AdamwState {
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
}

/** A range of the flat array. */
export interface TrainedRange {
  readonly offset: number;
  readonly size: number;
  /** The step's rate is multiplied by this; 1 where it is left out. */
  readonly rateFactor?: number;
  /** Steps behind its moments before the first step of this round, where they were kept; 0 where it is left out. */
  readonly stepsBefore?: number;
}

/** One step's inputs. */
export interface AdamwStep {
  /** (P), finite. */
  readonly gradients: Float32Array;
  /** What is trained; all else keeps its bytes. */
  readonly ranges: readonly TrainedRange[];
  /** t, from 1. */
  readonly step: number;
  /** The step's rate after the schedule, 0 or more. */
  readonly learningRate: number;
}

/** Start with zero moments of P numbers. */
export function freshAdamwState(size: number): AdamwState {
  return { firstMoment: new Float32Array(size), secondMoment: new Float32Array(size) };
}

/**
 * Take one step, in place.
 *
 * m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
 * theta = theta - rate (m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + epsilon) + weightDecay theta).
 *
 * @param values - theta, (P), changed in place in the trained ranges alone
 * @param state - changed in place likewise
 * @param hyperparameters - see {@link AdamwHyperparameters}
 * @param update - the step's gradients, ranges, number and rate
 * @throws InputError UPDATE_SHAPE_MISMATCH if the arrays differ in length
 * @throws RangeError if `step` is not a whole number from 1
 */
export function adamwStep(
  values: Float32Array,
  state: AdamwState,
  hyperparameters: AdamwHyperparameters,
  update: AdamwStep,
): void {
  const { beta1, beta2, epsilon, weightDecay } = hyperparameters;
  const { firstMoment, secondMoment } = state;
  const { gradients, step, learningRate } = update;
  checkInteger(step, 'step', { minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
  checkLength(gradients, values.length, 'gradients');
  checkLength(firstMoment, values.length, 'first moment');
  checkLength(secondMoment, values.length, 'second moment');
  for (const { offset, size, rateFactor = 1, stepsBefore = 0 } of update.ranges) {
    const firstCorrection = 1 - beta1 ** (stepsBefore + step);
    const secondCorrection = 1 - beta2 ** (stepsBefore + step);
    const rate = learningRate * rateFactor;
    for (let index = offset; index < offset + size; index++) {
      const g = gradients[index] ?? 0;
      const theta = values[index] ?? 0;
      const m = beta1 * (firstMoment[index] ?? 0) + (1 - beta1) * g;
      const v = beta2 * (secondMoment[index] ?? 0) + (1 - beta2) * g * g;
      firstMoment[index] = m;
      secondMoment[index] = v;
      const direction = m / firstCorrection / (Math.sqrt(v / secondCorrection) + epsilon);
      values[index] = theta - rate * (direction + weightDecay * theta);
    }
  }
}
