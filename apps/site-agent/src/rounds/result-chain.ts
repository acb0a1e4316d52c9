/** The chain of results: each names the digest of the one before, so that a fork or a roll-back is seen here. */
import { envelopeDigest, signDomains, verifyPayload, type SignedEnvelope } from '#core/crypto';
import { ProtocolError, StateError } from '#core/errors';
import { decodePayload, roundResultSchema, type RoundResult } from '#core/protocol';
import { nothingKnown, remembersAll, type KnownState } from './task-journal.ts';

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
    (result.baseVersion ?? 0) > known.version ||
    result.previousResultDigest !== known.resultDigest
  ) {
    throw new StateError(
      'VERSION_FORK',
      `${result.task}: expected version ${known.version + 1} after result ${known.resultDigest?.slice(0, 16) ?? '(none)'}, version ${result.version} after ${result.previousResultDigest?.slice(0, 16) ?? '(none)'} came; the coordinator was rolled back or forked: ask its administrator before anything else`,
      { task: result.task, known: known.version, version: result.version },
    );
  }
  const { version, adapterDigest, isFinal } = result;
  const before =
    known.adapterDigests.length === 0 && known.version === 0 ? [null] : known.adapterDigests;
  // With a gap before it, a digest would stand at the wrong number: then the chain is pulled again first.
  const adapterDigests = remembersAll(known) ? [...before, adapterDigest] : [];
  return { version, resultDigest: digest, adapterDigest, adapterDigests, isFinal };
}

/**
 * Chains that are pulled again from version 0, because the journal of an older release remembers the newest digest alone.
 *
 * What comes must lead to the very result that the journal remembers.
 */
export class ChainReplays {
  readonly #replays = new Map<string, KnownState>();
  /** Tasks whose chain led elsewhere: pulled no more by this process, their rounds from older versions are declined. */
  readonly #unmatched = new Set<string>();

  /** Whether a task's chain is to be pulled again. */
  isDue(task: string, known: KnownState): boolean {
    return !remembersAll(known) && !this.#unmatched.has(task);
  }

  /** The version after which results are asked for. */
  versionToAsk(task: string, known: KnownState): number {
    if (!this.isDue(task, known)) return known.version;
    return this.#replays.get(task)?.version ?? 0;
  }

  /**
   * Take the next result of a chain that is pulled again.
   *
   * @returns whether it was new to the replay, and what is known with every digest once the chain is whole
   * @throws StateError VERSION_FORK where it leads to another result than the one remembered
   */
  take(
    known: KnownState,
    verified: VerifiedResult,
  ): { readonly isNew: boolean; readonly whole: KnownState | null } {
    const { task } = verified.result;
    const next = followChain(this.#replays.get(task) ?? nothingKnown, verified);
    if (next === null) return { isNew: false, whole: null };
    this.#replays.set(task, next);
    if (next.version < known.version) return { isNew: true, whole: null };
    this.#replays.delete(task);
    if (next.resultDigest === known.resultDigest) {
      return { isNew: true, whole: { ...known, adapterDigests: next.adapterDigests } };
    }
    this.#unmatched.add(task);
    throw new StateError(
      'VERSION_FORK',
      `${task}: expected the chain to lead to result ${known.resultDigest?.slice(0, 16) ?? '(none)'} at version ${known.version}, it leads to ${next.resultDigest?.slice(0, 16) ?? '(none)'}; the coordinator was rolled back or forked: ask its administrator before anything else`,
      { task, known: known.version },
    );
  }
}
