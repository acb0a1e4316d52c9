/** What a task's own rules say of a version, from the sites' reports alone: promoted or not and why, and whether training ends. Pure. */
import {
  activationOfReport,
  mergeScoreReports,
  summarizeScores,
  type ScoreReport,
} from '#core/evaluation';
import type { EarlyStopRule, PromotionRule, RuleMetric, SiteId } from '#core/protocol';

/** Reports about one adapter, by site. */
export type ReportsBySite = ReadonlyMap<SiteId, ScoreReport>;

/** What a promotion is judged by. */
export interface PromotionCase {
  readonly members: readonly SiteId[];
  readonly candidate: ReportsBySite;
  /** The version that is promoted now; null where there is none. */
  readonly promoted: { readonly version: number; readonly reports: ReportsBySite } | null;
  /** What each site trained alone. */
  readonly baselines: ReportsBySite;
}

/** What a rule says. */
export interface Verdict {
  readonly isPassed: boolean;
  /** Every reason against it; or the figures that it passed with. */
  readonly reason: string;
  readonly figures: Readonly<Record<string, number | string | null>>;
}

const text = (figure: number | null): string => (figure === null ? 'undefined' : figure.toFixed(4));

function figureOf(reports: readonly ScoreReport[], metric: RuleMetric): number | null {
  const [first] = reports;
  if (first === undefined) return null;
  const alike = reports.filter((each) => activationOfReport(each) === activationOfReport(first));
  return summarizeScores(mergeScoreReports(alike))[metric];
}

/** Compute a pooled figure over the sites of a list that have a report; null where it is not defined. */
export function pooledFigure(
  reports: ReportsBySite,
  metric: RuleMetric,
  sites: readonly SiteId[] = [...reports.keys()],
): number | null {
  return figureOf(
    sites.flatMap((site) => reports.get(site) ?? []),
    metric,
  );
}

/** Apply a promotion rule to a version whose evaluations are in, or whose time for them is up. */
export function judgePromotion(rule: PromotionRule, about: PromotionCase): Verdict {
  const { metric, absentSites, minimum, noSiteWorseThanLocalBy, noWorseThanPromotedBy } = rule;
  const { members, candidate, promoted, baselines } = about;
  const against: string[] = [];
  const absent = members.filter((site) => !candidate.has(site));
  if (absent.length > 0 && absentSites === 'refuse')
    against.push(`no evaluation of ${absent.join(', ')}`);
  const pooled = pooledFigure(candidate, metric);
  if (pooled === null) against.push(`${metric} over all sites is undefined`);
  else if (minimum !== undefined && pooled < minimum)
    against.push(`${metric} ${text(pooled)} is less than ${minimum}`);
  const figures: Record<string, number | string | null> = { [metric]: pooled };
  if (promoted !== null) {
    // Only over the sites that reported both: another set of patients would be another figure.
    const common = members.filter((site) => candidate.has(site) && promoted.reports.has(site));
    const [now, before] = [candidate, promoted.reports].map((each) =>
      pooledFigure(each, metric, common),
    );
    figures[`version ${promoted.version}`] = before ?? null;
    if (typeof now === 'number' && typeof before === 'number') {
      if (now < before - noWorseThanPromotedBy)
        against.push(
          `${metric} ${text(now)} is less than ${text(before)} of version ${promoted.version}`,
        );
    } else against.push(`${metric} cannot be compared with version ${promoted.version}`);
  }
  if (noSiteWorseThanLocalBy !== undefined) {
    for (const site of members) {
      const own = pooledFigure(candidate, metric, [site]);
      const alone = pooledFigure(baselines, metric, [site]);
      figures[site] = own;
      figures[`${site} alone`] = alone;
      if (absentSites === 'ignore' && (!candidate.has(site) || !baselines.has(site))) continue;
      const fault = siteFault(own, alone, noSiteWorseThanLocalBy);
      if (fault !== null && candidate.has(site)) against.push(`${site}: ${metric} ${fault}`);
    }
  }
  const without = absent.length === 0 ? '' : `, without ${absent.join(', ')}`;
  return {
    isPassed: against.length === 0,
    reason: against.length === 0 ? `${metric} ${text(pooled)}${without}` : against.join('; '),
    figures: { ...figures, absent: absent.length === 0 ? null : absent.join(', ') },
  };
}

function siteFault(own: number | null, alone: number | null, margin: number): string | null {
  if (alone === null) return 'of what it trained alone is not there or undefined';
  if (own === null) return 'is undefined';
  return own < alone - margin
    ? `${text(own)} is less than ${text(alone)} alone by more than ${margin}`
    : null;
}

/**
 * Tell whether training ends: the best figure of the last `patienceRounds` versions is not better by `minimumGain` than the best before.
 *
 * @param history - pooled figures of a lineage, oldest first, undefined ones left out
 */
export function judgeEarlyStop(
  { metric, patienceRounds, minimumGain }: EarlyStopRule,
  history: readonly number[],
): string | null {
  const before = history.slice(0, -patienceRounds);
  const last = history.slice(-patienceRounds);
  if (before.length === 0 || last.length < patienceRounds) return null;
  const [best, newest] = [Math.max(...before), Math.max(...last)];
  if (newest >= best + minimumGain) return null;
  return `early stop: ${metric} was ${text(best)} and did not gain ${minimumGain} in ${patienceRounds} versions (best since: ${text(newest)})`;
}
