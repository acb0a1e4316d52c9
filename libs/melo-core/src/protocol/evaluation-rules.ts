/** What a task says of its evaluations beforehand: which version is promoted by rule, and when training ends for want of gain. */
import { z } from 'zod';
import { limits } from './limits.ts';

/** A pooled figure by which versions are compared; more is better. */
export const ruleMetricSchema = z.enum(['macroAuc', 'balancedAccuracy', 'accuracy']);
/** A pooled figure by which versions are compared. */
export type RuleMetric = z.infer<typeof ruleMetricSchema>;

const share = z.number().min(0).max(1);

/** When a version is promoted without a person: everything that is named must hold. */
export const promotionRuleSchema = z.strictObject({
  metric: ruleMetricSchema.default('macroAuc'),
  /** Least pooled figure; none where left out. */
  minimum: share.exactOptional(),
  /** How far the pooled figure may lie below that of the version promoted now, over the sites that reported both. */
  noWorseThanPromotedBy: share.default(0),
  /** How far each site's figure may lie below that of what it trained alone; needs `localBaseline`. Not asked where left out. */
  noSiteWorseThanLocalBy: share.exactOptional(),
  /** `refuse`: a planned site without a report has not passed. `ignore`: the figures of the others decide. */
  absentSites: z.enum(['refuse', 'ignore']).default('refuse'),
});
/** When a version is promoted without a person. */
export type PromotionRule = z.infer<typeof promotionRuleSchema>;

/** When a task ends before its last round: the best of the last versions is not better than the best before. */
export const earlyStopRuleSchema = z.strictObject({
  metric: ruleMetricSchema.default('macroAuc'),
  /** So many versions in a row without a gain. */
  patienceRounds: z.number().int().min(1).max(limits.roundsMax),
  /** A gain is so much or more. */
  minimumGain: z.number().min(1e-6).max(1).default(1e-3),
});
/** When a task ends before its last round. */
export type EarlyStopRule = z.infer<typeof earlyStopRuleSchema>;

/** Milliseconds after which the evaluations of a version count as complete, whoever is missing. */
export const evaluationDeadlineMsDefault = 24 * 3_600_000;
/** Milliseconds that sites have for an evaluation. */
export const evaluationDeadlineMsSchema = z
  .number()
  .int()
  .min(1000)
  .max(365 * 24 * 3_600_000);
