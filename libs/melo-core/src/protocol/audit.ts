/**
 * The audit log as it is hashed, signed, passed on and exported.
 *
 * An entry's payload is kept verbatim; a head is the coordinator's signed word for how far the log goes and what link it
 * ends with. A site keeps the newest head, so that a log that was changed or cut is found out.
 */
import { z } from 'zod';
import { limits } from './limits.ts';
import { jsonEnvelopeSchema } from './messages.ts';
import { digestSchema, federationIdSchema, protocolVersion, wallTimeMsSchema } from './names.ts';

/** A place in the chain; 0 is before the first entry. */
const sequenceSchema = z.number().int().min(0);

/** What an entry's payload says; later releases may say more. */
export const auditPayloadSchema = z.object({
  type: z.literal('audit-entry'),
  atMs: wallTimeMsSchema,
  /** `administrator`, `coordinator`, `nobody`, or `site:NAME`. */
  actor: z.string().min(1).max(128),
  action: z.string().min(1).max(64),
  /** What it happened to, e.g. `site:north` or `task:breast`. */
  target: z.string().min(1).max(128),
  details: z.record(z.string(), z.json()),
  /** 16 random bytes: who knows the digest alone cannot find the content by guessing. */
  salt: z.string().regex(/^[0-9a-f]{32}$/),
});
/** What an entry's payload says. */
export type AuditPayload = z.infer<typeof auditPayloadSchema>;

/** How far the log goes and what link it ends with; signed by the coordinator. */
export const auditHeadSchema = z.strictObject({
  type: z.literal('audit-head'),
  protocol: z.literal(protocolVersion),
  federation: federationIdSchema,
  sequence: sequenceSchema,
  linkDigest: digestSchema,
  atMs: wallTimeMsSchema,
});
/** How far the log goes, parsed. */
export type AuditHead = z.infer<typeof auditHeadSchema>;

/** One line of an exported log. */
export const auditLineSchema = z.union([
  z.strictObject({
    sequence: z.number().int().min(1),
    linkDigest: digestSchema,
    /** The entry's payload, verbatim, in base64. */
    payload: z.base64().max(2 * limits.auditPayloadBytesMax),
  }),
  /** The last line. */
  z.strictObject({ head: jsonEnvelopeSchema, signingPublicKey: digestSchema }),
]);
/** One line of an exported log. */
export type AuditLine = z.infer<typeof auditLineSchema>;
