/**
 * Idempotency-Keys as they are stored. A key is claimed in the transaction of what its command does, and gets the answer
 * afterwards: a crash in between leaves the claim, and the repeat then does nothing again.
 *
 * Answers are wrapped by the wrapping key, since one may carry an enrolment code, and forgotten after a day.
 */
import { eq, lt } from 'drizzle-orm';
import { fromUtf8, utf8 } from '#core/bytes';
import { unwrapSecret, wrapSecret } from '#core/crypto';
import type { Queries } from '../config/database.ts';
import { idempotencyKeys } from '../config/schema.ts';
import type { KeyClaim } from './command-context.ts';
import type { Environment } from './environment.ts';

/** Milliseconds that a key is remembered. */
export const keyLifetimeMs = 24 * 3_600_000;
/** A larger answer is not kept: its repeat tells what is there by then. */
const answerBytesMax = 60_000;
/** Status of a key whose command took effect and whose answer is not stored. */
const claimed = 0;

/** What is known of a key. */
export type KnownKey =
  | { readonly requestDigest: string; readonly kind: 'claimed' }
  | { readonly requestDigest: string; readonly kind: 'answered'; readonly answer: unknown };

/** Claim a key within the transaction of what its command does. */
export async function claimKey(
  transaction: Queries,
  claim: KeyClaim,
  createdAtMs: number,
): Promise<void> {
  const { name: key, requestDigest } = claim;
  const wrappedResponse = new Uint8Array();
  await transaction
    .insert(idempotencyKeys)
    .values({ key, requestDigest, status: claimed, wrappedResponse, createdAtMs })
    .onConflictDoNothing();
}

/** Forget keys whose time is over. */
export async function forgetKeys({ queries, clock }: Environment): Promise<void> {
  await queries
    .delete(idempotencyKeys)
    .where(lt(idempotencyKeys.createdAtMs, clock.wallTimeMs() - keyLifetimeMs));
}

/** Find a key that is not forgotten; those that are go. */
export async function findKey(environment: Environment, claim: KeyClaim): Promise<KnownKey | null> {
  const { queries, keys } = environment;
  await forgetKeys(environment);
  const rows = await queries
    .select()
    .from(idempotencyKeys)
    .where(eq(idempotencyKeys.key, claim.name));
  const [found] = rows;
  if (found === undefined) return null;
  const { requestDigest, status, wrappedResponse: wrapped } = found;
  if (status === claimed) return { requestDigest, kind: 'claimed' };
  const { wrappingKey } = keys;
  const purpose = purposeOf(claim);
  const answer: unknown = JSON.parse(fromUtf8(unwrapSecret({ wrapped, wrappingKey, purpose })));
  return { requestDigest, kind: 'answered', answer };
}

/** Remember the answer that a key's command got. */
export async function answerKey(
  environment: Environment,
  claim: KeyClaim,
  status: number,
  answer: unknown,
): Promise<void> {
  const { queries, clock, keys } = environment;
  const secret = utf8(JSON.stringify(answer));
  if (secret.length > answerBytesMax) return claimKey(queries, claim, clock.wallTimeMs());
  const { wrappingKey } = keys;
  const wrappedResponse = wrapSecret({ secret, wrappingKey, purpose: purposeOf(claim) });
  const { name: key, requestDigest } = claim;
  await queries
    .insert(idempotencyKeys)
    .values({ key, requestDigest, status, wrappedResponse, createdAtMs: clock.wallTimeMs() })
    .onConflictDoUpdate({ target: idempotencyKeys.key, set: { status, wrappedResponse } });
}

const purposeOf = ({ name }: KeyClaim): string => `idempotency/${name}`;
