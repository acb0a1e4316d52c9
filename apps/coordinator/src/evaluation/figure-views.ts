/** Figures as the contract has them: of one report, and pooled over the reports of sites. */
import {
  activationOfReport,
  aucIntervals,
  mergeScoreReports,
  summarizeScores,
  type ScoreReport,
  type ScoreSummary,
} from '#core/evaluation';
import type { Activation, EvaluationPayload, SiteId } from '#core/protocol';
import type { VersionEvaluation } from './evaluation.contract.ts';

/** A report that a site sent, with its meaning checked. */
export interface SiteReport {
  readonly site: SiteId;
  readonly heldOutImages: number;
  readonly receivedAtMs: number;
  readonly payload: EvaluationPayload;
  readonly report: ScoreReport;
}

type SiteView = VersionEvaluation['sites'][number];
/** What the order of sites goes by. */
type RankedSite = Pick<SiteView, 'site'> & {
  readonly summary: Pick<SiteView['summary'], 'macroAuc'>;
};

/** A summary as the contract has it. */
export function summaryView(report: ScoreReport): SiteView['summary'] {
  const figures: ScoreSummary = summarizeScores(report);
  return {
    ...figures,
    recall: [...figures.recall],
    auc: [...figures.auc],
    aucErrorBound: [...figures.aucErrorBound],
    brier: [...figures.brier],
    brierErrorBound: [...figures.brierErrorBound],
    sensitivity: figures.sensitivity.map((at) => ({
      specificity: at.specificity,
      sensitivity: [...at.sensitivity],
      errorBound: [...at.errorBound],
      threshold: [...at.threshold],
    })),
  };
}

/** What one site reported. */
export function siteView({
  site,
  heldOutImages,
  receivedAtMs,
  report,
  payload,
}: SiteReport): SiteView {
  return {
    ...{ site, heldOutImages, receivedAtMs },
    summary: summaryView(report),
    heldOutGroups: payload.grouping?.groups ?? null,
    intervals: payload.bootstrap ?? null,
    comparison: payload.comparison ?? null,
  };
}

/** The order of sites in figures; undefined last: it is neither good nor bad. */
export const worstFirst = (a: RankedSite, b: RankedSite): number =>
  (a.summary.macroAuc ?? Infinity) - (b.summary.macroAuc ?? Infinity) || (a.site < b.site ? -1 : 1);

/**
 * Figures of one version; reports add up in ascending order of the sites. One that was scored otherwise than the loss of its task
 * asks for, as earlier builds of the agent did, stands by itself.
 */
export function versionFigures(
  version: number,
  rows: readonly (SiteReport & { readonly subject: string; readonly round: number })[],
  activation: Activation,
): Omit<VersionEvaluation, 'absent' | 'decision'> {
  return {
    version,
    ...siteFigures(
      rows.filter(({ subject }) => subject === 'global'),
      activation,
    ),
    local: rows
      .filter(({ subject }) => subject === 'local')
      .map((row) => ({ ...siteView(row), round: row.round })),
  };
}

/** One adapter on every site's held-out images, the worst site first, and pooled. */
export function siteFigures(
  rows: readonly SiteReport[],
  activation: Activation,
): Pick<VersionEvaluation, 'pooled' | 'pooledIntervals' | 'sites'> {
  return {
    ...pooledFigures(alikeReports(rows, activation)),
    sites: rows.map(siteView).sort(worstFirst),
  };
}

/** Reports that add up: scored as the loss of their task asks for, which earlier builds of the agent did otherwise. */
export function alikeReports<Row extends SiteReport>(
  rows: readonly Row[],
  activation: Activation,
): readonly Row[] {
  return rows.filter(({ report }) => activationOfReport(report) === activation);
}

/** Figures over the summed reports; intervals where every report says how many patients it is of. */
export function pooledFigures(
  rows: readonly SiteReport[],
): Pick<VersionEvaluation, 'pooled' | 'pooledIntervals'> {
  if (rows.length === 0) return { pooled: null, pooledIntervals: null };
  const merged = mergeScoreReports(rows.map(({ report }) => report));
  const groupings = rows.flatMap(({ payload }) => payload.grouping ?? []);
  if (groupings.length < rows.length) return { pooled: summaryView(merged), pooledIntervals: null };
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
  const intervals = aucIntervals(merged, {
    groups: sum(groupings.map(({ groups }) => groups)),
    squares: sum(groupings.map(({ squares }) => squares)),
  });
  const copy = (ends: readonly [number, number] | null): [number, number] | null =>
    ends && [ends[0], ends[1]];
  return {
    pooled: summaryView(merged),
    pooledIntervals: { auc: intervals.auc.map(copy), macroAuc: copy(intervals.macroAuc) },
  };
}
