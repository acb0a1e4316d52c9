import fc from 'fast-check';
import {
  bootstrapIntervals,
  groupingOf,
  pairedDifference,
  type ScoredImages,
} from './bootstrap.ts';
import { brierScore, calibrationError, confidencesOf, sensitivityAt } from './calibration.ts';
import { aucIntervals, aucVariance } from './intervals.ts';
import { mergeScoreReports } from './merge.ts';
import {
  addFindings,
  addScores,
  emptyScoreReport,
  scoreBins,
  scoreReportSchema,
  type ScoreReport,
} from './score-report.ts';
import { sigmoid, softmaxScores } from './scores.ts';
import { exactAuc, summarizeScores } from './summary.ts';
import { seededRng } from '#core/rng';

const runs = process.env['SLOW'] === '1' ? 500 : 50;
const bins = (entries: Record<number, number>): number[] =>
  Array.from({ length: scoreBins }, (_, bin) => entries[bin] ?? 0);

/** Images of two classes whose logits follow the truth by `strength`; so many images a patient, who share half of the noise. */
function drawn(options: {
  readonly patients: number;
  readonly each: number;
  readonly strength: number;
  readonly seed: string;
}): ScoredImages {
  const rng = seededRng(options.seed);
  const labels: number[] = [];
  const groups: string[] = [];
  const logits: number[] = [];
  for (let patient = 0; patient < options.patients; patient++) {
    const label = patient % 2;
    const shared = rng.nextNormal();
    for (let image = 0; image < options.each; image++) {
      labels.push(label);
      groups.push(`patient-${patient}`);
      logits.push(0, options.strength * (label - 0.5) + shared + 0.3 * rng.nextNormal());
    }
  }
  return { classes: 2, activation: 'softmax', logits: Float32Array.from(logits), labels, groups };
}

const reportOf = ({ classes, logits, labels }: ScoredImages): ScoreReport =>
  addScores(emptyScoreReport(classes), logits, labels);

const row = fc.tuple(
  fc.float({ min: -3, max: 3, noNaN: true }),
  fc.float({ min: -3, max: 3, noNaN: true }),
  fc.float({ min: -3, max: 3, noNaN: true }),
  fc.nat({ max: 2 }),
);
type Row = readonly [number, number, number, number];
const reportOfRows = (rows: readonly Row[]): ScoreReport =>
  addScores(
    emptyScoreReport(3),
    Float32Array.from(rows.flatMap(([a, b, c]) => [a, b, c])),
    rows.map(([, , , label]) => label),
  );
const scoresOfRows = (rows: readonly Row[]): readonly Float64Array[] =>
  rows.map(([a, b, c]) => softmaxScores(Float32Array.of(a, b, c)).scores);

test('Brier scores, calibration errors and sensitivities lie within their bounds of the exact ones', () => {
  fc.assert(
    fc.property(fc.array(row, { minLength: 5, maxLength: 80 }), (rows) => {
      const summary = summarizeScores(reportOfRows(rows));
      const scores = scoresOfRows(rows);
      for (let c = 0; c < 3; c++) {
        const own = rows.map(([, , , label], at) => ({
          score: scores[at]?.[c] ?? 0,
          truth: label === c ? 1 : 0,
        }));
        const exact =
          own.reduce((sum, { score, truth }) => sum + (score - truth) ** 2, 0) / own.length;
        expect(Math.abs((summary.brier[c] ?? 9) - exact)).toBeLessThanOrEqual(
          (summary.brierErrorBound[c] ?? 0) + 1e-12,
        );
        for (const { specificity, sensitivity, errorBound } of summary.sensitivity) {
          const positives = own.filter(({ truth }) => truth === 1);
          const negatives = own.filter(({ truth }) => truth === 0);
          const value = sensitivity[c] ?? null;
          expect(value === null).toBe(positives.length === 0 || negatives.length === 0);
          if (value === null) continue;
          // The best over every threshold that exists, by the definition itself.
          const reached = [...own.map(({ score }) => score), 2].map((threshold) => ({
            found: positives.filter(({ score }) => score >= threshold).length / positives.length,
            specificity:
              negatives.filter(({ score }) => score < threshold).length / negatives.length,
          }));
          const best = Math.max(
            ...reached
              .filter((at) => at.specificity >= specificity - 1e-9)
              .map(({ found }) => found),
          );
          expect(value).toBeLessThanOrEqual(best + 1e-12);
          expect(best).toBeLessThanOrEqual(value + (errorBound[c] ?? 0) + 1e-12);
        }
      }
      const exactError = exactCalibrationError(rows, scores);
      expect(Math.abs((summary.calibrationError ?? 9) - exactError)).toBeLessThanOrEqual(
        (summary.calibrationErrorBound ?? 0) + 1e-12,
      );
    }),
    { numRuns: runs },
  );
});

function exactCalibrationError(rows: readonly Row[], scores: readonly Float64Array[]): number {
  const cells = Array.from({ length: 16 }, () => ({ right: 0, confidence: 0 }));
  for (const [at, [a, b, c, label]] of rows.entries()) {
    const logits = [a, b, c];
    const predicted = logits.indexOf(Math.max(...logits));
    const confidence = scores[at]?.[predicted] ?? 0;
    const cell = cells[Math.min(15, Math.floor(confidence * 16))];
    if (cell === undefined) continue;
    cell.right += predicted === label ? 1 : 0;
    cell.confidence += confidence;
  }
  return (
    cells.reduce((sum, { right, confidence }) => sum + Math.abs(right - confidence), 0) /
    rows.length
  );
}

test('confidences of yes and no answers come from the histograms: a no at 0.1 is as sure as a yes at 0.9', () => {
  const logit = (p: number): number => Math.log(p / (1 - p));
  const logits = Float32Array.from([0.9, 0.1, 0.9, 0.1].flatMap((p) => [logit(p), -9]));
  const findings = Int8Array.from([1, -1, 0, -1, 0, -1, 1, -1]);
  const report = addFindings(emptyScoreReport(2, 'sigmoid'), logits, findings);
  const { right, wrong } = confidencesOf(report) ?? { right: [], wrong: [] };
  const [sure, mirrored] = [Math.floor(256 * sigmoid(logits[0] ?? 0)), 255 - Math.floor(256 * 0.1)];
  expect(Math.abs(sure - mirrored)).toBeLessThanOrEqual(1);
  // A yes and a no that are right, and a yes and a no that are wrong.
  expect(right.reduce((a, b) => a + b, 0)).toBe(2);
  expect(wrong.reduce((a, b) => a + b, 0)).toBe(2);
  expect(calibrationError({ right, wrong })?.value).toBeCloseTo(0.9 - 0.5, 2);
});

test('what is perfectly calibrated has no calibration error beyond the bound, and the reverse has nearly all of it', () => {
  expect(calibrationError({ right: bins({ 255: 10 }), wrong: bins({}) })?.value).toBeLessThan(
    1 / 256,
  );
  expect(calibrationError({ right: bins({}), wrong: bins({ 255: 10 }) })?.value).toBeGreaterThan(
    0.99,
  );
  expect(calibrationError({ right: bins({}), wrong: bins({}) })).toBeNull();
  expect(brierScore({ positives: bins({}), negatives: bins({}) })).toBeNull();
});

test('sensitivity at a fixed specificity is undefined without a class, and needs no more than is asked', () => {
  expect(sensitivityAt({ positives: bins({ 9: 3 }), negatives: bins({}) }, 0.9)).toBeNull();
  const histogram = {
    positives: bins({ 50: 1, 200: 3 }),
    negatives: bins({ 10: 8, 60: 1, 220: 1 }),
  };
  expect(sensitivityAt(histogram, 0.9)).toEqual({
    value: 0.75,
    errorBound: 0,
    threshold: 61 / 256,
  });
  expect(sensitivityAt(histogram, 0.95)).toEqual({ value: 0, errorBound: 0, threshold: 221 / 256 });
});

test('a report without confidences, as older agents send it, is taken; its calibration error is not defined', () => {
  const images = drawn({ patients: 20, each: 1, strength: 2, seed: 'old' });
  const { confidence, ...old } = reportOf(images);
  expect(scoreReportSchema.safeParse(old).success).toBe(true);
  expect(summarizeScores(old).calibrationError).toBeNull();
  expect(mergeScoreReports([old, reportOf(images)]).confidence).toBeUndefined();
  expect(mergeScoreReports([reportOf(images), reportOf(images)]).confidence?.right).toEqual(
    confidence?.right.map((count) => 2 * count),
  );
  const swapped = { ...old, confidence: { right: confidence?.wrong, wrong: confidence?.right } };
  expect(scoreReportSchema.safeParse(swapped).success).toBe(false);
});

test('the pooled AUC of three sites lies within 0.005 of the exact one over all their scores', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 1e6 }),
      fc.double({ min: 0.5, max: 4, noNaN: true }),
      (seed, strength) => {
        const sites = ['a', 'b', 'c'].map((name) =>
          drawn({ patients: 80, each: 2, strength, seed: `${seed}/${name}` }),
        );
        const pooled = summarizeScores(mergeScoreReports(sites.map(reportOf)));
        const scores = sites.flatMap(({ logits }) =>
          Array.from({ length: logits.length / 2 }, (_, at) => sigmoid(logits[2 * at + 1] ?? 0)),
        );
        const truth = sites.flatMap(({ labels }) => Array.from(labels, (label) => label === 1));
        expect(Math.abs((pooled.auc[1] ?? 0) - (exactAuc(scores, truth) ?? 9))).toBeLessThan(0.005);
      },
    ),
    { numRuns: runs },
  );
});

test("the variance of a binned AUC is DeLong's, computed from every pair", () => {
  const [positives, negatives] = [bins({ 3: 2, 90: 3, 200: 1 }), bins({ 3: 1, 80: 4, 90: 2 })];
  const listed = (histogram: readonly number[]): number[] =>
    histogram.flatMap((count, bin) => Array.from({ length: count }, () => bin));
  const [p, n] = [listed(positives), listed(negatives)];
  const wins = (a: number, b: number): number => (a > b ? 1 : a === b ? 0.5 : 0);
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const sampleVariance = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0) / (values.length - 1);
  const v10 = p.map((a) => mean(n.map((b) => wins(a, b))));
  const v01 = n.map((b) => mean(p.map((a) => wins(a, b))));
  const expected = sampleVariance(v10) / p.length + sampleVariance(v01) / n.length;
  expect(aucVariance(positives, negatives)).toBeCloseTo(expected, 14);
  expect(aucVariance(bins({ 3: 1 }), negatives)).toBeNull();
});

test('the interval of a pooled AUC grows with the images that a patient has', () => {
  const report = reportOf(drawn({ patients: 60, each: 1, strength: 1, seed: 'pool' }));
  const single = aucIntervals(report, { groups: 60, squares: 60 }).macroAuc ?? [0, 0];
  const paired = aucIntervals(report, { groups: 30, squares: 120 }).macroAuc ?? [0, 0];
  expect(paired[1] - paired[0]).toBeCloseTo(Math.SQRT2 * (single[1] - single[0]), 10);
});

describe('bootstrap by patient', () => {
  const images = drawn({ patients: 60, each: 4, strength: 1.5, seed: 'bootstrap' });

  test('the same seed gives the same interval, and the interval holds the figure', () => {
    const first = bootstrapIntervals(images, { seed: 's', replicates: 200 });
    expect(bootstrapIntervals(images, { seed: 's', replicates: 200 })).toEqual(first);
    const { macroAuc } = summarizeScores(reportOf(images));
    const [low, high] = first.macroAuc ?? [1, 0];
    expect(low).toBeLessThan(macroAuc ?? 0);
    expect(high).toBeGreaterThan(macroAuc ?? 1);
  });

  test('images of one patient stay together: the interval is wider than that of as many patients', () => {
    const width = (scored: ScoredImages): number => {
      const [low, high] = bootstrapIntervals(scored, { seed: 's', replicates: 300 }).macroAuc ?? [
        0, 0,
      ];
      return high - low;
    };
    const apart = { ...images, groups: images.groups.map((_, at) => `image-${at}`) };
    expect(width(images)).toBeGreaterThan(1.4 * width(apart));
    expect(groupingOf(images.groups)).toEqual({ groups: 60, squares: 60 * 16 });
    // The design effect that the pooled interval takes is never less than what is found.
    const report = reportOf(images);
    const [low, high] = aucIntervals(report, groupingOf(images.groups)).macroAuc ?? [0, 0];
    expect(high - low).toBeGreaterThan(0.9 * width(images));
  });

  test('a class that hardly any draw has leaves its interval undefined, never zero', () => {
    const labels = Array.from(images.labels, () => 0);
    expect(bootstrapIntervals({ ...images, labels }, { seed: 's', replicates: 100 })).toMatchObject(
      {
        auc: [null, null],
        macroAuc: null,
      },
    );
    const oneIll = labels.map((_, at) => (at < 4 ? 1 : 0)); // one patient of sixty: absent from over a third of the draws
    const { macroAuc } = bootstrapIntervals({ ...images, labels: oneIll }, { seed: 's' });
    expect(macroAuc).toBeNull();
  });

  test('two models are compared on the same draws: the difference is surer than either figure', () => {
    const shifted = images.logits.map(
      (value, at) => value + (at % 2) * 0.2 * (images.labels[at >> 1] ?? 0),
    );
    const better = { ...images, logits: shifted };
    const { difference, interval } = pairedDifference(better, images, {
      seed: 's',
      replicates: 300,
    });
    expect(difference ?? 0).toBeGreaterThan(0);
    const [low, high] = interval ?? [0, 0];
    expect(low).toBeLessThanOrEqual(difference ?? 0);
    const own = bootstrapIntervals(images, { seed: 's', replicates: 300 }).macroAuc ?? [0, 0];
    expect(high - low).toBeLessThan(0.5 * (own[1] - own[0]));
    expect(pairedDifference(images, images, { seed: 's', replicates: 100 })).toEqual({
      ...{ replicates: 100, difference: 0, interval: [0, 0] },
    });
  });
});
