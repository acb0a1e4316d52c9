/** What single pages use of the coordinator's answers, beyond what is shown everywhere. */
import { z } from 'zod';
import { nextCursor, roundSchema, versionSchema } from './schemas.ts';

const timeMs = z.number();
const figure = z.number().nullable();

/** A signed record, both parts in base64. */
export const envelopeSchema = z.object({ payload: z.string(), signature: z.string() });
/** A signed record. */
export type Envelope = z.infer<typeof envelopeSchema>;

/** One site of an aggregate beside the others. */
const siteInAggregateSchema = z.object({
  site: z.string(),
  updateNorm: z.number(),
  cosine: figure,
  drift: z.number(),
  trainingLoss: figure,
  lossBefore: figure,
  lossAfter: figure,
  outlier: z.array(
    z.object({ figure: z.string(), value: z.number(), median: z.number(), score: z.number() }),
  ),
});
/** One site of an aggregate beside the others. */
export type SiteInAggregate = z.infer<typeof siteInAggregateSchema>;

/** What an aggregate told of its sites. */
const aggregateFiguresSchema = z.object({
  aggregationGap: figure,
  changeNorm: z.number(),
  sites: z.array(siteInAggregateSchema),
});
/** What an aggregate told of its sites. */
export type AggregateFigures = z.infer<typeof aggregateFiguresSchema>;

/** One attempt with its signed records and its events. */
export const roundDetailSchema = roundSchema.extend({
  openDigest: z.string(),
  open: envelopeSchema,
  membership: envelopeSchema.nullable(),
  figures: aggregateFiguresSchema.nullable(),
  events: z.array(
    z.object({
      sequence: z.number(),
      atMs: timeMs,
      event: z.object({
        type: z.string(),
        site: z.string().optional(),
        reason: z.string().optional(),
      }),
    }),
  ),
});
/** One attempt with its signed records and its events. */
export type RoundDetail = z.infer<typeof roundDetailSchema>;

/** What checking a published round found. */
export const verificationSchema = z.object({
  scope: z.string(),
  isGood: z.boolean(),
  checks: z.array(z.object({ name: z.string(), isGood: z.boolean(), detail: z.string() })),
  signedDigest: z.string().nullable(),
  recomputedDigest: z.string().nullable(),
});
/** What checking a published round found. */
export type Verification = z.infer<typeof verificationSchema>;

/** One version with its card and its place in the signed chain. */
export const versionDetailSchema = versionSchema.extend({
  card: z.record(z.string(), z.json()),
  resultDigest: z.string().nullable(),
  resultPayload: z
    .object({ method: z.string(), previousResultDigest: z.string().nullable() })
    .nullable(),
});
/** One version with its card and its place in the signed chain. */
export type VersionDetail = z.infer<typeof versionDetailSchema>;

/** A one-time enrolment code. */
export const invitationSchema = z.object({
  site: z.string(),
  code: z.string(),
  expiresAtMs: timeMs,
});
/** A one-time enrolment code. */
export type Invitation = z.infer<typeof invitationSchema>;

/** One thing that happened. */
export const auditEntrySchema = z.object({
  id: z.number(),
  atMs: timeMs,
  actor: z.string(),
  action: z.string(),
  target: z.string(),
  details: z.record(z.string(), z.json()),
  sequence: z.number().nullable(),
});
/** One thing that happened. */
export type AuditEntry = z.infer<typeof auditEntrySchema>;
/** What happened, a page of it. */
export const auditSchema = z.object({ entries: z.array(auditEntrySchema), nextCursor });
/** How far the chained log goes. */
export const auditHeadSchema = z.object({
  sequence: z.number(),
  linkDigest: z.string(),
  head: envelopeSchema,
});

/** How the coordinator is run. */
export const operationsSchema = z.object({
  drain: z.object({
    status: z.string(),
    sinceMs: timeMs.nullable(),
    rounds: z.array(
      z.object({
        task: z.string(),
        round: z.number(),
        attempt: z.number(),
        phase: z.string(),
        deadlineAtMs: timeMs,
        expectedEndAtMs: timeMs.nullable(),
        members: z.array(z.object({ site: z.string(), status: z.string() })),
      }),
    ),
    lateUploads: z.array(z.object({ site: z.string(), task: z.string(), round: z.number() })),
  }),
  disk: z.object({ freeBytes: z.number(), reserveBytes: z.number(), isLow: z.boolean() }),
  retentionMs: z.number(),
  uploads: z.object({
    bytes: z.number(),
    quotaBytes: z.number().nullable(),
    siteQuotaBytes: z.number().nullable(),
    sites: z.array(z.object({ site: z.string(), bytes: z.number() })),
  }),
});
/** How the coordinator is run. */
export type Operations = z.infer<typeof operationsSchema>;

const evaluationRequestSchema = z.object({
  request: z.string(),
  task: z.string(),
  subject: z.string(),
  owner: z.string().nullable(),
  reason: z.string().nullable(),
  requestedAtMs: timeMs,
  deadlineAtMs: timeMs,
  closedAtMs: timeMs.nullable(),
  summary: z.string(),
  items: z.array(z.object({ version: z.number(), site: z.string(), state: z.string() })),
});
/** One request for evaluations. */
export type EvaluationRequest = z.infer<typeof evaluationRequestSchema>;
/** Requests for evaluations, newest first. */
export const evaluationRequestsSchema = z.object({
  requests: z.array(evaluationRequestSchema),
  nextCursor,
});
