/**
 * From histograms of scores: how far scores can be taken at their word, and what a class's score finds at a specificity that is
 * fixed beforehand. Every figure that binning costs something has a bound beside it.
 *
 * Letters: C classes, P positives, N negatives of one class. A score lies within h = 1/512 of the middle of its bin.
 */
import { scoreBins, type ScoreReport } from './score-report.ts';

type Histogram = ScoreReport['histograms'][number];

/** How far a score may lie from the middle of its bin. */
const halfBin = 1 / (2 * scoreBins);
/** Bins of confidence, of equal width: 16 fine bins each. */
const confidenceBins = 16;
/** Specificities at which sensitivities are told. */
export const fixedSpecificities = [0.9, 0.95] as const;

/** A figure from bins and what binning may have cost. */
export interface BinnedFigure {
  readonly value: number;
  /** Bound on |value - exact value|. */
  readonly errorBound: number;
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const middleOf = (bin: number): number => (bin + 0.5) / scoreBins;

/**
 * Compute the Brier score of one class against the rest: the mean of (s - y)^2, y 1 where an image has the class.
 *
 * With m the middle of the bin, |(s - y)^2 - (m - y)^2| <= h (2 |m - y| + h).
 *
 * @returns null without any image of which the class is known
 * @see Brier 1950, Monthly Weather Review 78(1)
 */
export function brierScore({ positives, negatives }: Histogram): BinnedFigure | null {
  const count = total(positives) + total(negatives);
  if (count === 0) return null;
  let squares = 0;
  let distances = 0;
  for (let bin = 0; bin < scoreBins; bin++) {
    const middle = middleOf(bin);
    const [present, absent] = [positives[bin] ?? 0, negatives[bin] ?? 0];
    squares += present * (1 - middle) ** 2 + absent * middle ** 2;
    distances += present * (1 - middle) + absent * middle;
  }
  return { value: squares / count, errorBound: halfBin * ((2 * distances) / count + halfBin) };
}

/**
 * Tell the answers of a report by their confidence: the score of the predicted class, or of the yes or no that was given.
 *
 * @returns null where the report does not say, as those of agents of 0.1.0 by softmax
 */
export function confidencesOf(
  report: Pick<ScoreReport, 'confusion' | 'confidence' | 'histograms'>,
): { readonly right: readonly number[]; readonly wrong: readonly number[] } | null {
  if (report.confusion !== null) return report.confidence ?? null;
  const right = Array.from({ length: scoreBins }, () => 0);
  const wrong = [...right];
  for (const { positives, negatives } of report.histograms) {
    for (let bin = scoreBins / 2; bin < scoreBins; bin++) {
      const mirrored = scoreBins - 1 - bin; // a no with a score of s has a confidence of 1 - s
      right[bin] = (right[bin] ?? 0) + (positives[bin] ?? 0) + (negatives[mirrored] ?? 0);
      wrong[bin] = (wrong[bin] ?? 0) + (negatives[bin] ?? 0) + (positives[mirrored] ?? 0);
    }
  }
  return { right, wrong };
}

/**
 * Compute the expected calibration error over 16 bins of confidence: sum_k n_k / n |share right in k - mean confidence in k|.
 *
 * The mean confidence of a bin is known to h, so the figure is too.
 *
 * @param confidences - answers by confidence, see {@link confidencesOf}
 * @returns null without any answer
 * @see Guo et al. 2017, On Calibration of Modern Neural Networks, section 2, https://arxiv.org/abs/1706.04599
 */
export function calibrationError(confidences: {
  readonly right: readonly number[];
  readonly wrong: readonly number[];
}): BinnedFigure | null {
  const { right, wrong } = confidences;
  const count = total(right) + total(wrong);
  if (count === 0) return null;
  const width = scoreBins / confidenceBins;
  let gaps = 0;
  for (let start = 0; start < scoreBins; start += width) {
    let gap = 0; // n_k times (share right - mean confidence)
    for (let bin = start; bin < start + width; bin++) {
      const known = (right[bin] ?? 0) + (wrong[bin] ?? 0);
      gap += (right[bin] ?? 0) - known * middleOf(bin);
    }
    gaps += Math.abs(gap);
  }
  return { value: gaps / count, errorBound: halfBin };
}

/** What a class's score finds at a fixed specificity. */
export interface OperatingPoint extends BinnedFigure {
  /** An image is taken for a positive from this score on: a multiple of 1/256; 1 where none is. */
  readonly threshold: number;
}

/**
 * Compute the sensitivity at a specificity of `specificity` or more, at the least threshold on the edge of a bin that has it.
 *
 * The threshold can be used as it is, so the value is one that is reached. A threshold inside the bin below might find more: of its
 * positives at most, which is the bound.
 *
 * @param specificity - least share of the negatives below the threshold, in [0, 1]
 * @returns null without positives or without negatives
 */
export function sensitivityAt(
  { positives, negatives }: Histogram,
  specificity: number,
): OperatingPoint | null {
  const [positiveCount, negativeCount] = [total(positives), total(negatives)];
  if (positiveCount === 0 || negativeCount === 0) return null;
  let bin = scoreBins;
  let found = 0;
  let raised = 0; // negatives at or above the threshold
  const raisedMax = negativeCount * (1 - specificity) + 1e-9 * negativeCount; // 1 - 0.9 is not 0.1 in binary
  while (bin > 0 && raised + (negatives[bin - 1] ?? 0) <= raisedMax) {
    bin -= 1;
    raised += negatives[bin] ?? 0;
    found += positives[bin] ?? 0;
  }
  const next = bin === 0 ? 0 : (positives[bin - 1] ?? 0);
  return {
    value: found / positiveCount,
    errorBound: next / positiveCount,
    threshold: bin / scoreBins,
  };
}
