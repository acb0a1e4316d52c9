/** REST routes of the audit log. */
import { z } from 'zod';
import { digestSchema } from '#core/protocol';
import {
  anyJsonObject,
  defineRoute,
  envelopeView,
  pathNumber,
  plainText,
  readRoles,
  timeMs,
} from '../common/contract.ts';
import { keyBig, nextCursor, pageQuery } from '../common/pages.contract.ts';

/** One thing that happened. */
export const auditEntrySchema = z.strictObject({
  id: z.number().int(),
  atMs: timeMs,
  /** `administrator` by the token of the first start, `user:NAME`, `coordinator`, `nobody`, or `site:NAME`. */
  actor: z.string(),
  action: z.string(),
  /** What it happened to, e.g. `site:north` or `task:breast`. */
  target: z.string(),
  details: anyJsonObject,
  /** Place in the chain; null for a moment, until it is chained. */
  sequence: z.number().int().nullable(),
});
/** One thing that happened. */
export type AuditEntry = z.infer<typeof auditEntrySchema>;

const moment = (which: string) =>
  pathNumber(
    0,
    8_640_000_000_000_000,
    `${which}, in milliseconds since 1970-01-01T00:00:00Z.`,
  ).optional();

/** A text as it is; with a last `*` whatever begins with the text before it. */
const wanted = (what: string) =>
  plainText(128)
    .describe(`${what}; with a last * whatever begins with the text before it.`)
    .optional();

const auditQuery = z.strictObject({
  ...pageQuery(z.tuple([keyBig]), { byDefault: 200, max: 1000 }),
  order: z.enum(['oldest', 'newest']).default('oldest').describe('Which entries come first.'),
  actor: wanted('Who did it'),
  action: wanted('What was done'),
  target: wanted('What it was done to'),
  since: moment('The earliest moment'),
  until: moment('The latest moment'),
});
/** Which entries are listed. */
export type AuditQuery = z.output<typeof auditQuery>;

/** REST routes of the audit log. */
export const auditRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/audit',
    summary: 'List what happened, oldest first by default; actor, action and target take a last *',
    roles: readRoles,
    scope: 'audit',
    query: auditQuery,
    response: z.strictObject({ entries: z.array(auditEntrySchema), nextCursor }),
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
