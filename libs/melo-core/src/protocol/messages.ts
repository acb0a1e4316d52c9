/**
 * Messages of the socket.io namespace `/sites`: one schema for what is asked and one for what is acknowledged.
 *
 * An acknowledgement is always `{ok: true, ...}` or `{ok: false, code, message, retryable}`. Tensors travel as binary only.
 */
import { z } from 'zod';
import { isErrorCode, type ErrorCode } from '#core/errors';
import { evaluationRequestIdSchema } from './evaluation-payloads.ts';
import { limits } from './limits.ts';
import {
  adapterVersionSchema,
  attemptSchema,
  bytesSchema,
  digestSchema,
  exactBytesSchema,
  roundNumberSchema,
  signedEnvelopeSchema,
  siteIdSchema,
  taskIdSchema,
  wallTimeMsSchema,
} from './names.ts';
import { memberStatusSchema } from './signed-payloads.ts';

/** What a site sends in socket.io's `auth` when it connects; checked in `io.use`, before the handshake ends. */
export const socketAuthSchema = z.strictObject({
  protocol: z.string().min(1).max(32),
  agentVersion: z.string().min(1).max(32),
  site: siteIdSchema,
  nonce: digestSchema,
  /** Ed25519 signature, 64 bytes in hexadecimal. */
  signature: z.string().regex(/^[0-9a-f]{128}$/),
});
/** What a site sends when it connects. */
export type SocketAuth = z.infer<typeof socketAuthSchema>;

/** Where the ciphertext of a version is, and the key to it, for one site. */
export const adapterReferenceSchema = z.strictObject({
  version: adapterVersionSchema,
  ciphertextDigest: digestSchema,
  ciphertextBytes: z.number().int().min(1).max(limits.updateBytesMax),
  /** crypto_box_seal of the 32-byte content key to the site's X25519 key. */
  sealedContentKey: exactBytesSchema(80),
});
/** Where the ciphertext of a version is, and the key to it. */
export type AdapterReference = z.infer<typeof adapterReferenceSchema>;

const ok = { ok: z.literal(true) } as const;

/** A refusal, as every command may answer. */
export const refusalSchema = z.strictObject({
  ok: z.literal(false),
  /** A code that this release does not know is read as INTERNAL: the message still says what is wrong. */
  code: z
    .string()
    .min(1)
    .max(64)
    .transform((code): ErrorCode => (isErrorCode(code) ? code : 'INTERNAL')),
  message: z.string().max(2000),
  retryable: z.boolean(),
});
/** A refusal. */
export type Refusal = z.infer<typeof refusalSchema>;

/** A half-open interval of range indices, [from, to). */
const intervalSchema = z.tuple([z.number().int().min(0), z.number().int().min(0)]);

/** What a site can do, told once a connection. */
const helloSchema = z.strictObject({
  agentVersion: z.string().min(1).max(32),
  node: z.string().min(1).max(32),
  engines: z.array(z.strictObject({ name: z.string().max(32), device: z.string().max(64) })).max(8),
  backbones: z.array(digestSchema).max(64),
  memoryBytes: z.number().int().min(0),
  cores: z.number().int().min(1).max(4096),
  /** Tasks the site's own policy approves. */
  approvedTasks: z.array(taskIdSchema).max(256),
});

/** What a heartbeat says: the dashboard shows its age. */
const heartbeatSchema = z.strictObject({
  phase: z.enum([
    'idle',
    'preparing',
    'downloading',
    'training',
    'evaluating',
    'uploading',
    'waiting',
  ]),
  task: taskIdSchema.nullable(),
  round: roundNumberSchema.nullable(),
  /** Share of the phase done, 0 to 1. */
  progress: z.number().min(0).max(1).nullable(),
  load: z.number().min(0).max(100_000),
});

const assignmentSchema = z.strictObject({
  open: signedEnvelopeSchema,
  status: memberStatusSchema,
  adapter: adapterReferenceSchema,
});
/** One open round that a site is a member of. */
export type Assignment = z.infer<typeof assignmentSchema>;

const askedEvaluationSchema = z.strictObject({
  /** The signed request; it may name more versions. */
  request: signedEnvelopeSchema,
  /** The version or the site's adapter to evaluate, or the version to start a baseline from. */
  adapter: adapterReferenceSchema,
});
/** One version that a site is asked to evaluate. */
export type AskedEvaluation = z.infer<typeof askedEvaluationSchema>;

const resultNoticeSchema = z.strictObject({
  result: signedEnvelopeSchema,
  adapter: adapterReferenceSchema,
});
/** One published version, as a site hears of it. */
export type ResultNotice = z.infer<typeof resultNoticeSchema>;

/** Commands of a site: event name -> what is asked, what is answered. */
export const siteCommands = {
  hello: {
    request: helloSchema,
    response: z.strictObject({
      ...ok,
      coordinatorVersion: z.string().max(32),
      stateVersion: z.number().int(),
    }),
  },
  heartbeat: {
    request: heartbeatSchema,
    response: z.strictObject({ ...ok, serverTimeMs: wallTimeMsSchema }),
  },
  'round:get': {
    /** The newest result the site has of each task; older ones are not sent again. */
    request: z.strictObject({
      known: z
        .array(z.strictObject({ task: taskIdSchema, version: adapterVersionSchema }))
        .max(256),
    }),
    response: z.strictObject({
      ...ok,
      stateVersion: z.number().int(),
      assignments: z.array(assignmentSchema).max(limits.itemsPerMessageMax),
      results: z.array(resultNoticeSchema).max(limits.itemsPerMessageMax),
      /** Whether another `round:get` would bring more. */
      hasMore: z.boolean(),
    }),
  },
  'round:accept': {
    request: z.strictObject({ decision: signedEnvelopeSchema }),
    response: z.strictObject({ ...ok, status: memberStatusSchema }),
  },
  'round:decline': {
    request: z.strictObject({ decision: signedEnvelopeSchema }),
    response: z.strictObject({ ...ok, status: memberStatusSchema }),
  },
  /** Since 0.2: an older coordinator refuses it with MESSAGE_INVALID. */
  'round:withdraw': {
    request: z.strictObject({ decision: signedEnvelopeSchema }),
    response: z.strictObject({ ...ok, status: memberStatusSchema }),
  },
  'blob:get': {
    request: z.strictObject({
      digest: digestSchema,
      offset: z.number().int().min(0).max(limits.updateBytesMax),
      length: z.number().int().min(1).max(limits.rangeBytes),
    }),
    response: z.strictObject({ ...ok, bytes: bytesSchema(limits.rangeBytes) }),
  },
  'upload:begin': {
    request: z.strictObject({
      uploadId: digestSchema,
      bytes: z.number().int().min(1).max(limits.updateBytesMax),
      manifest: signedEnvelopeSchema,
      /** The request that asks for a baseline's adapter, whose manifest this then is; left out of a round's update. Since 0.2. */
      request: evaluationRequestIdSchema.exactOptional(),
    }),
    /** `received`: ranges stored durably already; `isCommitted`: nothing is left to do. */
    response: z.strictObject({
      ...ok,
      received: z.array(intervalSchema).max(1024),
      isCommitted: z.boolean(),
    }),
  },
  'upload:range': {
    request: z.strictObject({
      uploadId: digestSchema,
      index: z.number().int().min(0).max(4096),
      bytes: bytesSchema(limits.rangeBytes),
    }),
    response: z.strictObject(ok),
  },
  'upload:commit': {
    request: z.strictObject({ uploadId: digestSchema }),
    /** Null of a baseline's adapter: it is part of no round. */
    response: z.strictObject({ ...ok, status: memberStatusSchema.nullable() }),
  },
  evaluation: {
    request: z.strictObject({ evaluation: signedEnvelopeSchema }),
    response: z.strictObject(ok),
  },
  /** Since 0.2, as is the next one. A coordinator that knows it takes everything that a report may carry. */
  'evaluation:get': {
    request: z.strictObject({}),
    response: z.strictObject({
      ...ok,
      asked: z.array(askedEvaluationSchema).max(limits.itemsPerMessageMax),
      /** Whether more is asked: it comes once these are done or declined. */
      hasMore: z.boolean(),
    }),
  },
  'evaluation:decline': {
    request: z.strictObject({ decline: signedEnvelopeSchema }),
    response: z.strictObject(ok),
  },
  'audit:get': {
    /** `after`: the last entry whose link the site knows. Coordinators of 0.1.0 do not know this command. */
    request: z.strictObject({
      after: z.number().int().min(0),
      limit: z.number().int().min(1).max(limits.auditDigestsPerMessageMax),
    }),
    response: z.strictObject({
      ...ok,
      head: signedEnvelopeSchema,
      /** Content digests of the entries after `after`, 32 bytes each; no contents: they may be of other sites. */
      digests: bytesSchema(32 * limits.auditDigestsPerMessageMax),
    }),
  },
} as const;

/** Name of a command of a site. */
export type SiteCommand = keyof typeof siteCommands;
/** What a command asks. */
export type SiteRequest<Name extends SiteCommand> = z.infer<(typeof siteCommands)[Name]['request']>;
/** What a command answers when it is granted. */
export type SiteResponse<Name extends SiteCommand> = z.infer<
  (typeof siteCommands)[Name]['response']
>;

/** Announcements of the coordinator: they carry a version number only, the site then pulls what it lacks. */
export const coordinatorEvents = {
  state: z.strictObject({ stateVersion: z.number().int().min(0) }),
  /** A sign of life, whatever the other direction is busy with. */
  alive: z.strictObject({}),
} as const;

/** The site's request for a nonce, over REST: `POST /v1/handshake/nonce`. */
export const nonceRequestSchema = z.strictObject({ challenge: digestSchema });

/** A signed envelope in JSON: both parts in base64. */
export const jsonEnvelopeSchema = z.strictObject({
  payload: z.base64().max(2 * limits.payloadBytesMax),
  signature: z.base64().max(128),
});

/** The coordinator's answer to it: a nonce statement, signed. */
export const nonceResponseSchema = z.strictObject({ statement: jsonEnvelopeSchema });

/** A site's enrolment, over REST: `POST /v1/enrollments`. */
export const enrollmentRequestSchema = z.strictObject({
  protocol: z.string().min(1).max(32),
  agentVersion: z.string().min(1).max(32),
  /** The 16 bytes of the one-time code, in hexadecimal; stored hashed, never logged. */
  secret: z.string().regex(/^[0-9a-f]{32}$/),
  nonce: digestSchema,
  signingPublicKey: digestSchema,
  agreementPublicKey: digestSchema,
  /** Ed25519 signature of the proof of possession, hexadecimal. */
  signature: z.string().regex(/^[0-9a-f]{128}$/),
  /** Keyed BLAKE2b under the agreed key, hexadecimal. */
  mac: digestSchema,
});

/** What an enrolling site learns. */
export const enrollmentResponseSchema = z.strictObject({
  federation: z.string().regex(/^[0-9a-f]{32}$/),
  site: siteIdSchema,
  status: z.enum(['pending', 'active']),
  /** What the administrator sees too, and compares before approving. */
  fingerprint: digestSchema,
});

/** Which attempt at a round. */
export const roundKeySchema = z.strictObject({
  task: taskIdSchema,
  round: roundNumberSchema,
  attempt: attemptSchema,
});
/** Which attempt at a round. */
export type RoundKey = z.infer<typeof roundKeySchema>;
