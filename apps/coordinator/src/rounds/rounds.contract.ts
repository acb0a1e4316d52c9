/** REST routes of rounds: what became of each attempt and of every member. */
import { z } from 'zod';
import {
  adapterVersionSchema,
  attemptSchema,
  digestSchema,
  memberStatusSchema,
  roundEventSchema,
  roundNumberSchema,
  roundPhaseSchema,
  siteIdSchema,
  taskIdSchema,
  type SiteId,
} from '#core/protocol';
import {
  commandRoles,
  defineRoute,
  envelopeView,
  pathNumber,
  readRoles,
  reasonBody,
  taskParams,
  timeMs,
} from '../common/contract.ts';
import { keyCount, nextCursor, pageQuery } from '../common/pages.contract.ts';

/** One member of an attempt as people see it. */
export const memberViewSchema = z.strictObject({
  site: siteIdSchema,
  status: memberStatusSchema,
  reason: z.string().nullable(),
  samples: z.number().int().nullable(),
  updateDigest: digestSchema.nullable(),
  /** Share of the present phase done, as the site's last heartbeat says; null otherwise. */
  progress: z.number().nullable(),
  /** Bytes of the update stored so far. */
  bytesReceived: z.number().int(),
  /** Bytes of the whole update; null before its upload began. */
  bytesTotal: z.number().int().nullable(),
  /** Mean training loss that the signed manifest states; null before. */
  trainingLoss: z.number().nullable(),
});

const figure = z.number().nullable();

/** What an aggregate told of its sites, as it is stored and shown; null where a figure is not defined. */
export const roundFiguresSchema = z.strictObject({
  /** |sum p_k B_k A_k - B A| / |sum p_k B_k A_k|, before a server step. */
  aggregationGap: figure,
  /** Length of the combined change. */
  changeNorm: z.number(),
  sites: z.array(
    z.strictObject({
      site: z.string(),
      /** Length of the site's update, cosine of its angle to the combined change, and its distance from it. */
      updateNorm: z.number(),
      cosine: figure,
      drift: z.number(),
    }),
  ),
});

/** One site of an aggregate beside the others. */
export const siteFiguresViewSchema = z.strictObject({
  ...roundFiguresSchema.shape.sites.element.shape,
  /** Mean training loss, as its signed manifest states it. */
  trainingLoss: figure,
  /** Mean loss on its own held-out images under the version it started from, and under its adapter after training; signed reports. */
  lossBefore: figure,
  lossAfter: figure,
  /** Figures that are unlike those of the other sites (docs/aggregation.md); the site is in the aggregate all the same. */
  outlier: z.array(
    z.strictObject({
      figure: z.enum(['updateNorm', 'cosine', 'drift', 'lossChange']),
      value: z.number(),
      median: z.number(),
      score: z.number(),
    }),
  ),
});

/** What an aggregate told of its sites, as people see it. */
export const roundFiguresViewSchema = z.strictObject({
  ...roundFiguresSchema.shape,
  sites: z.array(siteFiguresViewSchema),
});

/** One attempt at a round as people see it. */
export const roundViewSchema = z.strictObject({
  task: taskIdSchema,
  round: roundNumberSchema,
  attempt: attemptSchema,
  /** Version that the attempt starts from. */
  baseVersion: adapterVersionSchema,
  phase: roundPhaseSchema,
  reason: z.string().nullable(),
  openedAtMs: timeMs,
  deadlineAtMs: timeMs,
  settledAtMs: timeMs.nullable(),
  quorumSites: z.number().int(),
  /** What became of it in one sentence, with every planned site that is not in it and why. */
  summary: z.string(),
  /** See `figures` of one round; null before the aggregate, and where it is not defined. */
  aggregationGap: figure,
  members: z.array(memberViewSchema),
});
/** One attempt at a round as people see it. */
export type RoundView = z.infer<typeof roundViewSchema>;

/** An attempt as the steward of a site sees it: no word of another site. */
export function ownRound(view: RoundView, site: SiteId): RoundView {
  const members = view.members.filter((member) => member.site === site);
  const own = members.map(({ status }) => `${site} ${status}`).join('') || `without ${site}`;
  const summary = `round ${view.round}, attempt ${view.attempt}: ${view.phase}; ${own}`;
  return { ...view, reason: null, summary, members };
}

/** One attempt with its signed records and its events. */
export const roundDetailSchema = z.strictObject({
  ...roundViewSchema.shape,
  /** RoundOpen as it was signed. */
  open: envelopeView,
  openDigest: digestSchema,
  /** The signed membership record; null until the round settles. */
  membership: envelopeView.nullable(),
  /** Null before the aggregate, and of rounds of before it was recorded. */
  figures: roundFiguresViewSchema.nullable(),
  events: z.array(
    z.strictObject({ sequence: z.number().int(), atMs: timeMs, event: roundEventSchema }),
  ),
});

/** What checking a published round found. */
export const verificationViewSchema = z.strictObject({
  task: taskIdSchema,
  round: roundNumberSchema,
  attempt: attemptSchema,
  /** `chain`: uploads and the round's key were erased when their retention ended; the chain alone was checked. */
  scope: z.enum(['recomputed', 'chain']),
  isGood: z.boolean(),
  checks: z.array(
    z.strictObject({
      name: z.enum(['chain', 'file', 'recomputation']),
      isGood: z.boolean(),
      detail: z.string(),
    }),
  ),
  /** Digest of the version as the result signs it; null where the chain does not hold. */
  signedDigest: digestSchema.nullable(),
  /** Digest of what the stored updates give; null where they do not give it or are not there. */
  recomputedDigest: digestSchema.nullable(),
});
/** What checking a published round found. */
export type VerificationView = z.infer<typeof verificationViewSchema>;

/** Path parameters of a round. */
export const roundParams = z.strictObject({
  ...taskParams.shape,
  round: pathNumber(1, 10_000, 'Number of a round.'),
});

const roundsQuery = z.strictObject({
  ...pageQuery(z.tuple([keyCount, keyCount]), { byDefault: 50, max: 200 }),
  round: pathNumber(1, 10_000, 'Attempts at this round alone.').optional(),
});
/** Which attempts are listed. */
export type RoundsQuery = z.output<typeof roundsQuery>;

/** REST routes of rounds. */
export const roundRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/rounds',
    summary: 'List every attempt at the rounds of a task, newest first',
    roles: readRoles,
    params: taskParams,
    query: roundsQuery,
    response: z.strictObject({ rounds: z.array(roundViewSchema), nextCursor }),
    forSteward: ({ rounds, ...page }, site) => ({
      ...page,
      rounds: rounds.map((round) => ownRound(round, site)),
    }),
  }),
  get: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/rounds/:round',
    summary: 'Show the last attempt at a round, or the one asked for',
    roles: readRoles,
    params: roundParams,
    query: z.strictObject({
      attempt: pathNumber(1, 1000, 'Which attempt; the last one where left out.').optional(),
    }),
    response: roundDetailSchema,
    refusals: ['ROUND_NOT_FOUND'],
  }),
  verify: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/rounds/:round/verification',
    summary: 'Recompute the version of a round from what is stored, or check its signed chain',
    roles: readRoles,
    params: roundParams,
    response: verificationViewSchema,
    refusals: ['ROUND_NOT_FOUND', 'STATE_CONFLICT'],
  }),
  abandon: defineRoute({
    method: 'POST',
    path: '/v1/tasks/:task/rounds/:round/abandon',
    summary: 'Abandon the open attempt at a round',
    roles: commandRoles,
    scope: 'tasks',
    params: roundParams,
    body: z.strictObject({ ...reasonBody.shape, ifAttempt: attemptSchema.exactOptional() }),
    response: roundViewSchema,
    refusals: ['ROUND_NOT_FOUND'],
  }),
} as const;
