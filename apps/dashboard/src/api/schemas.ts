/** What the page uses of the coordinator's answers; further fields may come without breaking it. */
import { z } from 'zod';

// The policy of the page forbids making code from text, so zod must not try to.
z.config({ jitless: true });

const timeMs = z.number();
const figure = z.number().nullable();

/** Where the next page of a list begins; null where it ends. */
export const nextCursor = z.string().nullable();

/** What a person may do. */
export const roleSchema = z.enum(['administrator', 'scientist', 'viewer', 'steward']);
/** What a person may do. */
export type Role = z.infer<typeof roleSchema>;

/** Who is signed in. */
export const sessionSchema = z.object({
  /** Null for the administrator's token. */
  user: z.string().nullable(),
  role: roleSchema,
  /** The site of a steward. */
  site: z.string().nullable(),
  /** What has to be set before anything else. */
  setup: z.enum(['password', 'second-factor']).nullable(),
  expiresAtMs: timeMs.nullable(),
});
/** Who is signed in. */
export type Session = z.infer<typeof sessionSchema>;

/** How the coordinator does. */
export const healthSchema = z.object({
  version: z.string(),
  federation: z.string(),
  coordinatorFingerprint: z.string(),
  databaseKind: z.string(),
  uptimeSeconds: z.number(),
  isDraining: z.boolean(),
  disk: z.object({ freeBytes: z.number(), reserveBytes: z.number(), isLow: z.boolean() }),
});
/** How the coordinator does. */
export type Health = z.infer<typeof healthSchema>;

/** One site. */
export const siteSchema = z.object({
  site: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  fingerprint: z.string().nullable(),
  invitedAtMs: timeMs,
  enrolledAtMs: timeMs.nullable(),
  approvedAtMs: timeMs.nullable(),
  lostRounds: z.number(),
  isConnected: z.boolean(),
  lastSeenAtMs: timeMs.nullable(),
  agentVersion: z.string().nullable(),
  capabilities: z
    .object({
      node: z.string(),
      engines: z.array(z.object({ name: z.string(), device: z.string() })),
      backbones: z.array(z.string()),
      memoryBytes: z.number(),
      cores: z.number(),
      approvedTasks: z.array(z.string()),
    })
    .nullable(),
  heartbeat: z
    .object({
      atMs: timeMs,
      phase: z.string(),
      task: z.string().nullable(),
      round: z.number().nullable(),
      progress: figure,
      load: z.number(),
    })
    .nullable(),
});
/** One site. */
export type Site = z.infer<typeof siteSchema>;

/** The sites, a page of them. */
export const sitesSchema = z.object({ sites: z.array(siteSchema), nextCursor });

/** One member of a round. */
export const memberSchema = z.object({
  site: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  samples: z.number().nullable(),
  updateDigest: z.string().nullable(),
  progress: figure,
  bytesReceived: z.number(),
  bytesTotal: z.number().nullable(),
  trainingLoss: figure,
});
/** One member of a round. */
export type Member = z.infer<typeof memberSchema>;

/** One attempt at a round. */
export const roundSchema = z.object({
  round: z.number(),
  attempt: z.number(),
  phase: z.string(),
  reason: z.string().nullable(),
  openedAtMs: timeMs,
  deadlineAtMs: timeMs,
  settledAtMs: timeMs.nullable(),
  quorumSites: z.number(),
  baseVersion: z.number(),
  summary: z.string(),
  aggregationGap: figure,
  members: z.array(memberSchema),
});
/** One attempt at a round. */
export type Round = z.infer<typeof roundSchema>;

/** The attempts of a task, newest first. */
export const roundsSchema = z.object({ rounds: z.array(roundSchema), nextCursor });

/** What is trained, by whom and under which rules; the whole of it is kept, to be shown. */
export const definitionSchema = z.looseObject({
  mode: z.string(),
  classes: z.array(z.string()),
  rank: z.number(),
  alpha: z.number(),
  trainedTensors: z.union([z.string(), z.array(z.string())]),
  backbone: z.looseObject({
    name: z.string(),
    fingerprint: z.string(),
    dimension: z.number(),
    blocks: z.number(),
    imageSize: z.number(),
  }),
  plan: z.looseObject({
    optimiser: z.looseObject({ name: z.string(), learningRate: z.number() }),
    duration: z.object({ unit: z.string(), count: z.number() }),
    batchSize: z.number(),
    loss: z.looseObject({ name: z.string() }),
    augmentation: z.looseObject({ name: z.string() }),
  }),
  aggregation: z.looseObject({ method: z.string(), weights: z.string() }),
  site: z.looseObject({}).optional(),
  rules: z.looseObject({
    quorumSites: z.number(),
    deadlineMs: z.number(),
    wait: z.string().optional(),
    samplesMinimum: z.number().optional(),
  }),
  localBaseline: z.boolean().optional(),
  crossEvaluation: z.boolean().optional(),
  promotion: z.looseObject({ metric: z.string() }).optional(),
  earlyStop: z.looseObject({}).optional(),
  members: z.array(z.string()),
});
/** What is trained, by whom and under which rules. */
export type Definition = z.infer<typeof definitionSchema>;

/** One task. */
export const taskSchema = z.object({
  task: z.string(),
  title: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  latestVersion: z.number(),
  promotedVersion: z.number().nullable(),
  nextBaseVersion: z.number(),
  revision: z.string(),
  rounds: z.number(),
  incompleteRounds: z.array(z.number()),
  schedule: z
    .object({ nextAtMs: timeMs.nullable(), sitesReady: z.number(), isDue: z.boolean() })
    .nullable(),
  createdAtMs: timeMs,
  definition: definitionSchema,
  openingRefusal: z.object({ code: z.string(), message: z.string() }).nullable(),
  currentRound: roundSchema.nullable(),
});
/** One task. */
export type Task = z.infer<typeof taskSchema>;
/** The tasks, a page of them. */
export const tasksSchema = z.object({ tasks: z.array(taskSchema), nextCursor });

/** Figures of one score report. */
export const summarySchema = z.object({
  count: z.number(),
  loss: figure,
  balancedAccuracy: figure,
  macroAuc: figure,
  macroAucErrorBound: figure,
});

const siteEvaluation = { site: z.string(), heldOutImages: z.number(), summary: summarySchema };

const absentSchema = z.object({
  site: z.string(),
  state: z.string().nullable(),
  reason: z.string(),
});

/** Figures of one version. */
export const evaluationSchema = z.object({
  version: z.number(),
  pooled: summarySchema.nullable(),
  pooledIntervals: z.object({ macroAuc: z.tuple([z.number(), z.number()]).nullable() }).nullable(),
  absent: z.array(absentSchema),
  decision: z.object({ promotion: z.string(), reason: z.string() }).nullable(),
  sites: z.array(z.object(siteEvaluation)),
  local: z.array(z.object({ ...siteEvaluation, round: z.number() })),
});
/** Figures of one version. */
export type Evaluation = z.infer<typeof evaluationSchema>;
/** Figures of every version. */
export const evaluationsSchema = z.object({
  evaluations: z.array(evaluationSchema),
  baselines: z.array(z.object(siteEvaluation)),
  localAdapters: z.array(
    z.object({
      owner: z.string(),
      state: z.string(),
      reason: z.string().nullable(),
      pooled: summarySchema.nullable(),
      absent: z.array(absentSchema),
      sites: z.array(z.object(siteEvaluation)),
    }),
  ),
});
/** Figures of every version. */
export type Evaluations = z.infer<typeof evaluationsSchema>;

/** One version of an adapter. */
export const versionSchema = z.object({
  version: z.number(),
  adapterDigest: z.string(),
  adapterBytes: z.number(),
  createdAtMs: timeMs,
  round: z.number().nullable(),
  attempt: z.number().nullable(),
  baseVersion: z.number().nullable(),
  isPromoted: z.boolean(),
  isLatest: z.boolean(),
  leftSites: z.array(z.string()),
});
/** One version of an adapter. */
export type Version = z.infer<typeof versionSchema>;

/** The versions of a task. */
export const versionsSchema = z.object({ versions: z.array(versionSchema), nextCursor });

/** Of a command only that it was done counts; what it led to is read anew. */
export const answerOfCommand = z.looseObject({});

/** A refusal: a problem of RFC 9457. */
export const refusalSchema = z.object({ code: z.string(), detail: z.string() });

/** What may have changed. */
export type ChangeTopic = 'sites' | 'tasks' | 'rounds' | 'versions' | 'evaluations' | 'webhooks';

/** What the socket says. */
export const changedSchema = z.object({ version: z.number(), topics: z.array(z.string()) });
