/** From what a person looks for to what the coordinator is asked. */
import type { AuditFilters } from '../places.ts';

const dayMs = 24 * 3_600_000;

/** Midnight at which a day begins in the reader's zone; undefined where the text is no day. */
function beginningOf(day: string | undefined): number | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day ?? '');
  if (parts === null) return undefined;
  const atMs = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])).getTime();
  return Number.isNaN(atMs) || atMs < 0 ? undefined : atMs;
}

/** The path of the log, newest first. */
export function auditPath(filters: AuditFilters): string {
  const { actor, action, target, from, to } = filters;
  const since = beginningOf(from);
  const lastDay = beginningOf(to);
  const query = new URLSearchParams({ order: 'newest' });
  for (const [name, text] of Object.entries({ actor, action, target })) {
    if (text !== undefined && text !== '') query.set(name, text);
  }
  if (since !== undefined) query.set('since', String(since));
  // A day has 23 hours once a year, and 25 once: the last one is meant whole, and nothing of the next beyond an hour.
  if (lastDay !== undefined) query.set('until', String(lastDay + dayMs - 1));
  return `/v1/audit?${query.toString()}`;
}
