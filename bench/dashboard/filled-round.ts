/** One attempt at a round as a real one leaves it: its events by the reducer, signed records, uploads with their manifests. */
import { toHex } from '#core/bytes';
import { randomBytes, signDomains, signPayload, type SignedEnvelope } from '#core/crypto';
import {
  encodePayload,
  manifestSchema,
  membershipRecordSchema,
  plannedRound,
  protocolVersion,
  reduceRound,
  type RoundEvent,
  type RoundState,
  type SiteId,
  type TaskDefinition,
} from '#core/protocol';
import type { SeededRng } from '#core/rng';
import {
  roundEvents,
  rounds,
  uploadRanges,
  uploads,
} from '../../apps/coordinator/src/config/schema.ts';
import { signOpening } from '../../apps/coordinator/src/rounds/round-opening.ts';
import { membershipEntries } from '../../apps/coordinator/src/rounds/round-transitions.service.ts';
import type { TaskShape } from '../../apps/coordinator/src/tasks/task-store.ts';
import type { World } from './world.ts';

/** Milliseconds between two events of a round. */
const stepMs = 4000;
const updateBytes = 48_000;
const declineReason = 'the data steward has not approved this task yet';
const abandonReason = 'the administrator asked: the images are prepared anew';

/** What becomes of an attempt; `open` is one that sites train in now. */
export type Outcome = 'published' | 'abandoned' | 'open';

/** What an attempt is made from. */
export interface RoundPlan {
  readonly definition: TaskDefinition;
  readonly shape: TaskShape;
  readonly id: number;
  readonly round: number;
  readonly attempt: number;
  readonly outcome: Outcome;
  /** A member that declines; null where none does. */
  readonly declining: SiteId | null;
  readonly globalAdapterDigest: string;
  readonly openedAtMs: number;
  readonly rng: SeededRng;
}

/** What later rows refer to. */
export interface FilledRound {
  readonly state: RoundState;
  readonly openDigest: string;
  readonly settledAtMs: number;
  /** Members in the aggregate. */
  readonly reported: readonly SiteId[];
}

/** The events of a member that takes part, up to where it is when nobody waits for it any longer. */
function eventsOf(site: SiteId, outcome: Outcome, rng: SeededRng): RoundEvent[] {
  const samples = 80 + (rng.nextUint32() % 400);
  const begun: RoundEvent[] = [
    { type: 'accepted', site, samples },
    { type: 'training-started', site },
  ];
  if (outcome !== 'published') return begun;
  const updateDigest = toHex(randomBytes(32));
  const reported = { type: 'reported', site, updateDigest, samples } as const;
  return [...begun, { type: 'upload-begun', site, updateDigest }, reported];
}

function wantedEvents(plan: RoundPlan, deadlineAtMs: number): RoundEvent[] {
  const { definition, outcome, declining, rng } = plan;
  const members = definition.members.flatMap((site): RoundEvent[] =>
    site === declining
      ? [{ type: 'declined', site, reason: declineReason }]
      : eventsOf(site, outcome, rng),
  );
  const end: Readonly<Record<Outcome, readonly RoundEvent[]>> = {
    published: [{ type: 'aggregated' }],
    abandoned: [{ type: 'abandoned', reason: abandonReason }],
    open: [],
  };
  return [{ type: 'opened', deadlineAtMs }, ...members, ...end[outcome]];
}

function stateAfter({ definition }: RoundPlan, events: readonly RoundEvent[]): RoundState {
  let state = plannedRound({ members: definition.members, ...definition.rules });
  for (const event of events) {
    const transition = reduceRound(state, event);
    if (transition.kind !== 'changed') throw new Error(`fill: ${event.type} changed nothing`);
    state = transition.state;
  }
  return state;
}

function signMembership(world: World, plan: RoundPlan, state: RoundState): SignedEnvelope | null {
  const { definition, round, attempt, outcome } = plan;
  if (outcome === 'open') return null;
  const payload = encodePayload(membershipRecordSchema, {
    type: 'membership',
    protocol: protocolVersion,
    federation: world.federation,
    task: definition.task,
    round,
    attempt,
    outcome,
    reason: state.reason,
    isComplete:
      outcome === 'published' && state.members.every((each) => each.status === 'reported'),
    members: membershipEntries(state, definition, outcome),
  });
  return signPayload(signDomains.membership, payload, world.keys.signing.secretKey);
}

/** The upload of one member, whose file is erased: its round's retention has ended. */
function addUpload(
  world: World,
  plan: RoundPlan,
  openDigest: string,
  { site, updateDigest, samples }: RoundState['members'][number],
  atMs: number,
): void {
  if (updateDigest === null || samples === null) return;
  const { definition, shape, round, attempt, rng } = plan;
  const trainingLoss = Math.round((0.2 + 0.6 / round + 0.05 * rng.nextFloat()) * 1e6) / 1e6;
  const payload = encodePayload(manifestSchema, {
    type: 'manifest',
    ...{ protocol: protocolVersion, federation: world.federation, task: definition.task },
    ...{ round, attempt, site, roundOpenDigest: openDigest, layoutHash: shape.layout.hash },
    ephemeralPublicKey: toHex(randomBytes(32)),
    ...{ ciphertextDigest: updateDigest, ciphertextBytes: updateBytes },
    ...{ samples, steps: 12, trainingLoss },
  });
  const manifest = signPayload(signDomains.manifest, payload, world.secretKeyOf(site));
  world.rows.add(uploads, {
    ...{
      uploadId: updateDigest,
      roundId: plan.id,
      site,
      bytes: updateBytes,
      samples,
      trainingLoss,
    },
    ...{ manifestPayload: manifest.payload, manifestSignature: manifest.signature },
    ...{ status: 'committed', createdAtMs: atMs },
  });
  const digest = toHex(randomBytes(32));
  world.rows.add(uploadRanges, { uploadId: updateDigest, index: 0, digest, bytes: updateBytes });
}

/** What the aggregate told of its sites. */
function figuresOf(reported: readonly SiteId[], rng: SeededRng) {
  const sites = reported.map((site) => ({
    site,
    updateNorm: 0.5 + 0.2 * rng.nextFloat(),
    cosine: 0.6 + 0.3 * rng.nextFloat(),
    drift: 0.3 + 0.1 * rng.nextFloat(),
  }));
  return { aggregationGap: 0.05 * rng.nextFloat(), changeNorm: 0.45, sites };
}

/** Make one attempt with all that belongs to it but its version. */
export function fillRound(world: World, plan: RoundPlan): FilledRound {
  const { definition, shape, id, round, attempt, outcome, openedAtMs } = plan;
  const opening = signOpening({
    ...{ federation: world.federation, keys: world.keys, definition, shape },
    ...{ trainedTensors: shape.trainedTensors, round, attempt, rosterEpoch: 1 },
    ...{ baseVersion: round - 1, globalAdapterDigest: plan.globalAdapterDigest },
    ...{ scheduleOffset: round - 1, openedAtMs },
  });
  const events = wantedEvents(plan, opening.deadlineAtMs);
  const state = stateAfter(plan, events);
  const atMs = (at: number): number => openedAtMs + at * stepMs;
  const settledAtMs = atMs(events.length - 1);
  const membership = signMembership(world, plan, state);
  const reported = state.members
    .filter(({ status }) => status === 'reported')
    .map(({ site }) => site);
  world.rows.add(rounds, {
    ...{ id, task: definition.task, round, attempt, baseVersion: round - 1, state },
    ...{ phase: state.phase, openPayload: opening.open.payload },
    ...{ openSignature: opening.open.signature, openDigest: opening.openDigest },
    roundPublicKey: opening.roundPublicKey,
    wrappedSecretKey: membership === null ? opening.wrappedSecretKey : null,
    ...{ openedAtMs, deadlineAtMs: opening.deadlineAtMs },
    settledAtMs: membership === null ? null : settledAtMs,
    membershipPayload: membership?.payload ?? null,
    membershipSignature: membership?.signature ?? null,
    figures: outcome === 'published' ? figuresOf(reported, plan.rng) : null,
  });
  world.rows.add(
    roundEvents,
    ...events.map((event, at) => ({ roundId: id, sequence: at + 1, event, atMs: atMs(at) })),
  );
  for (const member of state.members)
    addUpload(world, plan, opening.openDigest, member, settledAtMs - stepMs);
  const target = `task:${definition.task}`;
  world.audit('round.opened', target, openedAtMs, {
    ...{ round, attempt, baseVersion: round - 1, openDigest: opening.openDigest },
  });
  if (outcome !== 'open')
    world.audit(`round.${outcome}`, target, settledAtMs, { round, attempt, reason: state.reason });
  return { state, openDigest: opening.openDigest, settledAtMs, reported };
}
