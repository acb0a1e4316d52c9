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

/** A release of this software, three numbers: 1.4.0. */
export const releaseSchema = z
  .string()
  .max(32)
  .regex(
    /^(?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){2}$/,
    'expected three numbers, such as 1.4.0',
  );

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
  .refine((names) => new Set(names).size === names.length, 'expected every class once')
  .meta({ uniqueItems: true });

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

/**
 * Tell whether a release is the one asked for, or newer.
 *
 * @param actual  - as the other side names it: three numbers, perhaps with a suffix; a suffix after `-` is older than none
 * @param minimum - three numbers
 * @returns false where `actual` does not have this form
 * @see https://semver.org/spec/v2.0.0.html, clause 11
 */
export function isReleaseAtLeast(actual: string, minimum: string): boolean {
  const parts = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/.exec(
    actual,
  );
  if (parts === null) return false;
  const wanted = minimum.split('.').map(Number);
  for (const [index, least] of wanted.entries()) {
    const number = Number(parts[index + 1]);
    if (number !== least) return number > least;
  }
  return parts[4] === undefined;
}
