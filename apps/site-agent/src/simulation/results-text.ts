/** Results as tables: for a terminal, and as CSV with a row for every version, site and set of images. */
import {
  byRun,
  finalAucs,
  siteGains,
  spreadOf,
  type Figures,
  type RunResult,
  type SimulationResults,
} from './results.ts';
import { columnNames } from './plan.ts';

const numberText = (value: number | null): string => (value === null ? '' : String(value));
const quoted = (text: string): string =>
  /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

const csvHeader =
  'run,seed,column,trained_at,round,measured_on,images,auc,accuracy,balanced_accuracy,loss,digest';

function csvRows({ run, seed, columns }: RunResult): string[] {
  return columns.flatMap(({ column, trainedAt, rounds }) =>
    rounds.flatMap(({ round, digest, union, bySite }) => {
      const row = (measuredOn: string, figures: Figures): string =>
        [
          ...[quoted(run), seed, column, trainedAt ?? '', round, measuredOn, figures.images],
          ...[figures.auc, figures.accuracy, figures.balancedAccuracy, figures.loss].map(
            numberText,
          ),
          digest,
        ].join(',');
      return [
        row('union', union),
        ...Object.entries(bySite).map(([site, figures]) => row(site, figures)),
      ];
    }),
  );
}

/** Every figure, a row each. */
export function resultsCsv(results: SimulationResults): string {
  return [csvHeader, ...results.runs.flatMap(csvRows), ''].join('\n');
}

function spreadText(values: readonly (number | null)[]): string {
  const spread = spreadOf(values);
  if (spread === null) return '-';
  const { mean, least, greatest, count } = spread;
  const text = mean.toFixed(3);
  return count === 1 ? text : `${text} (${least.toFixed(3)}-${greatest.toFixed(3)})`;
}

/** Sites that the federated version serves at least as well as their own, of all sites and seeds; `-` where one column is missing. */
export function gainText(runs: readonly RunResult[]): string {
  const gains = runs.flatMap(siteGains);
  if (gains.length === 0) return '-';
  const atLeast = gains.filter(({ federated, localOnly }) => (federated ?? -1) >= (localOnly ?? 0));
  return `${atLeast.length} of ${gains.length}`;
}

/** Lay cells out in columns, left-aligned. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => (row[at] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** The table on a terminal: AUC on the union of the held-out images, mean and range over the seeds. */
export function resultsTable(results: SimulationResults): string {
  const columns = columnNames.filter((name) =>
    results.runs.some((run) => run.columns.some(({ column }) => column === name)),
  );
  const head = ['run', ...columns, 'federated >= local-only'];
  const rows = [...byRun(results)].map(([name, runs]) => [
    name,
    ...columns.map((column) => spreadText(finalAucs(runs, column))),
    gainText(runs),
  ]);
  const seeds = new Set(results.runs.map(({ seed }) => seed)).size;
  const images = results.runs[0]?.sites.reduce((sum, { heldOut }) => sum + heldOut, 0) ?? 0;
  return [
    results.title,
    '',
    aligned([head, ...rows]),
    '',
    `AUC of the last version on the held-out images of all sites together (${images} with the first seed), ${seeds === 1 ? 'one seed' : `mean and range over ${seeds} seeds`};`,
    'local-only is the mean over the sites; the last column counts sites, over all seeds. Investigational. Not a medical device.',
    '',
  ].join('\n');
}
