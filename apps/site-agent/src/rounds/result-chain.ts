/** The chain of results: each names the digest of the one before, so that a fork or a roll-back is seen here. */
import { envelopeDigest, signDomains, verifyPayload, type SignedEnvelope } from '#core/crypto';
import { ProtocolError, StateError } from '#core/errors';
import { decodePayload, roundResultSchema, type RoundResult } from '#core/protocol';
import type { KnownState } from './task-journal.ts';

/** A result whose signature holds. */
export interface VerifiedResult {
  readonly result: RoundResult;
  readonly digest: string;
}

/**
 * Verify a result's bytes as they came, then parse them.
 *
 * @throws AuthError SIGNATURE_INVALID, ProtocolError MESSAGE_INVALID
 */
export function verifyResult(
  envelope: SignedEnvelope,
  coordinatorPublicKey: Uint8Array,
  federation: string,
): VerifiedResult {
  const payload = verifyPayload(signDomains.roundResult, envelope, coordinatorPublicKey);
  const result = decodePayload(roundResultSchema, payload, 'round result');
  if (result.federation !== federation) {
    throw new ProtocolError(
      'MESSAGE_INVALID',
      'round result: expected one of this federation, it names another; report this to the administrator',
    );
  }
  return { result, digest: envelopeDigest(signDomains.roundResult, payload) };
}

/**
 * Take the next link of a task's chain; null where it is known already.
 *
 * @throws StateError VERSION_FORK where it does not continue what this site knows
 */
export function followChain(
  known: KnownState,
  { result, digest }: VerifiedResult,
): KnownState | null {
  if (result.version < known.version) return null;
  if (result.version === known.version && digest === known.resultDigest) return null;
  if (
    result.version !== known.version + 1 ||
    result.round !== result.version ||
    result.previousResultDigest !== known.resultDigest
  ) {
    throw new StateError(
      'VERSION_FORK',
      `${result.task}: expected version ${known.version + 1} after result ${known.resultDigest?.slice(0, 16) ?? '(none)'}, version ${result.version} after ${result.previousResultDigest?.slice(0, 16) ?? '(none)'} came; the coordinator was rolled back or forked: ask its administrator before anything else`,
      { task: result.task, known: known.version, version: result.version },
    );
  }
  return {
    version: result.version,
    resultDigest: digest,
    adapterDigest: result.adapterDigest,
    isFinal: result.isFinal,
  };
}
