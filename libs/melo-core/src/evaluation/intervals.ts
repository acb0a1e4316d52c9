/**
 * Intervals of an AUC over the summed histograms of several sites, where nobody has the scores.
 *
 * Letters: C classes, P positives, N negatives of one class.
 */
import { binnedAuc } from './summary.ts';
import type { ScoreReport } from './score-report.ts';

/** Lower and upper end of a 95 % interval, both in [0, 1]. */
export type Interval = readonly [low: number, high: number];

/** How the images of a report belong together: images of one patient say less than as many of several. */
export interface Grouping {
  /** Patients or groups. */
  readonly groups: number;
  /** Sum over the groups of the square of their number of images. */
  readonly squares: number;
}

/** 97.5 % quantile of the standard normal distribution. */
const z975 = 1.959963984540054;

/**
 * Compute the variance of a binned AUC from placement values, ties half.
 *
 * V10 of a positive is the share of negatives below it, V01 of a negative that of positives above;
 * var = S10 / P + S01 / N with S the sample variances.
 *
 * @param positives - images of the class by bin
 * @param negatives - all others by bin
 * @returns null with fewer than two of either
 * @see DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44(3), equations 4 to 6
 */
export function aucVariance(
  positives: readonly number[],
  negatives: readonly number[],
): number | null {
  const auc = binnedAuc(positives, negatives)?.auc;
  const positiveCount = positives.reduce((sum, value) => sum + value, 0);
  const negativeCount = negatives.reduce((sum, value) => sum + value, 0);
  if (auc === undefined || positiveCount < 2 || negativeCount < 2) return null;
  let negativesBelow = 0;
  let positivesAbove = positiveCount;
  let ofPositives = 0; // sum of (V10 - auc)^2
  let ofNegatives = 0; // sum of (V01 - auc)^2
  for (const [bin, positive] of positives.entries()) {
    const negative = negatives[bin] ?? 0;
    positivesAbove -= positive;
    ofPositives += positive * ((negativesBelow + negative / 2) / negativeCount - auc) ** 2;
    ofNegatives += negative * ((positivesAbove + positive / 2) / positiveCount - auc) ** 2;
    negativesBelow += negative;
  }
  return (
    ofPositives / (positiveCount - 1) / positiveCount +
    ofNegatives / (negativeCount - 1) / negativeCount
  );
}

const clamp = (value: number): number => Math.min(1, Math.max(0, value));
const around = (middle: number, deviation: number): Interval => [
  clamp(middle - z975 * deviation),
  clamp(middle + z975 * deviation),
];

/** Intervals of the AUCs of one report. */
export interface AucIntervals {
  /** (C); null where the AUC or its variance is not defined. */
  readonly auc: readonly (Interval | null)[];
  /** Of the mean of the AUCs that are defined; null where there is none, or one without a variance. */
  readonly macroAuc: Interval | null;
}

/**
 * Compute 95 % intervals of the AUCs of a report, merged or not, that hold whatever images of one patient have in common.
 *
 * The variance of independent images is multiplied by sum m^2 / sum m over the groups of m images: the design effect where all
 * images of a patient say the same (Kish 1965, Survey Sampling), so it is never too small for that reason. The deviation of
 * the mean over classes is at most the mean of theirs. An AUC of exactly 0 or 1 has no width: too few images to tell.
 *
 * @param report - consistent, as the schema checks
 * @param grouping - of its images, summed over the sites
 */
export function aucIntervals(report: ScoreReport, grouping: Grouping): AucIntervals {
  const effect = report.count === 0 ? 1 : Math.max(1, grouping.squares / report.count);
  const areas = report.histograms.map(({ positives, negatives }) => ({
    auc: binnedAuc(positives, negatives)?.auc ?? null,
    variance: aucVariance(positives, negatives),
  }));
  const figures = areas.map(({ auc, variance }) =>
    auc === null || variance === null ? null : { auc, deviation: Math.sqrt(variance * effect) },
  );
  const defined = figures.filter((figure) => figure !== null);
  const isComplete = defined.length === areas.filter(({ auc }) => auc !== null).length;
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    auc: figures.map((figure) => figure && around(figure.auc, figure.deviation)),
    macroAuc:
      defined.length === 0 || !isComplete
        ? null
        : around(
            mean(defined.map(({ auc }) => auc)),
            mean(defined.map(({ deviation }) => deviation)),
          ),
  };
}
