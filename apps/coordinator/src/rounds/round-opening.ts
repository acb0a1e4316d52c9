/** What opening an attempt signs: RoundOpen with a fresh key pair, from a task's definition and the version it starts from. */
import { toHex } from '#core/bytes';
import {
  envelopeDigest,
  eraseBytes,
  generateAgreementKeyPair,
  signDomains,
  signPayload,
  wrapSecret,
  type SignedEnvelope,
} from '#core/crypto';
import {
  encodePayload,
  planDigest,
  preprocessingDigest,
  protocolVersion,
  roundOpenSchema,
  type TaskDefinition,
} from '#core/protocol';
import type { CoordinatorKeys } from '../config/data-folder.ts';
import type { TaskShape } from '../tasks/task-store.ts';

/** What an attempt is opened with. */
export interface OpeningPlan {
  readonly federation: string;
  readonly keys: CoordinatorKeys;
  readonly definition: TaskDefinition;
  readonly shape: TaskShape;
  /** What this round trains and its sites send. */
  readonly trainedTensors: readonly string[];
  readonly round: number;
  readonly attempt: number;
  readonly rosterEpoch: number;
  /** Version that the round starts from, its digest, and how many rounds of the schedule lie behind it. */
  readonly baseVersion: number;
  readonly globalAdapterDigest: string;
  readonly scheduleOffset: number;
  readonly openedAtMs: number;
}

/** A signed opening and its key. */
export interface SignedOpening {
  readonly open: SignedEnvelope;
  readonly openDigest: string;
  readonly roundPublicKey: string;
  readonly wrappedSecretKey: Uint8Array;
  readonly openedAtMs: number;
  readonly deadlineAtMs: number;
}

/** What a round's secret key is wrapped for: it unwraps nowhere else. */
export const roundKeyPurpose = (roundPublicKey: string): string => `round-key/${roundPublicKey}`;

/**
 * Where a round of a task that was run again stands on the schedule: after the rounds of its own lineage. Rounds beyond
 * those of the definition repeat the end of the schedule, since behind its end nothing would be learned.
 */
export function offsetOfRerun(
  { plan, rounds }: TaskDefinition,
  { roundsBehind, roundsToGo }: { readonly roundsBehind: number; readonly roundsToGo: number },
): number {
  const { totalRounds } = plan.schedule;
  if (roundsBehind + roundsToGo <= Math.max(totalRounds, rounds)) return roundsBehind;
  return Math.min(roundsBehind, Math.max(0, totalRounds - roundsToGo));
}

/** Sign the opening of an attempt. */
export function signOpening(plan: OpeningPlan): SignedOpening {
  const { keys, definition, shape, openedAtMs } = plan;
  const pair = generateAgreementKeyPair();
  const roundPublicKey = toHex(pair.publicKey);
  const deadlineAtMs = openedAtMs + definition.rules.deadlineMs;
  const payload = encodePayload(roundOpenSchema, {
    type: 'round-open',
    protocol: protocolVersion,
    federation: plan.federation,
    task: definition.task,
    round: plan.round,
    attempt: plan.attempt,
    rosterEpoch: plan.rosterEpoch,
    members: [...definition.members].sort(),
    mode: definition.mode,
    backboneFingerprint: definition.backbone.fingerprint,
    globalVersion: plan.baseVersion,
    globalAdapterDigest: plan.globalAdapterDigest,
    layoutHash: shape.layout.hash,
    planDigest: planDigest(definition.plan),
    plan: definition.plan,
    trainedTensors: [...plan.trainedTensors],
    scheduleOffset: plan.scheduleOffset,
    classes: definition.classes,
    preprocessingDigest: preprocessingDigest(definition.preprocessing),
    preprocessing: definition.preprocessing,
    rank: definition.rank,
    alpha: definition.alpha,
    ...(definition.pooling === undefined ? {} : { pooling: definition.pooling }),
    publicSeed: definition.publicSeed,
    ...(definition.site === undefined ? {} : { site: definition.site }),
    roundPublicKey,
    openedAtMs,
    deadlineAtMs,
    clip: null,
    fixedPointBits: null,
    weightCap: null,
    threshold: null,
    leastSurvivors: null,
  });
  const wrappedSecretKey = wrapSecret({
    secret: pair.secretKey,
    wrappingKey: keys.wrappingKey,
    purpose: roundKeyPurpose(roundPublicKey),
  });
  eraseBytes(pair.secretKey);
  return {
    open: signPayload(signDomains.roundOpen, payload, keys.signing.secretKey),
    openDigest: envelopeDigest(signDomains.roundOpen, payload),
    roundPublicKey,
    wrappedSecretKey,
    openedAtMs,
    deadlineAtMs,
  };
}
