/** REST routes of evaluations: pooled figures of each version, and each site's own. */
import { z } from 'zod';
import {
  adapterVersionSchema,
  bootstrapSchema,
  comparisonSchema,
  digestSchema,
  evaluationStateSchema,
  siteIdSchema,
  type SiteId,
} from '#core/protocol';
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
  brier: z.array(figure),
  brierErrorBound: z.array(figure),
  /** Null where a report does not say, as those of agents of 0.1.0. */
  calibrationError: figure,
  calibrationErrorBound: figure,
  sensitivity: z.array(
    z.strictObject({
      specificity: z.number(),
      sensitivity: z.array(figure),
      errorBound: z.array(figure),
      threshold: z.array(figure),
    }),
  ),
});

/** What one site reported. */
export const siteEvaluationSchema = z.strictObject({
  site: siteIdSchema,
  heldOutImages: z.number().int(),
  receivedAtMs: timeMs,
  summary: scoreSummarySchema,
  /** Patients or groups behind the images; null where the report does not say. */
  heldOutGroups: z.number().int().nullable(),
  /** 95 % intervals that the site drew by patient; null where the report has none. */
  intervals: bootstrapSchema.nullable(),
  /** Macro AUC less that of what the site trained alone; null unless the site's policy lets it out. */
  comparison: comparisonSchema.nullable(),
});

const interval = z.tuple([z.number(), z.number()]).nullable();

/** 95 % intervals over the summed histograms: DeLong's variance times the design effect of images that share a patient. */
export const pooledIntervalsSchema = z.strictObject({
  auc: z.array(interval),
  macroAuc: interval,
});

/** A planned site that a figure is without. */
export const absentSiteSchema = z.strictObject({
  site: siteIdSchema,
  /** What became of the newest request for it; null where nobody asked beside the rounds. */
  state: evaluationStateSchema.nullable(),
  reason: z.string(),
});
/** A planned site that a figure is without. */
export type AbsentSite = z.infer<typeof absentSiteSchema>;

/** What a task's own rules said of a version. */
export const versionDecisionSchema = z.strictObject({
  promotion: z.enum(['promoted', 'refused', 'none']),
  /** Whether training ended for want of gain. */
  isStopped: z.boolean(),
  reason: z.string(),
  decidedAtMs: timeMs,
});

/** Figures of one version. */
export const versionEvaluationSchema = z.strictObject({
  version: adapterVersionSchema,
  /** Over the summed reports of all sites that evaluated the version; null where none did. */
  pooled: scoreSummarySchema.nullable(),
  /** Null where none can be computed, as with reports that do not say how many patients they are of. */
  pooledIntervals: pooledIntervalsSchema.nullable(),
  /** What the task's own rules said of the version; null before they did, or without rules. */
  decision: versionDecisionSchema.nullable(),
  /** Planned sites without a report, with the reason: the pooled figures are without them. */
  absent: z.array(absentSiteSchema),
  /** Each site on its own held-out images; the least macro AUC first, an undefined one last. */
  sites: z.array(siteEvaluationSchema),
  /** Each site's own adapter after training in the round that began from this version. */
  local: z.array(z.strictObject({ ...siteEvaluationSchema.shape, round: z.number().int() })),
});
/** Figures of one version. */
export type VersionEvaluation = z.infer<typeof versionEvaluationSchema>;

/** The figures of one report that are followed from version to version, to six decimals. */
export const briefSummarySchema = scoreSummarySchema.pick({
  ...{ count: true, loss: true, balancedAccuracy: true },
  ...{ macroAuc: true, macroAucErrorBound: true },
});
/** The figures of one report that are followed from version to version. */
export type BriefSummary = z.infer<typeof briefSummarySchema>;

/** What one site reported, in brief. */
export const briefSiteSchema = z.strictObject({
  ...siteEvaluationSchema.pick({ site: true, heldOutImages: true }).shape,
  summary: briefSummarySchema,
});

/** Figures of one version in brief: the same fields as in full, fewer of them. */
export const briefEvaluationSchema = z.strictObject({
  ...versionEvaluationSchema.pick({ version: true, decision: true, absent: true }).shape,
  pooled: briefSummarySchema.nullable(),
  pooledIntervals: pooledIntervalsSchema.pick({ macroAuc: true }).nullable(),
  sites: z.array(briefSiteSchema),
  local: z.array(z.strictObject({ ...briefSiteSchema.shape, round: z.number().int() })),
});
/** Figures of one version in brief. */
export type BriefEvaluation = z.infer<typeof briefEvaluationSchema>;

/** The adapter that one site trained alone, on every site's held-out images. */
export const localAdapterEvaluationSchema = z.strictObject({
  /** The site that trained it. */
  owner: siteIdSchema,
  /** Whether the owner let it out: `done` where the coordinator has had it, else why not. */
  state: evaluationStateSchema,
  reason: z.string().nullable(),
  adapterDigest: digestSchema.nullable(),
  /** Whether the coordinator still holds it: it goes with the retention of uploads. */
  isKept: z.boolean(),
  pooled: scoreSummarySchema.nullable(),
  pooledIntervals: pooledIntervalsSchema.nullable(),
  /** Planned sites without a report, with the reason. */
  absent: z.array(absentSiteSchema),
  /** The least macro AUC first, an undefined one last. */
  sites: z.array(siteEvaluationSchema),
});
/** The adapter that one site trained alone, on every site's held-out images. */
export type LocalAdapterEvaluation = z.infer<typeof localAdapterEvaluationSchema>;

/** The adapter that one site trained alone, in brief. */
export const briefLocalAdapterSchema = z.strictObject({
  ...localAdapterEvaluationSchema.pick({ owner: true, state: true, reason: true, absent: true })
    .shape,
  pooled: briefSummarySchema.nullable(),
  sites: z.array(briefSiteSchema),
});

/** Adapters as the steward of a site sees them: the one of that site, on its own images. */
function ownAdapters<
  Adapter extends Pick<LocalAdapterEvaluation, 'owner' | 'absent'> & {
    readonly sites: { readonly site: SiteId }[];
  },
>(adapters: readonly Adapter[], site: SiteId): Adapter[] {
  return adapters
    .filter(({ owner }) => owner === site)
    .map((adapter) => ({
      ...adapter,
      absent: adapter.absent.filter((each) => each.site === site),
      sites: adapter.sites.filter((each) => each.site === site),
    }));
}

/** Figures of one version as the steward of a site sees them: the pooled ones and its own, no word of another site. */
function ownFigures<Evaluation extends VersionEvaluation | BriefEvaluation>(
  evaluation: Evaluation,
  site: SiteId,
): Evaluation {
  const isOwn = (each: { readonly site: SiteId }): boolean => each.site === site;
  const { decision, absent, sites, local } = evaluation;
  return {
    ...evaluation,
    decision: decision === null ? null : { ...decision, reason: '' },
    absent: absent.filter(isOwn),
    sites: sites.filter(isOwn),
    local: local.filter(isOwn),
  };
}

/** REST routes of evaluations. */
export const evaluationRoutes = {
  list: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/evaluations',
    summary:
      'Show the figures of every version: pooled, by site, of local adapters, and of these across sites',
    roles: readRoles,
    params: taskParams,
    response: z.strictObject({
      classes: z.array(z.string()),
      evaluations: z.array(versionEvaluationSchema),
      /** What each site trained alone, where the task asks for it. */
      baselines: z.array(siteEvaluationSchema),
      /** Those adapters across the sites, by the site that trained them; empty unless the task asks for it. */
      localAdapters: z.array(localAdapterEvaluationSchema),
    }),
    forSteward: ({ classes, evaluations, baselines, localAdapters }, site) => ({
      classes,
      evaluations: evaluations.map((evaluation) => ownFigures(evaluation, site)),
      baselines: baselines.filter((each) => each.site === site),
      localAdapters: ownAdapters(localAdapters, site),
    }),
  }),
  brief: defineRoute({
    method: 'GET',
    path: '/v1/tasks/:task/evaluations/brief',
    summary: 'Show loss and AUC of every version in brief, for charts: pooled, by site, local',
    roles: readRoles,
    params: taskParams,
    response: z.strictObject({
      evaluations: z.array(briefEvaluationSchema),
      /** What each site trained alone, where the task asks for it. */
      baselines: z.array(briefSiteSchema),
      /** The adapters that sites trained alone, on every site's images, where the task asks for it. */
      localAdapters: z.array(briefLocalAdapterSchema),
    }),
    forSteward: ({ evaluations, baselines, localAdapters }, site) => ({
      evaluations: evaluations.map((evaluation) => ownFigures(evaluation, site)),
      baselines: baselines.filter((each) => each.site === site),
      localAdapters: ownAdapters(localAdapters, site),
    }),
  }),
} as const;
