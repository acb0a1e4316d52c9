/** The ways to aggregate that are measured, by name. */
import { aggregationPlanSchema, type AggregationPlan } from '#core/protocol';

const plan = (options: Parameters<typeof aggregationPlanSchema.parse>[0]): AggregationPlan =>
  aggregationPlanSchema.parse(options);

/** Every method, and FedAvg with each server step. */
export const measuredPlans: Readonly<Record<string, AggregationPlan>> = {
  fedavg: plan({}),
  alternating: plan({ method: 'alternating' }),
  ffa: plan({ method: 'ffa' }),
  ridge: plan({ method: 'ridge' }),
  median: plan({ method: 'median' }),
  'trimmed-mean': plan({ method: 'trimmed-mean' }),
  'norm-bound': plan({ method: 'norm-bound', normMax: 1 }),
  momentum: plan({ serverStep: { name: 'momentum' } }),
  adam: plan({ serverStep: { name: 'adam', learningRate: 0.01 } }),
};
