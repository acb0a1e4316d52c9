import fc from 'fast-check';
import { InputError } from '#core/errors';
import {
  addFindings,
  addScores,
  emptyScoreReport,
  scoreBin,
  scoreReportSchema,
  type ScoreReport,
} from './score-report.ts';
import { mergeScoreReports } from './merge.ts';
import { softmaxScores } from './scores.ts';

const runs = process.env['SLOW'] === '1' ? 1000 : 50;
const ln = Math.log;

/** Random logits and labels of `classes` classes. */
const batchOf = (classes: number): fc.Arbitrary<{ logits: Float32Array; labels: number[] }> =>
  fc.array(fc.nat({ max: classes - 1 }), { maxLength: 20 }).chain((labels) =>
    fc
      .float32Array({
        minLength: labels.length * classes,
        maxLength: labels.length * classes,
        noNaN: true,
        min: -50,
        max: 50,
      })
      .map((logits) => ({ logits, labels })),
  );

const reportOf = (classes: number): fc.Arbitrary<ScoreReport> =>
  batchOf(classes).map(({ logits, labels }) =>
    addScores(emptyScoreReport(classes), logits, labels),
  );

describe('addScores', () => {
  test('counts, bins and loss of three images worked by hand', () => {
    // Softmax rows: (3/4, 1/4), (1/2, 1/2), (1/5, 4/5); the true classes are 0, 1, 1.
    const logits = Float32Array.of(ln(3), 0, 0, 0, 0, ln(4));
    const report = addScores(emptyScoreReport(2), logits, [0, 1, 1]);
    expect(report.count).toBe(3);
    expect(report.lossSum).toBeCloseTo(ln(4 / 3) + ln(2) + ln(5 / 4), 6);
    expect(report.confusion).toEqual([
      [1, 0],
      [1, 1], // the tie goes to class 0
    ]);
    const occupied = (bins: readonly number[] | undefined): [number, number][] =>
      [...(bins ?? []).entries()].filter(([, count]) => count > 0);
    // Bins by hand: 256 x (1/2, 1/5, 4/5) = 128, 51.2, 204.8; ln 3 as fp32 is above ln 3, so 3/4 falls in 192, 1/4 in 63.
    expect(occupied(report.histograms[0]?.positives)).toEqual([[192, 1]]);
    expect(occupied(report.histograms[0]?.negatives)).toEqual([
      [51, 1],
      [128, 1],
    ]);
    expect(occupied(report.histograms[1]?.positives)).toEqual([
      [128, 1],
      [204, 1],
    ]);
    expect(occupied(report.histograms[1]?.negatives)).toEqual([[63, 1]]);
  });

  test('logits of a thousand do not overflow', () => {
    const report = addScores(emptyScoreReport(3), Float32Array.of(1000, 0, -1000), [1]);
    expect(report.lossSum).toBe(1000);
    expect(report.histograms[0]?.negatives[255]).toBe(1);
  });

  test('the largest finite logits give a report that parses', () => {
    const largest = 3.4028234663852886e38;
    const report = addScores(emptyScoreReport(2), Float32Array.of(-largest, largest), [0]);
    expect(scoreReportSchema.safeParse(report).success).toBe(true);
  });

  test.each([
    ['too few logits', Float32Array.of(1, 2, 3), [0, 1]],
    ['a logit that is not a number', Float32Array.of(1, 2, 3, Number.NaN), [0, 1]],
    ['an infinite logit', Float32Array.of(1, 2, 3, Infinity), [0, 1]],
    ['a label beyond the classes', Float32Array.of(1, 2, 3, 4), [0, 2]],
    ['a negative label', Float32Array.of(1, 2, 3, 4), [0, -1]],
    ['a label between classes', Float32Array.of(1, 2, 3, 4), [0, 0.5]],
  ])('%s is refused and leaves the report as it was', (_name, logits, labels) => {
    const report = emptyScoreReport(2);
    expect(() => addScores(report, logits, labels)).toThrow(InputError);
    expect(report).toEqual(emptyScoreReport(2));
  });

  test('what it makes always parses', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 5 }).chain(reportOf), (report) => {
        expect(scoreReportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
      }),
      { numRuns: runs },
    );
  });

  test('one batch and the same images one by one give the same report', () => {
    fc.assert(
      fc.property(batchOf(3), ({ logits, labels }) => {
        const whole = addScores(emptyScoreReport(3), logits, labels);
        const single = emptyScoreReport(3);
        labels.forEach((label, i) => addScores(single, logits.subarray(3 * i, 3 * i + 3), [label]));
        expect(single).toEqual(whole);
      }),
      { numRuns: runs },
    );
  });
});

describe('softmaxScores and scoreBin', () => {
  test('scores sum to one and do not change when all logits move together', () => {
    const { scores, logSumExp } = softmaxScores([1, 2, 3]);
    const moved = softmaxScores([701, 702, 703]);
    expect(scores.reduce((a, b) => a + b)).toBeCloseTo(1, 15);
    expect([...moved.scores]).toEqual([...scores]);
    expect(moved.logSumExp - logSumExp).toBeCloseTo(700, 10);
  });

  test.each([
    [0, 0],
    [1 / 256 - 1e-12, 0],
    [1 / 256, 1],
    [0.5, 128],
    [255 / 256 - 1e-12, 254],
    [255 / 256, 255],
    [1, 255],
  ])('a score of %f falls in bin %i', (score, bin) => {
    expect(scoreBin(score)).toBe(bin);
  });
});

describe('mergeScoreReports', () => {
  test('counts add up the same in either order', () => {
    fc.assert(
      fc.property(reportOf(3), reportOf(3), (a, b) => {
        const merged = mergeScoreReports([a, b]);
        expect(mergeScoreReports([b, a])).toEqual(merged); // a + b is b + a in floating point too
        expect(merged.count).toBe(a.count + b.count);
        expect(scoreReportSchema.safeParse(merged).success).toBe(true);
      }),
      { numRuns: runs },
    );
  });

  test('merging equals scoring all images in one place', () => {
    fc.assert(
      fc.property(batchOf(2), batchOf(2), (a, b) => {
        const together = addScores(emptyScoreReport(2), a.logits, a.labels);
        const merged = mergeScoreReports([
          structuredClone(together),
          addScores(emptyScoreReport(2), b.logits, b.labels),
        ]);
        addScores(together, b.logits, b.labels);
        expect({ ...merged, lossSum: 0 }).toEqual({ ...together, lossSum: 0 });
        expect(merged.lossSum).toBeCloseTo(together.lossSum, 9);
      }),
      { numRuns: runs },
    );
  });

  test('the reports given are left as they were', () => {
    const report = addScores(emptyScoreReport(2), Float32Array.of(1, 0), [0]);
    const before = structuredClone(report);
    mergeScoreReports([report, report]);
    expect(report).toEqual(before);
  });

  test('no report, or reports of different tasks, are refused', () => {
    expect(() => mergeScoreReports([])).toThrow(/expected one or more/);
    expect(() => mergeScoreReports([emptyScoreReport(2), emptyScoreReport(3)])).toThrow(
      /report 1 has 3/,
    );
  });
});

describe('scoreReportSchema', () => {
  const valid = (): ScoreReport =>
    addScores(emptyScoreReport(2), Float32Array.of(1, 0, 0, 1), [0, 1]);

  const spoil: [string, (report: ScoreReport) => unknown][] = [
    ['a count that is not the sum of the confusion', (r) => ({ ...r, count: 3 })],
    ['a fraction of an image', (r) => ({ ...r, count: 1.5 })],
    ['a negative loss', (r) => ({ ...r, lossSum: -1 })],
    ['a loss that is not a number', (r) => ({ ...r, lossSum: Number.NaN })],
    ['a loss beyond any', (r) => ({ ...r, lossSum: 1e60 })],
    ['a loss without images', () => ({ ...emptyScoreReport(2), lossSum: 1 })],
    ['one class', (r) => ({ ...r, classes: 1 })],
    ['more classes than rows', (r) => ({ ...r, classes: 3 })],
    [
      'a row that is too long',
      (r) => ({
        ...r,
        confusion: [
          [1, 0, 0],
          [0, 1],
        ],
      }),
    ],
    ['a histogram missing', (r) => ({ ...r, histograms: r.histograms.slice(1) })],
    ['a field nobody knows', (r) => ({ ...r, patients: ['a'] })],
    [
      '255 bins',
      (r) => ({
        ...r,
        histograms: r.histograms.map((h) => ({ ...h, positives: h.positives.slice(1) })),
      }),
    ],
    [
      'a moved positive',
      (r) => {
        const [first] = r.histograms;
        if (first) [first.positives, first.negatives] = [Array(256).fill(0), first.negatives];
        return r;
      },
    ],
    [
      'a negative too many',
      (r) => {
        const [first] = r.histograms;
        if (first) first.negatives[7] = (first.negatives[7] ?? 0) + 1;
        return r;
      },
    ],
    [
      'counts that cancel',
      (r) => {
        const [first] = r.histograms;
        if (first) [first.positives[0], first.positives[1]] = [(first.positives[0] ?? 0) + 5, -5];
        return r;
      },
    ],
  ];

  test('a consistent report passes', () => {
    expect(scoreReportSchema.safeParse(valid()).success).toBe(true);
  });

  test.each(spoil)('%s is refused', (_name, change) => {
    expect(scoreReportSchema.safeParse(change(valid())).success).toBe(false);
  });
});

describe('addFindings', () => {
  const occupied = (bins: readonly number[] | undefined): [number, number][] =>
    [...(bins ?? []).entries()].filter(([, count]) => count > 0);

  test('counts, bins and loss of three images worked by hand; what is not known counts nowhere', () => {
    // Sigmoids: (3/4, 1/2), (1/5, 3/4), (1/2, 1/4); known are yes no, no ?, ? yes.
    const logits = Float32Array.of(ln(3), 0, -ln(4), ln(3), 0, -ln(3));
    const report = addFindings(emptyScoreReport(2, 'sigmoid'), logits, [1, 0, 0, -1, -1, 1]);
    expect(report.count).toBe(3);
    expect(report.confusion).toBeNull();
    expect(report.lossSum).toBeCloseTo(ln(4 / 3) + ln(2) + ln(5 / 4) + ln(4), 6);
    expect(occupied(report.histograms[0]?.positives)).toEqual([[192, 1]]);
    expect(occupied(report.histograms[0]?.negatives)).toEqual([[51, 1]]);
    expect(occupied(report.histograms[1]?.positives)).toEqual([[63, 1]]);
    expect(occupied(report.histograms[1]?.negatives)).toEqual([[128, 1]]);
    expect(scoreReportSchema.parse(report)).toEqual(report);
  });

  test('very sure answers have a finite loss', () => {
    const logits = Float32Array.of(3e38, -3e38);
    const right = addFindings(emptyScoreReport(2, 'sigmoid'), logits, [1, 0]);
    expect(right.lossSum).toBe(0);
    const wrong = addFindings(emptyScoreReport(2, 'sigmoid'), logits, [0, 1]);
    expect(wrong.lossSum / 6e38).toBeCloseTo(1, 5);
    expect(occupied(wrong.histograms[0]?.negatives)).toEqual([[255, 1]]);
    expect(occupied(wrong.histograms[1]?.positives)).toEqual([[0, 1]]);
  });

  test('a finding that is none, or logits of another length, change nothing', () => {
    const report = emptyScoreReport(2, 'sigmoid');
    expect(() => addFindings(report, Float32Array.of(1, 2), [1, 2])).toThrow(InputError);
    expect(() => addFindings(report, Float32Array.of(1, 2), [1])).toThrow(InputError);
    expect(() => addFindings(report, Float32Array.of(1, Number.NaN), [1, 1])).toThrow(InputError);
    expect(report).toEqual(emptyScoreReport(2, 'sigmoid'));
  });

  test('reports add up as one of all images would, and never with one of softmax shares', () => {
    const logits = fc.float32Array({ minLength: 3, maxLength: 30, noNaN: true, min: -50, max: 50 });
    fc.assert(
      fc.property(fc.array(logits, { minLength: 1, maxLength: 4 }), (parts) => {
        const batches = parts.map((part) => part.slice(0, 3 * Math.floor(part.length / 3)));
        const findings = batches.map((part) => [...part.keys()].map((index) => (index % 3) - 1));
        const apart = batches.map((part, at) =>
          addFindings(emptyScoreReport(3, 'sigmoid'), part, findings[at] ?? []),
        );
        const whole = emptyScoreReport(3, 'sigmoid');
        for (const [at, part] of batches.entries()) addFindings(whole, part, findings[at] ?? []);
        const merged = mergeScoreReports(apart);
        expect(merged.lossSum).toBeCloseTo(whole.lossSum, 8);
        expect({ ...merged, lossSum: 0 }).toEqual({ ...whole, lossSum: 0 });
        expect(scoreReportSchema.safeParse(merged).success).toBe(true);
      }),
      { numRuns: runs },
    );
    const mixed = [emptyScoreReport(2, 'sigmoid'), emptyScoreReport(2)];
    expect(() => mergeScoreReports(mixed)).toThrow(
      expect.objectContaining({ code: 'LAYOUT_MISMATCH' }),
    );
  });

  test.each([
    ['more scores than images', { count: 0 }],
    ['a loss without a known finding', { histograms: emptyScoreReport(2).histograms }],
    ['a table of classes', { confusion: emptyScoreReport(2).confusion }],
  ])('a report with %s is refused', (_what, change) => {
    const report = addFindings(emptyScoreReport(2, 'sigmoid'), Float32Array.of(1, 2), [1, 0]);
    expect(scoreReportSchema.safeParse(report).success).toBe(true);
    expect(scoreReportSchema.safeParse({ ...report, ...change }).success).toBe(false);
  });
});
