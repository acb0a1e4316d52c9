/** How updates become the next version, as data with bounded ranges. What came after the first release may be left out and is then off. */
import { z } from 'zod';

/** Rules that turn the updates of a round into one change: see docs/aggregation.md. */
export const aggregationMethodNames = [
  'fedavg',
  'alternating',
  'ffa',
  'ridge',
  'median',
  'trimmed-mean',
  'norm-bound',
] as const;
/** Name of a rule. */
export type AggregationMethodName = (typeof aggregationMethodNames)[number];

/** What the coordinator makes of the change before it is added to the global adapter; state per tensor. */
export const serverStepSchema = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('momentum'),
    /** Factor of the step that is taken. */
    learningRate: z.number().positive().max(10).default(1),
    /** b, the share of the last rounds' direction that is kept. */
    momentum: z.number().min(0).max(0.999).default(0.9),
    /** What the new change is reduced by, 1 - damping; as `momentum` where left out, so that steps do not add up to longer ones. */
    damping: z.number().min(0).max(0.999).exactOptional(),
  }),
  z.strictObject({
    name: z.literal('adam'),
    /** eta: about how far every number moves in a round. */
    learningRate: z.number().positive().max(10),
    beta1: z.number().min(0).max(0.9999).default(0.9),
    beta2: z.number().min(0).max(0.999999).default(0.99),
    /** tau, added to the root of the second moment. */
    epsilon: z.number().min(1e-12).max(1).default(1e-3),
    /** Whether the first rounds' rate is corrected, as Flower does it; the paper does not. */
    biasCorrection: z.boolean().default(true),
  }),
]);
/** What the coordinator makes of the change. */
export type ServerStepPlan = z.infer<typeof serverStepSchema>;

/** How the updates of a round become the next version. */
export const aggregationPlanSchema = z
  .strictObject({
    method: z.enum(aggregationMethodNames).default('fedavg'),
    /** What an update counts by: the site's training images, or every site alike. `median` and `trimmed-mean` count sites. */
    weights: z.enum(['samples', 'equal']).default('samples'),
    /** Of `ridge`: weight of staying at the mean of B, as a share of the mean square of a row of A; 0.01 where left out. */
    ridge: z.number().min(1e-6).max(1000).exactOptional(),
    /** Of `trimmed-mean`: share of the sites that is left out at either end of every number; 0.1 where left out. */
    trimShare: z.number().min(0).max(0.49).exactOptional(),
    /** Of `norm-bound`: greatest length of an update; longer ones are scaled down to it. */
    normMax: z.number().positive().max(10_000).exactOptional(),
    serverStep: serverStepSchema.exactOptional(),
  })
  .superRefine((plan, context) => {
    const owners = { ridge: 'ridge', trimShare: 'trimmed-mean', normMax: 'norm-bound' } as const;
    for (const [option, method] of Object.entries(owners)) {
      if (plan.method === method || !Object.hasOwn(plan, option)) continue;
      const message = `expected only with method ${method}, the method is ${plan.method}`;
      context.addIssue({ code: 'custom', path: [option], message });
    }
    if (plan.method === 'norm-bound' && plan.normMax === undefined) {
      const message = 'expected a bound for method norm-bound';
      context.addIssue({ code: 'custom', path: ['normMax'], message });
    }
  });
/** How the updates of a round become the next version. */
export type AggregationPlan = z.infer<typeof aggregationPlanSchema>;
