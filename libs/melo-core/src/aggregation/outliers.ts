/**
 * Sites whose update is unlike the others', named and never dropped: a robust rule over the figures of one round.
 *
 * For a figure x with median m over the sites, the modified z-score is 0.6745 (x - m) / MAD, MAD the median of |x - m|; beyond
 * 3.5 a site is named. Where MAD is 0, since more than half of the sites agree, (x - m) / (1.2533 mean |x - m|) takes its
 * place. Fewer than four sites with a figure are too few to tell who is unlike the others. Counted: an update that is longer or shorter,
 * an angle to the change that is wider (cosine below), a distance that is greater, a loss that rose more than elsewhere.
 *
 * @see Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers
 */

/** A figure that is looked at. */
export type OutlierFigure = 'updateNorm' | 'cosine' | 'drift' | 'lossChange';

/** What is known of one site; null where a figure is not defined. */
export type ComparedSite = { readonly site: string } & Readonly<
  Record<OutlierFigure, number | null>
>;

/** Why a site is named. */
export interface OutlierReason {
  readonly figure: OutlierFigure;
  readonly value: number;
  /** Median of the figure over the sites. */
  readonly median: number;
  /** Modified z-score. */
  readonly score: number;
}

/** Score beyond which a site is named. */
export const outlierScoreMin = 3.5;
const sitesMin = 4;

/** Which way a figure is suspicious. */
const directions: Readonly<Record<OutlierFigure, (score: number) => number>> = {
  updateNorm: Math.abs,
  cosine: (score) => -score,
  drift: (score) => score,
  lossChange: (score) => score,
};
const figures: readonly OutlierFigure[] = ['updateNorm', 'cosine', 'drift', 'lossChange'];

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** What differences are divided by to give scores; 0 where all values are alike. */
function spreadOf(distances: readonly number[]): number {
  const mad = medianOf(distances);
  if (mad > 0) return mad / 0.6745;
  return (1.2533 * distances.reduce((sum, distance) => sum + distance, 0)) / distances.length;
}

/**
 * Name the sites that are unlike the others.
 *
 * @param sites - figures of one round, in any order
 * @returns by site, with every figure that speaks against it; sites without one are absent
 */
export function findOutliers(
  sites: readonly ComparedSite[],
): ReadonlyMap<string, readonly OutlierReason[]> {
  const found = new Map<string, OutlierReason[]>();
  for (const figure of figures) {
    const known = sites.flatMap((each) => {
      const value = each[figure];
      return value === null ? [] : [{ site: each.site, value }];
    });
    if (known.length < sitesMin) continue;
    const median = medianOf(known.map(({ value }) => value));
    const spread = spreadOf(known.map(({ value }) => Math.abs(value - median)));
    if (spread === 0) continue;
    for (const { site, value } of known) {
      const score = (value - median) / spread;
      if (directions[figure](score) <= outlierScoreMin) continue;
      found.set(site, [...(found.get(site) ?? []), { figure, value, median, score }]);
    }
  }
  return found;
}
