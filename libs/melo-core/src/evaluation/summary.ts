/**
 * Figures from a score report: AUC from summed bins with its error bound, accuracy, recall, loss.
 *
 * What is not defined (an AUC without positives or without negatives, a mean over nothing) is null, never zero.
 * Letters: C classes, P positives, N negatives of one class.
 */
import { checkFinite, checkLength } from '#core/check';
import {
  brierScore,
  calibrationError,
  confidencesOf,
  fixedSpecificities,
  sensitivityAt,
} from './calibration.ts';
import { scoreBins, type ScoreReport } from './score-report.ts';

/**
 * The figures of one report.
 *
 * Where each class is a yes or no by itself, an answer is one known finding of one image, and yes is a score of 1/2 or more.
 */
export interface ScoreSummary {
  /** Images scored. */
  readonly count: number;
  /** Mean cross-entropy of an image, or mean binary one of an answer, natural logarithm; null without any. */
  readonly loss: number | null;
  /** Share of images whose predicted class is the true one, or of answers that are right; null without any. */
  readonly accuracy: number | null;
  /**
   * Mean recall over the classes that have images; or the mean of recall and of the share of right noes, over the classes that have both;
   * null without any.
   */
  readonly balancedAccuracy: number | null;
  /** Share of each class's images that were predicted as it, or answered yes, (C); null for a class without images. */
  readonly recall: readonly (number | null)[];
  /** One-vs-rest AUC of each class, (C); null where the class or the rest has no images. */
  readonly auc: readonly (number | null)[];
  /** Bound on |auc - exact AUC| that binning may cost, (C); null where the AUC is. */
  readonly aucErrorBound: readonly (number | null)[];
  /** Mean of the AUCs that are defined; null where none is. */
  readonly macroAuc: number | null;
  /** Bound on the binning error of `macroAuc`: the mean of the bounds. */
  readonly macroAucErrorBound: number | null;
  /** Classes whose AUC is not defined and so is not in `macroAuc`. */
  readonly undefinedAucCount: number;
  /** Mean squared difference of each class's score and the truth, 1 or 0, (C); null without images. */
  readonly brier: readonly (number | null)[];
  /** Bound on what binning may have cost each, (C). */
  readonly brierErrorBound: readonly (number | null)[];
  /** Expected calibration error over 16 bins of confidence; null where the report does not say. */
  readonly calibrationError: number | null;
  /** Bound on what binning may have cost it. */
  readonly calibrationErrorBound: number | null;
  /** What each class's score finds at a fixed specificity. */
  readonly sensitivity: readonly SensitivityAt[];
}

/** Sensitivities of every class at one specificity. */
export interface SensitivityAt {
  /** Least share of the images without the class that stay below the threshold. */
  readonly specificity: number;
  /** Share of each class's images at or above its threshold, (C); null where the class or the rest has no images. */
  readonly sensitivity: readonly (number | null)[];
  /** How much more a threshold inside the next bin might find, (C). */
  readonly errorBound: readonly (number | null)[];
  /** Score from which an image is taken to have the class, (C). */
  readonly threshold: readonly (number | null)[];
}

/** An AUC from bins and what binning may have cost. */
export interface BinnedAuc {
  readonly auc: number;
  /** Bound on |auc - exact AUC|. */
  readonly errorBound: number;
}

/**
 * Compute the AUC of two histograms over the same bins by the Mann-Whitney statistic, ties half.
 *
 * `auc = sum_b pos_b (sum_{c<b} neg_c + neg_b / 2) / (P N)`. Only pairs in the same bin can be wrong, by a half
 * each, so the exact AUC lies within sum_b pos_b neg_b / (2 P N).
 *
 * @param positives - images of the class by bin, whole numbers
 * @param negatives - all other images by bin, the same number of bins
 * @returns null where there are no positives or no negatives
 * @see Hanley and McNeil 1982, Radiology 143(1), on the equality of the area and the Mann-Whitney statistic
 */
export function binnedAuc(
  positives: readonly number[],
  negatives: readonly number[],
): BinnedAuc | null {
  let negativesBelow = 0;
  let positiveCount = 0;
  let won = 0; // pairs in the right order
  let tied = 0; // pairs in one bin
  for (let bin = 0; bin < positives.length; bin++) {
    const positive = positives[bin] ?? 0;
    const negative = negatives[bin] ?? 0;
    won += positive * negativesBelow;
    tied += positive * negative;
    negativesBelow += negative;
    positiveCount += positive;
  }
  const pairs = positiveCount * negativesBelow;
  if (pairs === 0) return null;
  return { auc: (won + tied / 2) / pairs, errorBound: tied / (2 * pairs) };
}

/** Mean of the values that are defined, or null. */
function meanOfDefined(values: readonly (number | null)[]): number | null {
  const defined = values.filter((value) => value !== null);
  return quotient(total(defined), defined.length);
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

type Answers = Pick<ScoreSummary, 'loss' | 'accuracy' | 'balancedAccuracy' | 'recall'>;

/** What a table of true and predicted classes says. */
function answersOfClasses(
  { count, lossSum }: ScoreReport,
  confusion: readonly (readonly number[])[],
): Answers {
  const recall = confusion.map((row, c) => quotient(row[c] ?? 0, total(row)));
  const correct = total(confusion.map((row, c) => row[c] ?? 0));
  return {
    loss: quotient(lossSum, count),
    accuracy: quotient(correct, count),
    balancedAccuracy: meanOfDefined(recall),
    recall,
  };
}

/** Scores of 1/2 and more begin here: the bins below hold exactly the noes. */
const firstYesBin = scoreBins / 2;

/** What the histograms say where each class is a yes or no by itself. */
function answersOfFindings({ lossSum, histograms }: ScoreReport): Answers {
  const rows = histograms.map(({ positives, negatives }) => {
    const [yes, no] = [total(positives), total(negatives)];
    const rightYes = total(positives.slice(firstYesBin));
    const rightNo = total(negatives.slice(0, firstYesBin));
    return {
      known: yes + no,
      right: rightYes + rightNo,
      recall: quotient(rightYes, yes),
      specificity: quotient(rightNo, no),
    };
  });
  const known = total(rows.map((row) => row.known));
  const balanced = rows.map(({ recall, specificity }) =>
    recall === null || specificity === null ? null : (recall + specificity) / 2,
  );
  return {
    loss: quotient(lossSum, known),
    accuracy: quotient(total(rows.map(({ right }) => right)), known),
    balancedAccuracy: meanOfDefined(balanced),
    recall: rows.map(({ recall }) => recall),
  };
}

const quotient = (part: number, whole: number): number | null =>
  whole === 0 ? null : part / whole;

/** The figures that say how well a model tells classes apart. */
export type Discrimination = Omit<
  ScoreSummary,
  | 'count'
  | 'brier'
  | 'brierErrorBound'
  | 'calibrationError'
  | 'calibrationErrorBound'
  | 'sensitivity'
>;

/** Compute loss, answers and AUCs of a report: what a bootstrap computes a thousand times. */
export function discriminationOf(report: ScoreReport): Discrimination {
  const { confusion, histograms } = report;
  const areas = histograms.map(({ positives, negatives }) => binnedAuc(positives, negatives));
  const auc = areas.map((area) => area?.auc ?? null);
  const aucErrorBound = areas.map((area) => area?.errorBound ?? null);
  return {
    ...(confusion === null ? answersOfFindings(report) : answersOfClasses(report, confusion)),
    auc,
    aucErrorBound,
    macroAuc: meanOfDefined(auc),
    macroAucErrorBound: meanOfDefined(aucErrorBound),
    undefinedAucCount: areas.filter((area) => area === null).length,
  };
}

/**
 * Compute the figures of a report, of one site or merged.
 *
 * @param report - consistent, as the schema checks
 */
export function summarizeScores(report: ScoreReport): ScoreSummary {
  return {
    count: report.count,
    ...discriminationOf(report),
    ...calibrationOf(report),
    sensitivity: fixedSpecificities.map((specificity) => {
      const points = report.histograms.map((histogram) => sensitivityAt(histogram, specificity));
      return {
        specificity,
        sensitivity: points.map((point) => point?.value ?? null),
        errorBound: points.map((point) => point?.errorBound ?? null),
        threshold: points.map((point) => point?.threshold ?? null),
      };
    }),
  };
}

function calibrationOf(report: ScoreReport) {
  const brier = report.histograms.map(brierScore);
  const confidences = confidencesOf(report);
  const error = confidences === null ? null : calibrationError(confidences);
  return {
    brier: brier.map((figure) => figure?.value ?? null),
    brierErrorBound: brier.map((figure) => figure?.errorBound ?? null),
    calibrationError: error?.value ?? null,
    calibrationErrorBound: error?.errorBound ?? null,
  };
}

/**
 * Compute the exact AUC of scores by the Mann-Whitney statistic over mid-ranks, ties half: the reference for the bins.
 *
 * auc = (sum of the positives' ranks - P (P + 1) / 2) / (P N).
 *
 * @param scores    - (B), finite, higher means more likely positive
 * @param positives - whether each is a positive, (B)
 * @returns null where there are no positives or no negatives
 * @throws InputError UPDATE_SHAPE_MISMATCH if the lengths differ, NON_FINITE_UPDATE if a score is not finite
 */
export function exactAuc(scores: ArrayLike<number>, positives: readonly boolean[]): number | null {
  const values = checkFinite(Float64Array.from(scores), 'scores');
  checkLength(positives, values.length, 'positives');
  const order = [...values.keys()].sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  const positiveCount = positives.filter(Boolean).length;
  const pairs = positiveCount * (values.length - positiveCount);
  if (pairs === 0) return null;
  let rankSum = 0;
  for (let start = 0; start < order.length;) {
    const value = values[order[start] ?? 0];
    let end = start;
    while (end < order.length && values[order[end] ?? 0] === value) end += 1;
    const midRank = (start + 1 + end) / 2; // ranks start + 1 to end share their mean
    for (let at = start; at < end; at++) if (positives[order[at] ?? 0] === true) rankSum += midRank;
    start = end;
  }
  return (rankSum - (positiveCount * (positiveCount + 1)) / 2) / pairs;
}
