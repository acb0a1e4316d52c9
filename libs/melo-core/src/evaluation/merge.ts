/** The sum of score reports: what makes a pooled figure, instead of a mean of figures. */
import { InputError } from '#core/errors';
import { activationOfReport, emptyScoreReport, type ScoreReport } from './score-report.ts';

const addAll = (target: number[], other: readonly number[]): void => {
  for (let index = 0; index < target.length; index++) {
    target[index] = (target[index] ?? 0) + (other[index] ?? 0);
  }
};

/**
 * Add reports of several sites into a new one.
 *
 * The counts are exact and do not depend on the order; the loss is summed in the order given (float64), so pass the
 * sites in their canonical order where bytes matter. Confidences are in the sum only where every report has them.
 *
 * @param reports - one or more, all of the same number of classes and of one activation; not changed
 * @throws InputError METRIC_UNDEFINED if there is none, LAYOUT_MISMATCH if the numbers of classes or the activations differ
 */
export function mergeScoreReports(reports: readonly ScoreReport[]): ScoreReport {
  const first = reports[0];
  if (first === undefined) {
    throw new InputError(
      'METRIC_UNDEFINED',
      'score reports: expected one or more, got none; wait for a site',
    );
  }
  const activation = activationOfReport(first);
  const merged = emptyScoreReport(first.classes, activation);
  for (const [index, report] of reports.entries()) {
    if (report.classes !== first.classes) {
      throw new InputError(
        'LAYOUT_MISMATCH',
        `score reports: expected ${first.classes} classes, report ${index} has ${report.classes}; evaluate the same task`,
        { index, expected: first.classes, actual: report.classes },
      );
    }
    if (activationOfReport(report) !== activation) {
      throw new InputError(
        'LAYOUT_MISMATCH',
        `score reports: expected scores by ${activation}, report ${index} has them by ${activationOfReport(report)}; evaluate the same task`,
        { index },
      );
    }
    if (report.confidence === undefined) delete merged.confidence;
    addAll(merged.confidence?.right ?? [], report.confidence?.right ?? []);
    addAll(merged.confidence?.wrong ?? [], report.confidence?.wrong ?? []);
    merged.count += report.count;
    merged.lossSum += report.lossSum;
    merged.confusion?.forEach((row, c) => addAll(row, report.confusion?.[c] ?? []));
    merged.histograms.forEach(({ positives, negatives }, c) => {
      addAll(positives, report.histograms[c]?.positives ?? []);
      addAll(negatives, report.histograms[c]?.negatives ?? []);
    });
  }
  return merged;
}
