/** From evaluations to lines. Each site is a column of its own name-free key: a name may hold anything. */
import type { Evaluation } from '../api/schemas.ts';

/** What is drawn. */
export type Figure = 'macroAuc' | 'loss';

/** One point of every line. */
export type Point = { readonly version: string } & Readonly<Record<string, number | string | null>>;

/** The lines of one figure. */
export interface Lines {
  readonly points: readonly Point[];
  /** Sites in ascending order of their names; the line of site i has the key `site<i>`. */
  readonly sites: readonly string[];
}

/** Key of the line over all sites. */
export const globalKey = 'all';
/** Key of a site's line. */
export const siteKey = (index: number): string => `site${index}`;

/** Make the lines of a figure; the global one is what the coordinator pooled, never a mean of sites. */
export function linesOf(evaluations: readonly Evaluation[], figure: Figure): Lines {
  const ordered = evaluations.toSorted((left, right) => left.version - right.version);
  const names = ordered.flatMap(({ sites }) => sites.map(({ site }) => site));
  const sites = [...new Set(names)].sort();
  const points = ordered.map(({ version, pooled, sites: reports }) => ({
    version: `v${version}`,
    [globalKey]: pooled?.[figure] ?? null,
    ...Object.fromEntries(
      sites.map((site, index) => {
        const report = reports.find((each) => each.site === site);
        return [siteKey(index), report?.summary[figure] ?? null];
      }),
    ),
  }));
  return { points, sites };
}

/** The newest version that any site has evaluated. */
export function newestEvaluated(evaluations: readonly Evaluation[]): Evaluation | undefined {
  return evaluations
    .filter(({ pooled }) => pooled !== null)
    .reduce<Evaluation | undefined>(
      (best, each) => (best === undefined || each.version > best.version ? each : best),
      undefined,
    );
}

/** One site's figures: of a version, and of the adapter that it had from its own training last. */
export interface SiteFigures {
  readonly site: string;
  readonly images: number;
  readonly auc: number | null;
  readonly loss: number | null;
  readonly ownAuc: number | null;
}

/** Put each site's figures of a version beside those of its own adapter, from the last round before. */
export function siteFigures(
  evaluation: Evaluation,
  all: readonly Evaluation[],
): readonly SiteFigures[] {
  const own = all
    .flatMap(({ local }) => local)
    .filter(({ round }) => round <= evaluation.version)
    .toSorted((left, right) => right.round - left.round);
  return evaluation.sites.map(({ site, heldOutImages, summary }) => ({
    site,
    images: heldOutImages,
    auc: summary.macroAuc,
    loss: summary.loss,
    ownAuc: own.find((each) => each.site === site)?.summary.macroAuc ?? null,
  }));
}
