/**
 * What is known of each class of an image by itself: present, absent, or not known.
 *
 * Letters: B images, C classes.
 */
import { InputError } from '#core/errors';

/** What is known of one class of one image. */
export const finding = { absent: 0, present: 1, unknown: -1 } as const;
/** What is known of one class of one image. */
export type Finding = (typeof finding)[keyof typeof finding];

/**
 * Check findings that come as numbers.
 *
 * @param values - (B,C), row-major
 * @param classes - C, for the error alone
 * @throws InputError DATASET_INVALID if one is none of 1, 0 and -1
 */
export function checkFindings(values: ArrayLike<number>, classes: number): void {
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (value === finding.absent || value === finding.present || value === finding.unknown)
      continue;
    throw new InputError(
      'DATASET_INVALID',
      `findings: expected 1, 0 or -1 at place ${index} of a batch, got ${value}; correct the labels of this site`,
      { index, classes },
    );
  }
}

/**
 * Write findings for images of one class each: present at their class, absent at all others.
 *
 * @param labels - true classes (B), whole numbers in [0, C - 1]
 * @param classes - C
 * @returns (B,C), row-major, new
 * @throws InputError DATASET_INVALID if a label is not a class
 */
export function oneAgainstAll(labels: ArrayLike<number>, classes: number): Int8Array {
  const findings = new Int8Array(labels.length * classes);
  for (let index = 0; index < labels.length; index++) {
    findings[index * classes + checkLabel(labels[index], classes, index)] = finding.present;
  }
  return findings;
}

/**
 * Check that a label is a class.
 *
 * @param label - of the image at `index` of a batch
 * @param classes - C
 * @returns the label
 * @throws InputError DATASET_INVALID if it is no whole number in [0, C - 1]
 */
export function checkLabel(label: number | undefined, classes: number, index: number): number {
  if (label !== undefined && Number.isInteger(label) && label >= 0 && label < classes) return label;
  throw new InputError(
    'DATASET_INVALID',
    `labels: expected a class from 0 to ${classes - 1} at place ${index} of a batch, got ${String(label)}; check the mapping of folders to classes`,
    { index, classes },
  );
}
