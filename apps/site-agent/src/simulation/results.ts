/** What a simulation found, as data without dates or durations: the same plan gives the same bytes, stopped in between or not. */
import { mergeScoreReports, summarizeScores, type ScoreReport } from '#core/evaluation';
import type { Column } from './columns.ts';
import type { ColumnName, Partition, Run } from './plan.ts';
import type { SimulatedSite } from './sites.ts';
import type { RoundRecord } from './work-store.ts';

/** Figures of one version on some held-out images; null where they are not defined. */
export interface Figures {
  readonly images: number;
  /** Mean over the classes whose AUC is defined, each against the others. */
  readonly auc: number | null;
  readonly accuracy: number | null;
  readonly balancedAccuracy: number | null;
  readonly loss: number | null;
}

/** A version that was measured. */
export interface MeasuredRound {
  readonly round: number;
  readonly digest: string;
  /** On the held-out images of all sites together. */
  readonly union: Figures;
  /** On each site's own held-out images. */
  readonly bySite: Readonly<Record<string, Figures>>;
}

/** One column of one run. */
export interface ColumnResult {
  readonly column: ColumnName;
  /** Of `local-only`: the site that trained alone. */
  readonly trainedAt: string | null;
  readonly rounds: readonly MeasuredRound[];
}

/** One run with one seed. */
export interface RunResult {
  readonly run: string;
  readonly seed: number;
  readonly partition: Partition;
  readonly sites: readonly {
    readonly name: string;
    readonly training: number;
    readonly heldOut: number;
    readonly classCounts: readonly number[];
    readonly unreadable: number;
  }[];
  readonly columns: readonly ColumnResult[];
}

/** All of a plan. */
export interface SimulationResults {
  readonly version: 1;
  readonly title: string;
  readonly classes: readonly string[];
  readonly backbone: string;
  readonly runs: readonly RunResult[];
}

function figuresOf(report: ScoreReport): Figures {
  const { count, macroAuc, accuracy, balancedAccuracy, loss } = summarizeScores(report);
  return { images: count, auc: macroAuc, accuracy, balancedAccuracy, loss };
}

/** Figures of the rounds of a column that were measured. */
export function columnResult(
  { name, trainedAt }: Column,
  records: readonly RoundRecord[],
): ColumnResult {
  const rounds = records.flatMap(({ round, digest, reports }): MeasuredRound[] => {
    if (reports === null) return [];
    const bySite = Object.entries(reports).map(([site, report]): [string, Figures] => [
      site,
      figuresOf(report),
    ]);
    const union = figuresOf(mergeScoreReports(Object.values(reports)));
    return [{ round, digest, union, bySite: Object.fromEntries(bySite) }];
  });
  return { column: name, trainedAt, rounds };
}

/** Describe a run with its sites. */
export function runResult(
  run: Run,
  seed: number,
  sites: readonly SimulatedSite[],
  columns: readonly ColumnResult[],
): RunResult {
  return {
    run: run.name,
    seed,
    partition: run.partition,
    sites: sites.map(({ name, training, heldOut, classCounts, unreadable }) => {
      return { name, training: training.count, heldOut: heldOut.count, classCounts, unreadable };
    }),
    columns,
  };
}

/** The last version's figures on the union; null where the column was not trained. */
export function finalOf(
  { columns }: RunResult,
  column: ColumnName,
  trainedAt: string | null = null,
): MeasuredRound | null {
  const found = columns.find((each) => each.column === column && each.trainedAt === trainedAt);
  return found?.rounds.at(-1) ?? null;
}

/** What each site gains by the federation: AUC on the union of the held-out images, and on its own. */
export interface SiteGain {
  readonly site: string;
  readonly federated: number | null;
  readonly localOnly: number | null;
  readonly federatedHere: number | null;
  readonly localOnlyHere: number | null;
}

/** Compare the federated version with each site alone. */
export function siteGains(result: RunResult): SiteGain[] {
  const federated = finalOf(result, 'federated');
  return result.sites.flatMap(({ name }): SiteGain[] => {
    const local = finalOf(result, 'local-only', name);
    if (federated === null || local === null) return [];
    return [
      {
        site: name,
        federated: federated.union.auc,
        localOnly: local.union.auc,
        federatedHere: federated.bySite[name]?.auc ?? null,
        localOnlyHere: local.bySite[name]?.auc ?? null,
      },
    ];
  });
}

/** Mean, least and greatest of what is defined; null where nothing is. */
export interface Spread {
  readonly mean: number;
  readonly least: number;
  readonly greatest: number;
  readonly count: number;
}

/** Summarise numbers over seeds. */
export function spreadOf(values: readonly (number | null)[]): Spread | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
  return { mean, least: Math.min(...known), greatest: Math.max(...known), count: known.length };
}

/** The results of each run over its seeds, in the order of the plan. */
export function byRun(results: SimulationResults): ReadonlyMap<string, readonly RunResult[]> {
  const runs = new Map<string, RunResult[]>();
  for (const result of results.runs)
    runs.set(result.run, [...(runs.get(result.run) ?? []), result]);
  return runs;
}

/** Final AUC on the union of each seed; of `local-only` the mean over the sites. */
export function finalAucs(runs: readonly RunResult[], column: ColumnName): (number | null)[] {
  return runs.map((run) => {
    if (column !== 'local-only') return finalOf(run, column)?.union.auc ?? null;
    const local = run.sites.map(({ name }) => finalOf(run, column, name)?.union.auc ?? null);
    return spreadOf(local)?.mean ?? null;
  });
}
