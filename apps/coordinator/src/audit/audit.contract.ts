/** REST routes of the audit log. */
import { z } from 'zod';
import { digestSchema } from '#core/protocol';
import { defineRoute, envelopeView, pathNumber, readRoles, timeMs } from '../common/contract.ts';

/** One thing that happened. */
export const auditEntrySchema = z.strictObject({
  id: z.number().int(),
  atMs: timeMs,
  /** `administrator` by the token of the first start, `user:NAME`, `coordinator`, `nobody`, or `site:NAME`. */
  actor: z.string(),
  action: z.string(),
  /** What it happened to, e.g. `site:north` or `task:breast`. */
  target: z.string(),
  details: z.record(z.string(), z.json()),
  /** Place in the chain; null for a moment, until it is chained. */
  sequence: z.number().int().nullable(),
});
/** One thing that happened. */
export type AuditEntry = z.infer<typeof auditEntrySchema>;

const momentMs = z
  .string()
  .regex(/^\d{1,16}$/, 'expected milliseconds since 1970-01-01T00:00:00Z')
  .transform(Number)
  .pipe(z.number().int().min(0).max(8_640_000_000_000_000));

/** A text as it is; with a last `*` whatever begins with the text before it. */
const wantedText = z.string().min(1).max(128);

const auditQuery = z.strictObject({
  /** Ids, not counted themselves: where the page before ended. */
  after: pathNumber(0, 999_999_999).optional(),
  before: pathNumber(0, 999_999_999).optional(),
  limit: pathNumber(1, 1000).optional(),
  order: z.enum(['oldest', 'newest']).optional(),
  actor: wantedText.optional(),
  action: wantedText.optional(),
  target: wantedText.optional(),
  since: momentMs.optional(),
  until: momentMs.optional(),
});
/** Which entries are listed. */
export type AuditQuery = z.infer<typeof auditQuery>;

/** REST routes of the audit log. */
export const auditRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/audit',
    summary: 'List what happened, oldest first by default; actor, action and target take a last *',
    roles: readRoles,
    scope: 'audit',
    query: auditQuery,
    response: z.strictObject({ entries: z.array(auditEntrySchema), hasMore: z.boolean() }),
  }),
  head: defineRoute({
    method: 'GET',
    path: '/v1/audit/head',
    summary:
      "Tell how far the chained log goes and its last link, with the coordinator's signature",
    roles: readRoles,
    scope: 'audit',
    response: z.strictObject({
      sequence: z.number().int(),
      linkDigest: digestSchema,
      head: envelopeView,
    }),
  }),
  export: defineRoute({
    method: 'GET',
    path: '/v1/audit/export',
    summary: 'Export the whole chained log as NDJSON; its last line is the signed head',
    roles: readRoles,
    scope: 'audit',
    response: z.unknown(),
    mediaType: 'application/x-ndjson',
  }),
} as const;
