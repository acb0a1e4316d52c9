// Release 0.1.0 as it was (commit 835f400): never changed, so that what it accepts stays known.
/** Names and small binary values as they appear in messages: what each may look like. */
import { z } from 'zod';
import { limits } from './limits.ts';

/** The one protocol version of this release; both versions are named when they differ. */
export const protocolVersion = 'melo/1';

const slug = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/,
    'expected 1 to 63 of a-z, 0-9 and -, not starting or ending with -',
  );

/** A site's name in the federation: short, lower case, unique. */
export const siteIdSchema = slug.brand<'SiteId'>();
/** A site's name. */
export type SiteId = z.infer<typeof siteIdSchema>;

/** A task's name in the federation. */
export const taskIdSchema = slug.brand<'TaskId'>();
/** A task's name. */
export type TaskId = z.infer<typeof taskIdSchema>;

/** 32 bytes in lower-case hexadecimal: every digest, hash and fingerprint. */
export const digestSchema = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'expected 64 lower-case hexadecimal digits');

/** The federation's own random name: 16 bytes in hexadecimal, made once by its coordinator. */
export const federationIdSchema = z
  .string()
  .regex(/^[0-9a-f]{32}$/, 'expected 32 lower-case hexadecimal digits');

/** A round's number within its task: 1, 2, 3, ... */
export const roundNumberSchema = z.number().int().min(1).max(limits.roundsMax);

/** An attempt at a round: 1 the first time. */
export const attemptSchema = z.number().int().min(1).max(1000);

/** A version of a task's adapter: 0 is derived from the public seed, k is what round k published. */
export const adapterVersionSchema = z.number().int().min(0).max(limits.roundsMax);

/** Milliseconds since 1970-01-01T00:00:00Z. */
export const wallTimeMsSchema = z.number().int().min(0).max(8_640_000_000_000_000);

/** A class's name: printable, no line breaks. */
export const classNameSchema = z
  .string()
  .min(1)
  .max(64)
  .regex(/^[^\p{Cc}]+$/u, 'expected no control characters');

/** The classes of a task, in the order of the head's rows. */
export const classesSchema = z
  .array(classNameSchema)
  .min(2)
  .max(limits.classesMax)
  .refine((names) => new Set(names).size === names.length, 'expected every class once');

/** Binary of a bounded length: Uint8Array, as socket.io delivers it (a Buffer is one). */
export const bytesSchema = (lengthMax: number): z.ZodType<Uint8Array> =>
  z
    .instanceof(Uint8Array)
    .refine((bytes) => bytes.length <= lengthMax, `expected ${lengthMax} bytes at most`);

/** Binary of exactly one length. */
export const exactBytesSchema = (length: number): z.ZodType<Uint8Array> =>
  z.instanceof(Uint8Array).refine((bytes) => bytes.length === length, `expected ${length} bytes`);

/** A signed thing as it travels: the payload's bytes verbatim and an Ed25519 signature over them. */
export const signedEnvelopeSchema = z.strictObject({
  payload: bytesSchema(limits.payloadBytesMax),
  signature: exactBytesSchema(64),
});
