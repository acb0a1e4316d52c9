/** From evaluations to lines. Each line has a name-free key: a name may hold anything. */
import type { Evaluation, Evaluations } from '../api/schemas.ts';

/** What is drawn. */
export type Figure = 'macroAuc' | 'loss';

/** One point of every line. */
export type Point = { readonly version: string } & Readonly<Record<string, number | string | null>>;

/**
 * What a line shows: `pooled` is over all sites, `site` one site's figures of the federation's versions, `own` those of its
 * adapter after its own training in the round, `alone` what it trained without the federation, `beside` another task's pooled.
 */
export type LineKind = 'pooled' | 'site' | 'own' | 'alone' | 'beside';

/** One line. */
export interface Line {
  readonly key: string;
  readonly label: string;
  readonly kind: LineKind;
}

/** The lines of one figure. */
export interface Lines {
  readonly points: readonly Point[];
  readonly lines: readonly Line[];
}

/** What lines are drawn of, and which part of it. */
export interface LinesOptions {
  readonly figure: Figure;
  /** One site beside the pooled line, with its own adapter and what it trained alone; every site where left out. */
  readonly site?: string;
  /** Another task, whose pooled line is drawn too. */
  readonly beside?: { readonly label: string; readonly evaluations: readonly Evaluation[] };
  /** Newest versions drawn; all where left out. */
  readonly newest?: number;
}

/** The line over all sites. */
export const pooledLine: Line = { key: 'all', label: 'all sites (pooled)', kind: 'pooled' };

/** Sites that have evaluated any version, in ascending order of their names. */
export function sitesOf(evaluations: readonly Evaluation[]): readonly string[] {
  return [...new Set(evaluations.flatMap(({ sites }) => sites.map(({ site }) => site)))].sort();
}

interface ValuedLine extends Line {
  readonly valueOf: (version: number) => number | null | undefined;
}

/** Make the lines of a figure; the pooled one is what the coordinator pooled, never a mean of sites. */
export function linesOf(
  { evaluations, baselines }: Pick<Evaluations, 'evaluations' | 'baselines'>,
  options: LinesOptions,
): Lines {
  const { figure, site, beside, newest } = options;
  const byVersion = new Map(evaluations.map((each) => [each.version, each]));
  const pooled = (of: ReadonlyMap<number, Evaluation>) => (version: number) =>
    of.get(version)?.pooled?.[figure];
  const atSite = (name: string) => (version: number) =>
    byVersion.get(version)?.sites.find((each) => each.site === name)?.summary[figure];
  const others: readonly ValuedLine[] =
    site === undefined
      ? sitesOf(evaluations).map((name, index) => ({
          key: `site${index}`,
          label: name,
          kind: 'site',
          valueOf: atSite(name),
        }))
      : [
          { key: 'site', label: `federated, at ${site}`, kind: 'site', valueOf: atSite(site) },
          ...ownLines({ evaluations, baselines }, site, figure),
        ];
  const second = new Map(beside?.evaluations.map((each) => [each.version, each]));
  const lines: readonly ValuedLine[] = [
    ...others,
    ...(beside === undefined
      ? []
      : [{ key: 'beside', label: beside.label, kind: 'beside', valueOf: pooled(second) } as const]),
    { ...pooledLine, valueOf: pooled(byVersion) },
  ];
  const reported = [...evaluations, ...second.values()].filter(({ sites }) => sites.length > 0);
  const versions = [...new Set(reported.map(({ version }) => version))];
  const ordered = versions.sort((left, right) => left - right);
  const points = ordered.slice(newest === undefined ? 0 : -newest).map((version) => ({
    version: `v${version}`,
    ...Object.fromEntries(lines.map(({ key, valueOf }) => [key, valueOf(version) ?? null])),
  }));
  return { points, lines: lines.map(({ key, label, kind }) => ({ key, label, kind })) };
}

/** What a site has without the others: its adapter after its own training of a round, and what it trained alone. */
function ownLines(
  { evaluations, baselines }: Pick<Evaluations, 'evaluations' | 'baselines'>,
  site: string,
  figure: Figure,
): readonly ValuedLine[] {
  const own = new Map(
    evaluations.flatMap(({ local }) =>
      local
        .filter((each) => each.site === site)
        .map(({ round, summary }) => [round, summary[figure]] as const),
    ),
  );
  const alone = baselines.find((each) => each.site === site)?.summary[figure] ?? null;
  return [
    {
      key: 'own',
      label: `${site}'s own adapter, before it was combined`,
      kind: 'own',
      valueOf: (version) => own.get(version),
    },
    ...(alone === null
      ? []
      : [{ key: 'alone', label: `${site} alone`, kind: 'alone', valueOf: () => alone } as const]),
  ];
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
