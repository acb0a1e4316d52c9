/** The end of the demo as text: a table, a small chart, what was sent, how long it took, where things lie. */
import { durationText } from './progress.ts';
import type { DemoOutcome, Figures } from './outcome.ts';

const chartRows = 8;
const columnWidth = 3;

/** One line of the table of columns. */
export interface ReportRow {
  readonly label: string;
  readonly figures: Figures;
}

/** A figure with three decimals, or what stands for one that is not defined. */
export function figureText(value: number | null): string {
  return value === null ? 'n/a' : value.toFixed(3);
}

/** The columns in the order in which they are told. */
export function reportRows(outcome: DemoOutcome): ReportRow[] {
  return [
    ...outcome.hospitals.map(({ name, alone }) => ({ label: `${name} alone`, figures: alone })),
    { label: 'head alone, federated', figures: outcome.headOnly },
    { label: 'MeLo, federated', figures: outcome.federated },
    { label: 'MeLo, pooled (all images in one place)', figures: outcome.pooled },
  ];
}

/** Text in columns, the first to the left and the others to the right. */
export function textTable(rows: readonly (readonly string[])[]): string {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, at) =>
    Math.max(...rows.map((row) => (row[at] ?? '').length)),
  );
  return rows
    .map((row) =>
      widths
        .map((width, at) => {
          const text = row[at] ?? '';
          return at === 0 ? text.padEnd(width) : text.padStart(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The scale of a chart: whole tenths around the values, inside 0 to 1. */
export function chartScale(values: readonly number[]): { low: number; high: number } {
  if (values.length === 0) return { low: 0, high: 1 };
  const low = Math.max(0, Math.floor(Math.min(...values) * 10 - 1e-9) / 10);
  const high = Math.min(1, Math.ceil(Math.max(...values) * 10 + 1e-9) / 10);
  return { low, high: high > low ? high : low + 0.1 };
}

/** Draw AUC (*) and accuracy (o) by round; where both meet stands an @. */
export function textChart(byRound: readonly Figures[]): string {
  const defined = byRound.flatMap(({ auc, accuracy }) => [auc, accuracy]);
  const { low, high } = chartScale(defined.filter((value) => value !== null));
  const rowOf = (value: number | null): number =>
    value === null ? -1 : Math.round(((high - value) / (high - low)) * (chartRows - 1));
  const lines = Array.from({ length: chartRows }, (_, row) => {
    const label = (high - ((high - low) * row) / (chartRows - 1)).toFixed(2);
    const cells = byRound.map(({ auc, accuracy }) => {
      const [isAuc, isAccuracy] = [rowOf(auc) === row, rowOf(accuracy) === row];
      const mark = isAuc && isAccuracy ? '@' : isAuc ? '*' : isAccuracy ? 'o' : ' ';
      return mark.padStart(columnWidth);
    });
    return `${label} |${cells.join('')}`.trimEnd();
  });
  const axis = byRound.map((_figures, round) => String(round).padStart(columnWidth)).join('');
  return [
    ...lines,
    `     +${'-'.repeat(columnWidth * byRound.length)}`,
    `      ${axis}  round`,
  ].join('\n');
}

/** Bytes as people say them. */
export function bytesText(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(2)} MB`;
}

/** The whole end as text. */
export function reportText(outcome: DemoOutcome): string {
  const { hospitals, classes, seconds } = outcome;
  const rows = reportRows(outcome).map(({ label, figures }) => [
    label,
    figureText(figures.auc),
    figureText(figures.accuracy),
  ]);
  const sites = hospitals.map(({ name, classCounts, heldOutImages, bytesSent }) => [
    name,
    ...classCounts.map(String),
    String(heldOutImages),
    bytesText(bytesSent),
  ]);
  return [
    outcome.title,
    outcome.imagesNote,
    '',
    `All on the same ${outcome.heldOutImages} held-out images, the union of the hospitals':`,
    textTable([['', 'macro AUC', 'accuracy'], ...rows]),
    '',
    'Federated, by round: * macro AUC, o accuracy, @ both',
    textChart(outcome.byRound),
    '',
    'Training images by class, held-out images, and what each hospital sent in all rounds:',
    textTable([['', ...classes, 'held-out', 'sent'], ...sites]),
    '',
    `install ${durationText(seconds.install)}, build ${durationText(seconds.build)}, run ${durationText(seconds.run)}`,
    `adapter: ${outcome.adapter} (${bytesText(outcome.adapterBytes)})`,
    `report:  ${outcome.report}`,
    'Investigational software. Not a medical device.',
    '',
  ].join('\n');
}
