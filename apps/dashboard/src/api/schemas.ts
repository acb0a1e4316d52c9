/** What the page uses of the coordinator's answers; further fields may come without breaking it. */
import { z } from 'zod';

// The policy of the page forbids making code from text, so zod must not try to.
z.config({ jitless: true });

const timeMs = z.number();
const figure = z.number().nullable();

/** Who is signed in. */
export const sessionSchema = z.object({ role: z.string(), expiresAtMs: timeMs.nullable() });
/** Who is signed in. */
export type Session = z.infer<typeof sessionSchema>;

/** How the coordinator does. */
export const healthSchema = z.object({ version: z.string(), federation: z.string() });

/** One site. */
export const siteSchema = z.object({
  site: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  isConnected: z.boolean(),
  lastSeenAtMs: timeMs.nullable(),
  agentVersion: z.string().nullable(),
  capabilities: z
    .object({ engines: z.array(z.object({ name: z.string(), device: z.string() })) })
    .nullable(),
  heartbeat: z
    .object({
      atMs: timeMs,
      phase: z.string(),
      task: z.string().nullable(),
      round: z.number().nullable(),
      progress: figure,
    })
    .nullable(),
});
/** One site. */
export type Site = z.infer<typeof siteSchema>;
/** The sites. */
export const sitesSchema = z.object({ sites: z.array(siteSchema) });

/** One member of a round. */
export const memberSchema = z.object({
  site: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  samples: z.number().nullable(),
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
  members: z.array(memberSchema),
});
/** One attempt at a round. */
export type Round = z.infer<typeof roundSchema>;
/** The attempts of a task, newest first. */
export const roundsSchema = z.object({ rounds: z.array(roundSchema) });

/** One task. */
export const taskSchema = z.object({
  task: z.string(),
  title: z.string(),
  status: z.string(),
  reason: z.string().nullable(),
  latestVersion: z.number(),
  rounds: z.number(),
  definition: z.object({
    mode: z.string(),
    classes: z.array(z.string()),
    rank: z.number(),
    backbone: z.object({ name: z.string() }),
    members: z.array(z.string()),
  }),
  currentRound: roundSchema.nullable(),
});
/** One task. */
export type Task = z.infer<typeof taskSchema>;
/** The tasks. */
export const tasksSchema = z.object({ tasks: z.array(taskSchema) });

/** Figures of one score report. */
export const summarySchema = z.object({
  count: z.number(),
  loss: figure,
  balancedAccuracy: figure,
  macroAuc: figure,
  macroAucErrorBound: figure,
});

const siteEvaluation = { site: z.string(), heldOutImages: z.number(), summary: summarySchema };

/** Figures of one version. */
export const evaluationSchema = z.object({
  version: z.number(),
  pooled: summarySchema.nullable(),
  pooledIntervals: z.object({ macroAuc: z.tuple([z.number(), z.number()]).nullable() }).nullable(),
  absent: z.array(z.object({ site: z.string(), state: z.string().nullable(), reason: z.string() })),
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
});
/** One version of an adapter. */
export type Version = z.infer<typeof versionSchema>;
/** The versions of a task, oldest first. */
export const versionsSchema = z.object({ versions: z.array(versionSchema) });

/** A refusal. */
export const refusalSchema = z.object({ code: z.string(), message: z.string() });

/** What may have changed. */
export type ChangeTopic = 'sites' | 'tasks' | 'rounds' | 'versions' | 'evaluations';

/** What the socket says. */
export const changedSchema = z.object({ version: z.number(), topics: z.array(z.string()) });
