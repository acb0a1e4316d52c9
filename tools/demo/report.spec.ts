import type { DemoOutcome } from './outcome.ts';
import { outcomeJson } from './outcome.ts';
import { chartSvg, escapeHtml, reportPage } from './report-page.ts';
import { bytesText, chartScale, figureText, reportText, textChart, textTable } from './report.ts';

const outcome: DemoOutcome = {
  title: 'Demo <of> a spec',
  imagesNote: 'The images are phantoms.',
  backbone: 'nano',
  classes: ['normal', 'opacity'],
  seed: 1,
  byRound: [
    { auc: 0.5, accuracy: 0.4 },
    { auc: 0.7, accuracy: 0.5 },
    { auc: 0.8, accuracy: null },
  ],
  hospitals: [
    {
      name: 'hospital-1',
      trainingImages: 10,
      heldOutImages: 6,
      classCounts: [7, 3],
      alone: { auc: 0.61, accuracy: 0.45 },
      bytesSent: 123_456,
    },
    {
      name: 'hospital-2',
      trainingImages: 12,
      heldOutImages: 6,
      classCounts: [2, 10],
      alone: { auc: null, accuracy: 0.33 },
      bytesSent: 2_345_678,
    },
  ],
  headOnly: { auc: 0.65, accuracy: 0.48 },
  pooled: { auc: 0.83, accuracy: 0.6 },
  federated: { auc: 0.8, accuracy: 0.55 },
  heldOutImages: 12,
  seconds: { install: 0, build: 3.14159, run: 75.04 },
  adapterBytes: 41_532,
  adapter: 'melo-demo/adapter.safetensors',
  report: 'melo-demo/report.html',
};

test('a table has its first column to the left and figures to the right', () => {
  expect(
    textTable([
      ['', 'AUC'],
      ['a long label', '0.5'],
      ['b', '0.123'],
    ]),
  ).toBe('                AUC\na long label    0.5\nb             0.123');
});

test.each([
  [[0.43, 0.61], 0.4, 0.7],
  [[0.5, 0.5], 0.4, 0.6],
  [[0, 1], 0, 1],
  [[], 0, 1],
])('the scale of %p runs from %p to %p', (values, low, high) => {
  const scale = chartScale(values);
  expect(scale.low).toBeCloseTo(low, 9);
  expect(scale.high).toBeCloseTo(high, 9);
});

test('the chart puts a higher figure higher, one mark a round, and none for what is not defined', () => {
  const lines = textChart(outcome.byRound).split('\n');
  const rowsOf = (mark: string, column: number): number[] =>
    lines.flatMap((line, row) => (line.slice(6)[3 * column + 2] === mark ? [row] : []));
  const auc = [0, 1, 2].map((round) => rowsOf('*', round));
  expect(auc.map((rows) => rows.length)).toEqual([1, 1, 1]);
  const [first = 0, second = 0, third = 0] = auc.flat();
  expect(second).toBeLessThan(first);
  expect(third).toBeLessThan(second);
  expect(rowsOf('o', 2)).toEqual([]);
});

test('where AUC and accuracy meet stands one mark for both', () => {
  expect(textChart([{ auc: 0.5, accuracy: 0.5 }])).toContain('@');
});

test('the text names every column, every hospital, what was sent and the three times apart', () => {
  const text = reportText(outcome);
  expect(text).toMatch(/hospital-1 alone +0\.610 +0\.450/);
  expect(text).toMatch(/hospital-2 alone +n\/a +0\.330/);
  expect(text).toMatch(/head alone, federated +0\.650/);
  expect(text).toMatch(/MeLo, federated +0\.800/);
  expect(text).toMatch(/MeLo, pooled .*0\.830/);
  expect(text).toMatch(/hospital-2 +2 +10 +6 +2\.35 MB/);
  expect(text).toContain('install 0 s, build 3 s, run 75 s');
  expect(text).toContain('phantoms');
  expect(text).toContain(outcome.report);
});

test('the JSON has the figures as they are, with nulls where they are not defined', () => {
  expect(outcomeJson(outcome)).toMatchObject({
    aucByRound: [0.5, 0.7, 0.8],
    accuracyByRound: [0.4, 0.5, null],
    localOnly: [0.61, null],
    headOnly: 0.65,
    pooled: 0.83,
    federated: 0.8,
    bytesSent: { 'hospital-1': 123_456, 'hospital-2': 2_345_678 },
    seconds: { install: 0, build: 3.1, run: 75 },
    adapter: outcome.adapter,
    report: outcome.report,
  });
});

test('the page needs nothing beside it, and shows text as text', () => {
  const page = reportPage(outcome);
  expect(page).not.toMatch(/<script|<link|\bsrc=|https?:/);
  expect(page).toContain('Demo &lt;of&gt; a spec');
  expect(page).not.toContain('<of>');
  expect(page).toContain('The images are phantoms.');
  expect(page).toContain('2.35 MB');
});

test('the drawn chart has a point for each figure that is defined', () => {
  const lines = [...chartSvg(outcome).matchAll(/points="([^"]*)"/g)].map(
    ([, points = '']) => points.split(' ').length,
  );
  expect(lines.sort()).toEqual([2, 3]);
});

test('what could end a tag or an attribute is escaped', () => {
  expect(escapeHtml(`<a href="x" class='y'>&`)).toBe(
    '&lt;a href=&quot;x&quot; class=&#39;y&#39;&gt;&amp;',
  );
});

test('figures and bytes as people read them', () => {
  expect(figureText(0.12349)).toBe('0.123');
  expect(figureText(null)).toBe('n/a');
  expect(bytesText(999)).toBe('1.0 kB');
  expect(bytesText(1_500_000)).toBe('1.50 MB');
});
