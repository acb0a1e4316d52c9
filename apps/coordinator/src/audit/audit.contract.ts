/** REST routes of the audit list. */
import { z } from 'zod';
import { defineRoute, pathNumber, readRoles, timeMs } from '../common/contract.ts';

/** One thing that happened. */
export const auditEntrySchema = z.strictObject({
  id: z.number().int(),
  atMs: timeMs,
  /** `administrator`, `coordinator` or `site:NAME`. */
  actor: z.string(),
  action: z.string(),
  /** What it happened to, e.g. `site:north` or `task:breast`. */
  target: z.string(),
  details: z.record(z.string(), z.json()),
});
/** One thing that happened. */
export type AuditEntry = z.infer<typeof auditEntrySchema>;

/** REST routes of the audit list. */
export const auditRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/audit',
    summary: 'List what happened, oldest first, after an id',
    roles: readRoles,
    query: z.strictObject({
      after: pathNumber(0, 999_999_999).optional(),
      limit: pathNumber(1, 1000).optional(),
    }),
    response: z.strictObject({ entries: z.array(auditEntrySchema), hasMore: z.boolean() }),
  }),
} as const;
