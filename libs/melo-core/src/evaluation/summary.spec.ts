import fc from 'fast-check';
import { addFindings, addScores, emptyScoreReport, scoreBins } from './score-report.ts';
import { mergeScoreReports } from './merge.ts';
import { softmaxScores } from './scores.ts';
import { binnedAuc, exactAuc, summarizeScores } from './summary.ts';

const runs = process.env['SLOW'] === '1' ? 1000 : 100;

/** The definition itself: the share of (positive, negative) pairs in the right order, a tie counting half. */
function aucByPairs(scores: readonly number[], positives: readonly boolean[]): number | null {
  let points = 0;
  let pairs = 0;
  for (const [i, a] of scores.entries()) {
    for (const [j, b] of scores.entries()) {
      if (positives[i] !== true || positives[j] !== false) continue;
      pairs += 1;
      points += a > b ? 1 : a === b ? 0.5 : 0;
    }
  }
  return pairs === 0 ? null : points / pairs;
}

const bins = (entries: Record<number, number>): number[] =>
  Array.from({ length: scoreBins }, (_, bin) => entries[bin] ?? 0);

describe('exactAuc', () => {
  // The four-score example of scikit-learn's documentation of roc_auc_score: 0.75.
  test('0.1, 0.4, 0.35, 0.8 with labels 0, 0, 1, 1 is 0.75', () => {
    expect(exactAuc([0.1, 0.4, 0.35, 0.8], [false, false, true, true])).toBe(0.75);
  });

  test('it equals the count of pairs, ties half', () => {
    const scored = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.boolean()), {
      maxLength: 25,
    });
    fc.assert(
      fc.property(scored, (items) => {
        const scores = items.map(([score]) => score);
        const positives = items.map(([, positive]) => positive);
        const expected = aucByPairs(scores, positives);
        const actual = exactAuc(scores, positives);
        if (expected === null) expect(actual).toBeNull();
        else expect(actual).toBeCloseTo(expected, 12);
      }),
      { numRuns: runs },
    );
  });

  test('lengths that differ and scores that are not finite are refused', () => {
    expect(() => exactAuc([1, 2], [true])).toThrow(/expected 2/);
    expect(() => exactAuc([1, Number.NaN], [true, false])).toThrow(/finite/);
  });
});

describe('binnedAuc', () => {
  test.each([
    ['all apart', bins({ 200: 3 }), bins({ 10: 5 }), 1, 0],
    ['all the wrong way', bins({ 10: 3 }), bins({ 200: 5 }), 0, 0],
    ['all in one bin', bins({ 7: 4 }), bins({ 7: 6 }), 0.5, 0.5],
    // Of 3 x 4 pairs: 2 x 3 tie in bin 5 (3 points), the positive in 255 wins 4, and 2 x 1 against bin 9 are lost.
    ['partly tied', bins({ 5: 2, 255: 1 }), bins({ 5: 3, 9: 1 }), 7 / 12, 3 / 12],
  ])('%s', (_name, positives, negatives, auc, errorBound) => {
    expect(binnedAuc(positives, negatives)).toEqual({ auc, errorBound });
  });

  test('without positives or without negatives it is null', () => {
    expect(binnedAuc(bins({ 5: 1 }), bins({}))).toBeNull();
    expect(binnedAuc(bins({}), bins({ 5: 1 }))).toBeNull();
  });
});

describe('summarizeScores', () => {
  test('the binned AUC lies within its bound of the exact AUC, pooled over sites', () => {
    // Logits in a narrow range crowd the scores into few bins: there the bound is put to use.
    const row = fc.tuple(
      fc.float({ min: -1, max: 1, noNaN: true }),
      fc.float({ min: -1, max: 1, noNaN: true }),
      fc.float({ min: -1, max: 1, noNaN: true }),
      fc.nat({ max: 2 }),
    );
    fc.assert(
      fc.property(fc.array(row, { minLength: 4, maxLength: 80 }), (rows) => {
        const reports = [rows.slice(0, rows.length / 2), rows.slice(rows.length / 2)].map((part) =>
          addScores(
            emptyScoreReport(3),
            Float32Array.from(part.flatMap(([a, b, c]) => [a, b, c])),
            part.map(([, , , label]) => label),
          ),
        );
        const summary = summarizeScores(mergeScoreReports(reports));
        const scores = rows.map(([a, b, c]) => softmaxScores(Float32Array.of(a, b, c)).scores);
        for (let c = 0; c < 3; c++) {
          const exact = exactAuc(
            scores.map((s) => s[c] ?? 0),
            rows.map(([, , , label]) => label === c),
          );
          const auc = summary.auc[c];
          if (exact === null || auc === null || auc === undefined) expect(auc).toBe(exact);
          else
            expect(Math.abs(auc - exact)).toBeLessThanOrEqual(
              (summary.aucErrorBound[c] ?? 0) + 1e-12,
            );
        }
      }),
      { numRuns: runs },
    );
  });

  test('a class without images is null, counted, and left out of the means', () => {
    // Class 2 never occurs; classes 0 and 1 are told apart but for one image of class 1.
    const logits = Float32Array.of(5, 0, 0, 5, 0, 0, 0, 5, 0, 6, 0, 0);
    const summary = summarizeScores(addScores(emptyScoreReport(3), logits, [0, 0, 1, 1]));
    expect(summary.recall).toEqual([1, 0.5, null]);
    expect(summary.accuracy).toBe(0.75);
    expect(summary.balancedAccuracy).toBe(0.75);
    expect(summary.auc[2]).toBeNull();
    expect(summary.aucErrorBound[2]).toBeNull();
    expect(summary.undefinedAucCount).toBe(1);
    expect(summary.macroAuc).toBe(((summary.auc[0] ?? 0) + (summary.auc[1] ?? 0)) / 2);
  });

  test('balanced accuracy weighs classes alike where accuracy does not', () => {
    // Nine images of class 0, one of class 1, all predicted as class 0.
    const logits = Float32Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 1 : 0));
    const summary = summarizeScores(
      addScores(emptyScoreReport(2), logits, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    );
    expect(summary.accuracy).toBe(0.9);
    expect(summary.balancedAccuracy).toBe(0.5);
    expect(summary.macroAuc).toBe(0.5);
  });

  test('without images nothing is defined', () => {
    const nothing = [null, null];
    const points = { sensitivity: nothing, errorBound: nothing, threshold: nothing };
    expect(summarizeScores(emptyScoreReport(2))).toEqual({
      brier: nothing,
      brierErrorBound: nothing,
      calibrationError: null,
      calibrationErrorBound: null,
      sensitivity: [
        { specificity: 0.9, ...points },
        { specificity: 0.95, ...points },
      ],
      count: 0,
      loss: null,
      accuracy: null,
      balancedAccuracy: null,
      recall: [null, null],
      auc: [null, null],
      aucErrorBound: [null, null],
      macroAuc: null,
      macroAucErrorBound: null,
      undefinedAucCount: 2,
    });
  });
});

describe('the figures of a yes or no for each class', () => {
  test('worked by hand: one right and one wrong yes, a right no, and a class of which nothing is known', () => {
    // Class a: yes at 0.88, yes at 0.27, no at 0.12; class b: yes at exactly 0.5; class c: nothing.
    const logits = Float32Array.of(2, 0, 5, -1, 7, 7, -2, 7, 7);
    const report = emptyScoreReport(3, 'sigmoid');
    const figures = summarizeScores(addFindings(report, logits, [1, 1, -1, 1, -1, -1, 0, -1, -1]));
    expect(figures).toMatchObject({
      ...{ count: 3, accuracy: 3 / 4, recall: [1 / 2, 1, null], balancedAccuracy: 3 / 4 },
      ...{ auc: [1, null, null], macroAuc: 1, undefinedAucCount: 2 },
    });
    const losses = [
      Math.log1p(Math.exp(-2)),
      Math.log(2),
      Math.log1p(Math.E),
      Math.log1p(Math.exp(-2)),
    ];
    expect(figures.loss).toBeCloseTo(losses.reduce((a, b) => a + b) / 4, 6);
  });

  test('are null where nothing is known', () => {
    const report = addFindings(emptyScoreReport(2, 'sigmoid'), Float32Array.of(1, 1), [-1, -1]);
    expect(summarizeScores(report)).toMatchObject({
      ...{ count: 1, loss: null, accuracy: null, balancedAccuracy: null, recall: [null, null] },
    });
  });
});
