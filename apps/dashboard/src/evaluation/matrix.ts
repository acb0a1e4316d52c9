/** Every version at every site: rows and cells of a table, the worst site first. */
import type { Evaluations } from '../api/schemas.ts';
import { formatFigure } from '../common/format.ts';

/** Versions shown: the newest. */
const columnsMax = 6;

/** One site, or all of them. */
export interface MatrixRow {
  readonly name: string;
  /** What the site trained alone; an empty text where the task does not ask for it. */
  readonly alone: string;
  /** One for each version. */
  readonly cells: readonly string[];
}

/** The table, and what must be said below it. */
export interface Matrix {
  readonly versions: readonly number[];
  readonly rows: readonly MatrixRow[];
  readonly notes: readonly string[];
}

/** Make the table of macro AUCs; a figure that is without a planned site is marked, and the site named below. */
export function matrixOf({ evaluations, baselines }: Evaluations): Matrix {
  const shown = evaluations
    .toSorted((left, right) => left.version - right.version)
    .slice(-columnsMax);
  const sites = shown
    .toReversed()
    .flatMap(({ sites: reported, absent }) => [...reported, ...absent].map(({ site }) => site));
  const pooled: MatrixRow = {
    name: 'all sites (pooled)',
    alone: '',
    cells: shown.map(({ pooled: figures, pooledIntervals, absent }) => {
      if (figures === null) return '–';
      const ends = pooledIntervals?.macroAuc ?? null;
      const interval = ends === null ? '' : ` (${ends.map((end) => end.toFixed(2)).join('–')})`;
      return `${formatFigure(figures.macroAuc)}${absent.length === 0 ? '' : '*'}${interval}`;
    }),
  };
  const rows = [...new Set(sites)].map((site) => {
    const alone = baselines.find((each) => each.site === site);
    return {
      name: site,
      alone: alone === undefined ? '' : formatFigure(alone.summary.macroAuc),
      cells: shown.map(({ sites: reported, absent }) => {
        const found = reported.find((each) => each.site === site);
        if (found !== undefined) return formatFigure(found.summary.macroAuc);
        return absent.find((each) => each.site === site)?.state ?? 'no report';
      }),
    };
  });
  const notes = shown.flatMap(({ version, absent, decision }) => [
    ...absent.map(({ site, reason }) => `* Version ${version} is without ${site}: ${reason}.`),
    ...(decision === null || decision.promotion === 'none'
      ? []
      : [`Version ${version} was ${decision.promotion} by rule: ${decision.reason}.`]),
  ]);
  return { versions: shown.map(({ version }) => version), rows: [pooled, ...rows], notes };
}

/** The adapter that one site trained alone: one cell for each site. */
export interface LocalAdapterRow {
  readonly owner: string;
  readonly pooled: string;
  readonly cells: readonly string[];
}

/** Make the table of adapters that sites trained alone, at every site; the worst site first. */
export function localAdapterMatrixOf({ localAdapters }: Pick<Evaluations, 'localAdapters'>): {
  readonly sites: readonly string[];
  readonly rows: readonly LocalAdapterRow[];
  readonly notes: readonly string[];
} {
  const least = (site: string): number =>
    Math.min(
      ...localAdapters
        .flatMap(({ sites }) => sites.filter((each) => each.site === site))
        .map(({ summary }) => summary.macroAuc ?? Infinity),
    );
  const sites = localAdapters
    .map(({ owner }) => owner)
    .sort((a, b) => (least(a) === least(b) ? (a < b ? -1 : 1) : least(a) - least(b)));
  const rows = localAdapters.map(({ owner, state, pooled, absent, sites: reported }) => {
    const all = `${formatFigure(pooled?.macroAuc)}${absent.length === 0 ? '' : '*'}`;
    return {
      owner,
      pooled: state !== 'done' ? state : pooled === null ? '–' : all,
      cells: sites.map((site) => {
        const found = reported.find((each) => each.site === site);
        if (found !== undefined) return formatFigure(found.summary.macroAuc);
        return absent.find((each) => each.site === site)?.state ?? '–';
      }),
    };
  });
  const notes = localAdapters.flatMap(({ owner, state, reason, absent }) =>
    state === 'done'
      ? absent.map((each) => `* The adapter of ${owner} is without ${each.site}: ${each.reason}.`)
      : [`No adapter of ${owner}: ${reason ?? state}.`],
  );
  return { sites, rows, notes };
}
