/** What each site trained by itself, at every site: one row an adapter, the worst site first. */
import type { LocalAdapterEvaluation } from '../evaluation/evaluation.contract.ts';
import { formatFigure, formatTable } from './text.ts';

/** Write the table and whom it is without; nothing where the task asks for no such adapters. */
export function formatLocalAdapters(adapters: readonly LocalAdapterEvaluation[]): string[] {
  if (adapters.length === 0) return [];
  const sites = siteOrder(adapters);
  const rows = adapters.map(({ owner, state, pooled, absent, ...adapter }) => [
    owner,
    state === 'done' ? pooledCell(pooled, absent.length) : state,
    ...sites.map((site) => cellOf(adapter.sites, absent, site)),
  ]);
  const table = formatTable(['ADAPTER OF', 'ALL SITES', ...sites], rows);
  const notes = adapters.flatMap(({ owner, state, reason, absent }) =>
    state === 'done'
      ? absent.map((each) => `* the adapter of ${owner} is without ${each.site}: ${each.reason}`)
      : [`no adapter of ${owner}: ${reason ?? state}`],
  );
  return ['Adapters that sites trained alone, at every site:', table, notes.join('\n')].filter(
    (part) => part !== '',
  );
}

/** By the least figure that any adapter has at a site; a site without one last. */
function siteOrder(adapters: readonly LocalAdapterEvaluation[]): string[] {
  const least = (site: string): number =>
    Math.min(
      ...adapters
        .flatMap(({ sites }) => sites.filter((each) => each.site === site))
        .map(({ summary }) => summary.macroAuc ?? Infinity),
    );
  return adapters
    .map(({ owner }): string => owner)
    .sort((a, b) => (least(a) === least(b) ? (a < b ? -1 : 1) : least(a) - least(b)));
}

function pooledCell(pooled: LocalAdapterEvaluation['pooled'], absent: number): string {
  if (pooled === null) return '-';
  return `${formatFigure(pooled.macroAuc)}${absent === 0 ? '' : '*'}`;
}

function cellOf(
  sites: LocalAdapterEvaluation['sites'],
  absent: LocalAdapterEvaluation['absent'],
  site: string,
): string {
  const found = sites.find((each) => each.site === site);
  if (found !== undefined) return formatFigure(found.summary.macroAuc);
  return absent.find((each) => each.site === site)?.state ?? '-';
}
