/** State, events and effects of one round: data only, so that it can be stored, replayed and simulated. */
import { z } from 'zod';
import { limits } from './limits.ts';
import { digestSchema, siteIdSchema, wallTimeMsSchema } from './names.ts';
import { memberStatusSchema } from './signed-payloads.ts';
import { roundWaitSchema } from './task.ts';

/** Phases of a round in clear mode; blind tasks will add sharing, masked, consistency and unmasking. */
export const roundPhaseSchema = z.enum([
  'planned',
  'inviting',
  'training',
  'aggregating',
  'published',
  'abandoned',
]);
/** Phase of a round. */
export type RoundPhase = z.infer<typeof roundPhaseSchema>;

const reasonSchema = z.string().min(1).max(500);
const samplesSchema = z.number().int().min(1).max(limits.samplesMax);

/** One member within the state of a round. */
export const memberStateSchema = z.strictObject({
  site: siteIdSchema,
  status: memberStatusSchema,
  /** Why it is not in the aggregate; of one that is still invited, what holds it back. */
  reason: reasonSchema.nullable(),
  /** Training images the site declared when it accepted; null before. */
  samples: samplesSchema.nullable(),
  /** Digest of the update the site began to upload; null before. */
  updateDigest: digestSchema.nullable(),
});
/** One member within the state of a round. */
export type MemberState = z.infer<typeof memberStateSchema>;

/** The state of one attempt at a round. */
export const roundStateSchema = z.strictObject({
  version: z.literal(1),
  phase: roundPhaseSchema,
  /** Why the round was abandoned; null otherwise. */
  reason: reasonSchema.nullable(),
  quorumSites: z.number().int().min(1).max(limits.membersMax),
  quorumSampleShare: z.number().min(0).max(1),
  deadlineAtMs: wallTimeMsSchema.nullable(),
  /** For whom it waits once its quorum is met; `all` where left out, as in states of the first release. */
  wait: roundWaitSchema.exactOptional(),
  /** Set where it went on with its quorum before its deadline: who was not in then is lost without fault. */
  isClosedByQuorum: z.literal(true).exactOptional(),
  /** In ascending order of the site's name. */
  members: z.array(memberStateSchema).min(1).max(limits.membersMax),
});
/** The state of one attempt at a round. */
export type RoundState = z.infer<typeof roundStateSchema>;

/** Everything that can happen to a round. */
export const roundEventSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('opened'), deadlineAtMs: wallTimeMsSchema }),
  z.strictObject({ type: z.literal('accepted'), site: siteIdSchema, samples: samplesSchema }),
  z.strictObject({ type: z.literal('declined'), site: siteIdSchema, reason: reasonSchema }),
  /** The site would take part and may not yet, for a reason that it can mend while the round is open. */
  z.strictObject({ type: z.literal('held-back'), site: siteIdSchema, reason: reasonSchema }),
  z.strictObject({ type: z.literal('training-started'), site: siteIdSchema }),
  z.strictObject({
    type: z.literal('upload-begun'),
    site: siteIdSchema,
    updateDigest: digestSchema,
  }),
  z.strictObject({
    type: z.literal('reported'),
    site: siteIdSchema,
    updateDigest: digestSchema,
    samples: samplesSchema,
  }),
  z.strictObject({ type: z.literal('rejected'), site: siteIdSchema, reason: reasonSchema }),
  z.strictObject({ type: z.literal('withdrawn'), site: siteIdSchema, reason: reasonSchema }),
  z.strictObject({ type: z.literal('deadline-passed') }),
  z.strictObject({ type: z.literal('aggregated') }),
  z.strictObject({ type: z.literal('abandoned'), reason: reasonSchema }),
]);
/** Everything that can happen to a round. */
export type RoundEvent = z.infer<typeof roundEventSchema>;
/** Name of an event. */
export type RoundEventType = RoundEvent['type'];

/** What the coordinator does after a transition is stored; each can be repeated without harm. */
export type RoundEffect =
  | { readonly type: 'announce' }
  | { readonly type: 'schedule-deadline'; readonly deadlineAtMs: number }
  | { readonly type: 'aggregate' }
  | { readonly type: 'settle'; readonly outcome: 'published' | 'abandoned' };
