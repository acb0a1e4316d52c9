/**
 * The payloads that are signed: JSON in UTF-8, verified as the bytes came, then parsed by these schemas.
 *
 * Nothing signed is ever serialised again; receivers keep the bytes.
 */
import { z } from 'zod';
import { fromUtf8, utf8 } from '#core/bytes';
import { ProtocolError, type JsonValue } from '#core/errors';
import { limits } from './limits.ts';
import {
  adapterVersionSchema,
  attemptSchema,
  classesSchema,
  digestSchema,
  federationIdSchema,
  protocolVersion,
  roundNumberSchema,
  siteIdSchema,
  taskIdSchema,
  wallTimeMsSchema,
} from './names.ts';
import {
  poolingSchema,
  preprocessingSchema,
  tensorNameSchema,
  trainingPlanSchema,
} from './plan.ts';
import { siteStepSchema } from './site-step.ts';

const protocol = z.literal(protocolVersion);
const reasonSchema = z.string().min(1).max(500);

/** Which round and attempt a message belongs to. */
const roundReference = {
  protocol,
  federation: federationIdSchema,
  task: taskIdSchema,
  round: roundNumberSchema,
  attempt: attemptSchema,
} as const;

/** RoundOpen: everything a site must know and agree to before it trains; signed by the coordinator. */
export const roundOpenSchema = z.strictObject({
  type: z.literal('round-open'),
  ...roundReference,
  /** Number of the roster of sites; it grows with every enrolment, suspension and revocation. */
  rosterEpoch: z.number().int().min(0),
  members: z.array(siteIdSchema).min(1).max(limits.membersMax),
  mode: z.enum(['clear']),
  backboneFingerprint: digestSchema,
  /** Version the round starts from and the digest of its plaintext file. */
  globalVersion: adapterVersionSchema,
  globalAdapterDigest: digestSchema,
  layoutHash: digestSchema,
  /** Digest of the plan's own bytes, which travel beside RoundOpen; see `planDigest` in docs/protocol.md. */
  planDigest: digestSchema,
  plan: trainingPlanSchema,
  /** What is trained and sent; what `site` keeps private is trained beside it. */
  trainedTensors: z.array(tensorNameSchema).min(1).max(limits.tensorsMax),
  /** Rounds of the schedule already behind this one. */
  scheduleOffset: z.number().min(0).max(limits.roundsMax),
  classes: classesSchema,
  preprocessingDigest: digestSchema,
  preprocessing: preprocessingSchema,
  rank: z.number().int().min(1).max(64),
  alpha: z.number().positive().max(1024),
  pooling: poolingSchema.exactOptional(),
  publicSeed: digestSchema,
  /** How the site's local round departs from plain training; left out where it does not. */
  site: siteStepSchema.exactOptional(),
  /** The round's X25519 key, to which updates are sealed. */
  roundPublicKey: digestSchema,
  openedAtMs: wallTimeMsSchema,
  deadlineAtMs: wallTimeMsSchema,
  // Fields of blind mode; null in clear mode.
  clip: z.null(),
  fixedPointBits: z.null(),
  weightCap: z.null(),
  threshold: z.null(),
  leastSurvivors: z.null(),
});
/** RoundOpen, parsed. */
export type RoundOpen = z.infer<typeof roundOpenSchema>;

/** Why a site takes no part: words that may leave it. */
const decisionReason = {
  code: z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/),
  reason: reasonSchema,
} as const;

/** A site's signed answer to RoundOpen. */
export const decisionSchema = z.discriminatedUnion('decision', [
  z.strictObject({
    type: z.literal('decision'),
    ...roundReference,
    site: siteIdSchema,
    roundOpenDigest: digestSchema,
    decision: z.literal('accept'),
    /** Training images the site will use. */
    samples: z.number().int().min(1).max(limits.samplesMax),
  }),
  z.strictObject({
    type: z.literal('decision'),
    ...roundReference,
    site: siteIdSchema,
    roundOpenDigest: digestSchema,
    decision: z.literal('decline'),
    ...decisionReason,
  }),
  /** Takes back what was accepted, or even reported, while the round is open. */
  z.strictObject({
    type: z.literal('decision'),
    ...roundReference,
    site: siteIdSchema,
    roundOpenDigest: digestSchema,
    decision: z.literal('withdraw'),
    ...decisionReason,
  }),
]);
/** A site's answer, parsed. */
export type Decision = z.infer<typeof decisionSchema>;

/** What a site signs about the update it sends. */
export const manifestSchema = z.strictObject({
  type: z.literal('manifest'),
  ...roundReference,
  site: siteIdSchema,
  roundOpenDigest: digestSchema,
  layoutHash: digestSchema,
  ephemeralPublicKey: digestSchema,
  /** BLAKE2b-256 of the ciphertext: also the upload's id. */
  ciphertextDigest: digestSchema,
  ciphertextBytes: z.number().int().min(1).max(limits.updateBytesMax),
  /** Training images behind the update: its weight in clear mode. */
  samples: z.number().int().min(1).max(limits.samplesMax),
  steps: z.number().int().min(0).max(100_000_000),
  /** Mean training loss of the local round. */
  trainingLoss: z.number().min(0).max(1e6),
});
/** A manifest, parsed. */
export type Manifest = z.infer<typeof manifestSchema>;

/** Where a member of a round stands; the same words in the record, on the wire and on every screen. */
export const memberStatusSchema = z.enum([
  'invited',
  'accepted',
  'declined',
  'training',
  'uploading',
  'reported',
  'late',
  'withdrawn',
  'rejected',
  'lost',
]);
/** Where a member of a round stands. */
export type MemberStatus = z.infer<typeof memberStatusSchema>;

/** One line of the membership record. */
export const membershipEntrySchema = z.strictObject({
  site: siteIdSchema,
  status: memberStatusSchema,
  reason: reasonSchema.nullable(),
  samples: z.number().int().min(0).max(limits.samplesMax).nullable(),
  /** Weight used in the aggregate; null where the site is not in it. */
  weight: z.number().positive().nullable(),
  updateDigest: digestSchema.nullable(),
});

/** The membership record of a settled round: nobody is dropped silently. */
export const membershipRecordSchema = z.strictObject({
  type: z.literal('membership'),
  ...roundReference,
  outcome: z.enum(['published', 'abandoned']),
  reason: reasonSchema.nullable(),
  /** True only if every planned site is in the aggregate. */
  isComplete: z.boolean(),
  members: z.array(membershipEntrySchema).min(1).max(limits.membersMax),
});
/** The membership record, parsed. */
export type MembershipRecord = z.infer<typeof membershipRecordSchema>;

/** RoundResult: one link of the chain of a task's versions. */
export const roundResultSchema = z.strictObject({
  type: z.literal('round-result'),
  ...roundReference,
  roundOpenDigest: digestSchema,
  version: adapterVersionSchema,
  /** Version that the round started from; left out where it is the one before, as it is unless a task was run again. */
  baseVersion: adapterVersionSchema.exactOptional(),
  adapterDigest: digestSchema,
  backboneFingerprint: digestSchema,
  layoutHash: digestSchema,
  method: z.string().min(1).max(64),
  /** Digest of what the aggregation remembers after this round; left out where it remembers nothing. */
  stateDigest: digestSchema.exactOptional(),
  members: z.array(membershipEntrySchema).min(1).max(limits.membersMax),
  /** Digest of the previous result's payload; null for the first. */
  previousResultDigest: digestSchema.nullable(),
  /** Whether the task's last planned round is done. */
  isFinal: z.boolean(),
});
/** RoundResult, parsed. */
export type RoundResult = z.infer<typeof roundResultSchema>;

/** The coordinator's signed answer to a request for a nonce. */
export const nonceStatementSchema = z.strictObject({
  type: z.literal('nonce'),
  protocol,
  federation: federationIdSchema,
  /** What the asker sent, echoed: an old answer cannot be replayed. */
  challenge: digestSchema,
  nonce: digestSchema,
  signingPublicKey: digestSchema,
  agreementPublicKey: digestSchema,
  expiresAtMs: wallTimeMsSchema,
});
/** The coordinator's nonce statement, parsed. */
export type NonceStatement = z.infer<typeof nonceStatementSchema>;

/**
 * Serialise a payload once, for signing: JSON in UTF-8.
 *
 * @throws z.ZodError if the value does not fit the schema (our own mistake)
 */
export function encodePayload<Schema extends z.ZodType<JsonValue>>(
  schema: Schema,
  value: z.input<Schema>,
): Uint8Array {
  return utf8(JSON.stringify(schema.parse(value)));
}

/**
 * Parse a payload whose signature was verified.
 *
 * @throws ProtocolError MESSAGE_INVALID naming the first field that does not fit
 */
export function decodePayload<Schema extends z.ZodType>(
  schema: Schema,
  payload: Uint8Array,
  where: string,
): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(payload));
  } catch (cause) {
    throw new ProtocolError(
      'MESSAGE_INVALID',
      `${where}: expected JSON in UTF-8, got other bytes`,
      {},
      { cause },
    );
  }
  return parseMessage(schema, value, where);
}

/**
 * Parse a message from a peer.
 *
 * @throws ProtocolError MESSAGE_INVALID naming the first field that does not fit, never its content
 */
export function parseMessage<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  where: string,
): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') || 'message';
  throw new ProtocolError(
    'MESSAGE_INVALID',
    `${where}: field ${field} does not fit melo/1 (${issue?.message ?? 'invalid'}); check that both sides run the same release`,
    { field, issues: parsed.error.issues.length },
  );
}
