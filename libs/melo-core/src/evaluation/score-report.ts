/**
 * What an evaluation lets out of a site: counts, confusion and score histograms, never a score or an image.
 *
 * Everything but the loss is a whole number, so reports of several sites add up exactly, in any order, also as masked
 * coordinates. Letters: B images in a batch, C classes, 256 bins.
 *
 * The score of class c is its softmax share, or its own sigmoid where each class is a yes or no by itself (then `confusion` is null);
 * bin = min(255, floor(256 * score)). 256 is a power of two, so the product
 * is exact and a bin never puts two scores in the wrong order: it only ties scores closer than 1/256.
 */
import { z } from 'zod';
import { assert } from '#core/errors';
import { checkFinite, checkInteger, checkLength } from '#core/check';
import type { Activation } from '#core/protocol';
import { checkFindings, checkLabel, finding } from './findings.ts';
import { sigmoid, softmaxScores, softplus } from './scores.ts';

/** Bins of one score histogram. */
export const scoreBins = 256;

/** Most classes of a report; the protocol's own limit on a task. */
const classesMax = 64;
/** Most images of a report, merged ones included: products of two counts stay far below 2^63, sums far below 2^53. */
const countMax = 1_000_000_000;
/** Above what finite fp32 logits can give (6.8e38 an image), low enough that reports add up without overflow. */
const lossSumMax = 1e50;

const countSchema = z.number().int().min(0).max(countMax);
const binsSchema = z.array(countSchema).length(scoreBins);

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

const shapeSchema = z.strictObject({
  /** C, the classes of the task in the order of the head's rows. */
  classes: z.number().int().min(2).max(classesMax),
  /** Images scored. */
  count: countSchema,
  /** Sum of the cross-entropies of the images, or of the binary ones of all findings that are known; natural logarithm, no smoothing. */
  lossSum: z.number().min(0).max(lossSumMax),
  /**
   * Images by true class (rows) and predicted class (columns), (C,C). Null where each class is a yes or no by itself: yes begins at
   * bin 128, so the histograms say how many answers were right.
   */
  confusion: z.array(z.array(countSchema).max(classesMax)).max(classesMax).nullable(),
  /** For each class, the scores of the images that have it and of those that do not, by bin; images where it is not known are in neither. */
  histograms: z
    .array(z.strictObject({ positives: binsSchema, negatives: binsSchema }))
    .max(classesMax),
  /**
   * Images by the score of the class that was predicted, where that was right and where it was wrong. Left out by agents of 0.1.0 and
   * where each class is a yes or no by itself: there the histograms say it.
   */
  confidence: z.strictObject({ right: binsSchema, wrong: binsSchema }).exactOptional(),
});

type Shape = z.infer<typeof shapeSchema>;

/** Say what does not add up in a report of the right shape, or null. */
function inconsistency(report: Shape): string | null {
  const { classes, confusion, histograms, lossSum } = report;
  if (histograms.length !== classes)
    return `expected ${classes} histograms, got ${histograms.length}`;
  const fault = confusion === null ? findingsFault(report) : confusionFault(report, confusion);
  if (fault !== null) return fault;
  const confidenceFault = confidenceFaultOf(report);
  if (confidenceFault !== null) return confidenceFault;
  return knownAnswers(histograms) === 0 && lossSum !== 0 ? 'expected no loss without images' : null;
}

/** Findings that are known: the scores in all histograms. */
function knownAnswers(histograms: Shape['histograms']): number {
  return sum(histograms.map(({ positives, negatives }) => sum(positives) + sum(negatives)));
}

function findingsFault({ count, histograms }: Shape): string | null {
  const isTooMany = ({ positives, negatives }: Shape['histograms'][number]): boolean =>
    sum(positives) + sum(negatives) > count;
  const index = histograms.findIndex(isTooMany);
  return index === -1 ? null : `expected at most ${count} scores in histogram ${index}`;
}

function confusionFault(
  { classes, count, histograms }: Shape,
  confusion: readonly (readonly number[])[],
): string | null {
  if (confusion.length !== classes || confusion.some((row) => row.length !== classes)) {
    return `expected a confusion table of ${classes} x ${classes}`;
  }
  const total = sum(confusion.flat());
  if (total !== count) return `expected confusion counts that sum to ${count}, got ${total}`;
  for (const [index, { positives, negatives }] of histograms.entries()) {
    const positiveCount = sum(confusion[index] ?? []);
    if (sum(positives) !== positiveCount)
      return `expected ${positiveCount} positives in histogram ${index}`;
    if (sum(negatives) !== count - positiveCount) {
      return `expected ${count - positiveCount} negatives in histogram ${index}`;
    }
  }
  return null;
}

/** What the confidences say must agree with the table of true and predicted classes. */
function confidenceFaultOf({ confidence, confusion, count }: Shape): string | null {
  if (confidence === undefined) return null;
  if (confusion === null)
    return 'expected no confidences where each class is a yes or no by itself';
  const right = sum(confusion.map((row, c) => row[c] ?? 0));
  const isAgreed = sum(confidence.right) === right && sum(confidence.wrong) === count - right;
  return isAgreed
    ? null
    : `expected confidences of ${right} right and ${count - right} wrong answers`;
}

/** Parse a report from outside: whole numbers within limits, and sums that agree with each other. */
export const scoreReportSchema = shapeSchema.superRefine((report, context) => {
  const message = inconsistency(report);
  if (message !== null) context.addIssue({ code: 'custom', message });
});

/** Counts and score histograms of one model on one set of images. */
export type ScoreReport = z.infer<typeof scoreReportSchema>;

const zeros = (length: number): number[] => Array.from({ length }, () => 0);

/** Tell how the scores of a report were made. */
export function activationOfReport({ confusion }: ScoreReport): Activation {
  return confusion === null ? 'sigmoid' : 'softmax';
}

/**
 * Make a report of no images.
 *
 * @param classes - C, 2 to 64
 * @param activation - `sigmoid` for {@link addFindings}, else for {@link addScores}
 * @throws RangeError if `classes` is out of range
 */
export function emptyScoreReport(classes: number, activation: Activation = 'softmax'): ScoreReport {
  checkInteger(classes, 'classes', { minimum: 2, maximum: classesMax });
  return {
    classes,
    count: 0,
    lossSum: 0,
    confusion:
      activation === 'sigmoid' ? null : Array.from({ length: classes }, () => zeros(classes)),
    histograms: Array.from({ length: classes }, () => ({
      positives: zeros(scoreBins),
      negatives: zeros(scoreBins),
    })),
    ...(activation === 'softmax'
      ? { confidence: { right: zeros(scoreBins), wrong: zeros(scoreBins) } }
      : {}),
  };
}

/**
 * Tell the bin of a score: min(255, floor(256 * score)).
 *
 * @param score - share in [0, 1]
 */
export function scoreBin(score: number): number {
  return Math.min(scoreBins - 1, Math.floor(score * scoreBins));
}

/** Index of the largest value; of equal ones the lowest index. */
function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) {
    if ((values[index] ?? 0) > (values[best] ?? 0)) best = index;
  }
  return best;
}

function increment(counts: number[] | undefined, index: number): void {
  if (counts !== undefined) counts[index] = (counts[index] ?? 0) + 1;
}

/** Add one image to the report: its row of logits (C) and its true class. */
function addRow(report: ScoreReport, row: Float32Array, label: number): void {
  const { scores, logSumExp } = softmaxScores(row);
  report.count += 1;
  report.lossSum += Math.max(0, logSumExp - (row[label] ?? 0)); // -log p of the true class
  const predicted = argmax(row);
  increment(report.confusion?.[label], predicted);
  const confidence = predicted === label ? report.confidence?.right : report.confidence?.wrong;
  increment(confidence, scoreBin(scores[predicted] ?? 0));
  for (const [c, histogram] of report.histograms.entries()) {
    increment(c === label ? histogram.positives : histogram.negatives, scoreBin(scores[c] ?? 0));
  }
}

/**
 * Add a batch of scored images to `report`, in place.
 *
 * Softmax in float64; loss = -log p of the true class; the prediction is the largest logit, of equal ones the one with
 * the lowest index (so a model that knows nothing predicts class 0 throughout, and its accuracy says so).
 *
 * @param report - changed in place, nothing of it when this throws
 * @param logits - (B,C) row-major, finite
 * @param labels - true classes (B), whole numbers in [0, C - 1]
 * @returns the same report
 * @throws InputError UPDATE_SHAPE_MISMATCH if `logits` is not B x C, NON_FINITE_UPDATE if a logit is not finite,
 *   DATASET_INVALID if a label is not a class
 */
export function addScores(
  report: ScoreReport,
  logits: Float32Array,
  labels: ArrayLike<number>,
): ScoreReport {
  const { classes } = report;
  assert(report.confusion !== null, 'score report: expected one of softmax shares');
  checkFinite(checkLength(logits, labels.length * classes, 'logits'), 'logits');
  for (let index = 0; index < labels.length; index++) checkLabel(labels[index], classes, index);
  for (let index = 0; index < labels.length; index++) {
    addRow(report, logits.subarray(index * classes, (index + 1) * classes), labels[index] ?? 0);
  }
  return report;
}

/**
 * Add a batch of images whose classes are each a yes or no to `report`, in place.
 *
 * Sigmoids in float64; loss = log(1 + exp z) - y z of every finding y that is known; one that is not counts nowhere.
 *
 * @param report - of {@link emptyScoreReport} with `sigmoid`; nothing of it is changed when this throws
 * @param logits - (B,C) row-major, finite
 * @param findings - (B,C), 1 present, 0 absent, -1 not known
 * @returns the same report
 * @throws InputError UPDATE_SHAPE_MISMATCH if the two differ in length, NON_FINITE_UPDATE if a logit is not finite,
 *   DATASET_INVALID if a finding is none
 */
export function addFindings(
  report: ScoreReport,
  logits: Float32Array,
  findings: ArrayLike<number>,
): ScoreReport {
  const { classes, histograms } = report;
  assert(report.confusion === null, 'score report: expected one of a yes or no for each class');
  checkFinite(checkLength(logits, findings.length, 'logits'), 'logits');
  checkFindings(findings, classes);
  report.count += findings.length / classes;
  for (const [index, z] of logits.entries()) {
    if (findings[index] === finding.unknown) continue;
    const isPresent = findings[index] === finding.present;
    const histogram = histograms[index % classes];
    report.lossSum += Math.max(0, softplus(z) - (isPresent ? z : 0));
    increment(isPresent ? histogram?.positives : histogram?.negatives, scoreBin(sigmoid(z)));
  }
  return report;
}
