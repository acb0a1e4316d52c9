/** REST routes of evaluations: pooled figures of each version, and each site's own. */
import { z } from 'zod';
import { adapterVersionSchema, siteIdSchema } from '#core/protocol';
import { defineRoute, readRoles, taskParams, timeMs } from '../common/contract.ts';

const figure = z.number().nullable();

/** Figures of one score report: see `ScoreSummary` of the core. */
export const scoreSummarySchema = z.strictObject({
  count: z.number().int(),
  loss: figure,
  accuracy: figure,
  balancedAccuracy: figure,
  recall: z.array(figure),
  auc: z.array(figure),
  /** Bound on what binning may have cost each AUC. */
  aucErrorBound: z.array(figure),
  macroAuc: figure,
  macroAucErrorBound: figure,
  undefinedAucCount: z.number().int(),
});

/** What one site reported. */
export const siteEvaluationSchema = z.strictObject({
  site: siteIdSchema,
  heldOutImages: z.number().int(),
  receivedAtMs: timeMs,
  summary: scoreSummarySchema,
});

/** Figures of one version. */
export const versionEvaluationSchema = z.strictObject({
  version: adapterVersionSchema,
  /** Over the summed reports of all sites that evaluated the version; null where none did. */
  pooled: scoreSummarySchema.nullable(),
  /** Each site on its own held-out images. */
  sites: z.array(siteEvaluationSchema),
  /** Each site's own adapter after training in the round that began from this version. */
  local: z.array(z.strictObject({ ...siteEvaluationSchema.shape, round: z.number().int() })),
});
/** Figures of one version. */
export type VersionEvaluation = z.infer<typeof versionEvaluationSchema>;

/** REST routes of evaluations. */
export const evaluationRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/evaluations',
    summary: 'Show the figures of every version: pooled, by site, and of local adapters',
    roles: readRoles,
    params: taskParams,
    response: z.strictObject({
      classes: z.array(z.string()),
      evaluations: z.array(versionEvaluationSchema),
    }),
  }),
} as const;
