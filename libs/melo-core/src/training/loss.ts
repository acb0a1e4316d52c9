/** Targets of the cross-entropy: one-hot rows, smoothed where the plan says so. */
import { checkInteger } from '#core/check';
import { InputError } from '#core/errors';

/**
 * Turn labels into target shares: (1 - e) onehot + e / C.
 *
 * @param labels - true classes (B), whole numbers in [0, C - 1]
 * @param classes - C, 2 or more
 * @param smoothing - e, in [0, 1)
 * @returns (B,C), new, rows sum to 1 within float32's rounding
 * @throws InputError DATASET_INVALID if a label is not a class
 * @see Szegedy et al. 2016, section 7, https://arxiv.org/abs/1512.00567
 */
export function smoothedTargets(
  labels: readonly number[],
  classes: number,
  smoothing: number,
): Float32Array {
  checkInteger(classes, 'classes', { minimum: 2, maximum: 1_000_000 });
  const targets = new Float32Array(labels.length * classes).fill(smoothing / classes);
  for (const [index, label] of labels.entries()) {
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new InputError(
        'DATASET_INVALID',
        `labels: expected a class from 0 to ${classes - 1} at place ${index} of a batch, got ${label}; check the mapping of folders to classes`,
        { index, classes },
      );
    }
    targets[index * classes + label] = 1 - smoothing + smoothing / classes;
  }
  return targets;
}
