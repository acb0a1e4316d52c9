/** From what a person looks for to what the coordinator is asked. */
import { request, type ApiRequest } from '#api';
import { auditSchema } from '../api/detail-schemas.ts';
import type { Part } from '../api/lists.ts';
import type { AuditFilters } from '../places.ts';

const dayMs = 24 * 3_600_000;

/** Midnight at which a day begins in the reader's zone; undefined where the text is no day. */
function beginningOf(day: string | undefined): number | undefined {
  const parts = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day ?? '');
  if (parts === null) return undefined;
  const atMs = new Date(Number(parts[1]), Number(parts[2]) - 1, Number(parts[3])).getTime();
  return Number.isNaN(atMs) || atMs < 0 ? undefined : atMs;
}

const orNothing = (text: string | undefined): string | undefined =>
  text === '' ? undefined : text;

/** What asks for a page of the log, newest first. */
export function auditRequest(filters: AuditFilters, part: Part): ApiRequest<typeof auditSchema> {
  const { actor, action, target, from, to } = filters;
  const since = beginningOf(from);
  const lastDay = beginningOf(to);
  return request('GET', '/v1/audit', auditSchema, {
    query: {
      ...part,
      order: 'newest',
      actor: orNothing(actor),
      action: orNothing(action),
      target: orNothing(target),
      since,
      // A day has 23 hours once a year, and 25 once: the last one is meant whole, and nothing of the next beyond an hour.
      until: lastDay === undefined ? undefined : lastDay + dayMs - 1,
    },
  });
}
