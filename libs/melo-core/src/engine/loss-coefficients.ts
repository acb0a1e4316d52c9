/**
 * What each loss of a batch is multiplied by, worked out once for every engine.
 *
 * Letters: B images, C classes, w weights. A batch's loss is sum(k l) with k = w / sum(w): the weighted mean.
 */
import { checkLength } from '#core/check';
import { InputError } from '#core/errors';
import type { Batch, LossName } from './types.ts';

/** A batch's loss as engines compute it: sum over rows and columns of k l. */
export interface WeightedLoss {
  readonly name: LossName;
  /** (B,C). */
  readonly targets: Float32Array;
  /** k, (B,1) for the cross-entropy and (B,C) for the binary one. */
  readonly coefficients: Float32Array;
  /** Columns of the coefficients: 1 or C. */
  readonly columns: number;
}

type LossInputs = Pick<Batch, 'count' | 'targets' | 'loss' | 'weights'>;

/** Check shapes and weights; weights are ones where the batch has none. */
function checked(
  batch: LossInputs,
  classes: number,
): Omit<WeightedLoss, 'coefficients'> & {
  readonly weights: Float32Array;
} {
  const { count, targets, loss = 'cross-entropy' } = batch;
  const columns = loss === 'cross-entropy' ? 1 : classes;
  const weights = batch.weights ?? new Float32Array(count * columns).fill(1);
  checkLength(targets, count * classes, 'targets');
  checkLength(weights, count * columns, 'weights of the loss');
  const bad = weights.findIndex((weight) => !(weight >= 0 && weight < Infinity));
  if (bad === -1) return { name: loss, targets, columns, weights };
  throw new InputError(
    'NON_FINITE_UPDATE',
    `weights of the loss: expected numbers of 0 or more at place ${bad}, got ${weights[bad]}; correct the plan`,
    { index: bad },
  );
}

/**
 * The loss of a training step: the weighted mean.
 *
 * @param batch - its count, targets, loss and weights are read
 * @param classes - C
 * @returns coefficients w / sum(w), summed in float64; zeros where every weight is 0
 * @throws InputError UPDATE_SHAPE_MISMATCH or NON_FINITE_UPDATE if targets or weights are not of the batch
 */
export function meanLoss(batch: LossInputs, classes: number): WeightedLoss {
  const { weights, ...loss } = checked(batch, classes);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return { ...loss, coefficients: weights.map((weight) => (sum > 0 ? weight / sum : 0)) };
}

/**
 * The losses of single images, each apart from all others: w, or w / C for each class.
 *
 * @param batch - as for {@link meanLoss}
 * @param classes - C
 * @param rows - 1 for an image that counts, 0 for one that does not, (B); all count where it is left out
 * @throws what {@link meanLoss} throws
 */
export function exampleLoss(batch: LossInputs, classes: number, rows?: Uint8Array): WeightedLoss {
  const { weights, ...loss } = checked(batch, classes);
  if (rows !== undefined) checkLength(rows, batch.count, 'rows');
  const { columns } = loss;
  const coefficients = weights.map((weight, index) => {
    const isCounted = rows === undefined || rows[Math.floor(index / columns)] === 1;
    return isCounted ? weight / columns : 0;
  });
  return { ...loss, coefficients };
}
