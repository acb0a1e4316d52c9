/** Rounds of a small adapter for specs: every kind of tensor, unequal weights, magnitudes apart. */
import { adapterLayout, adapterSpecification, type AdapterLayout } from '#core/adapter';
import { aggregationPlanSchema, type AggregationPlan } from '#core/protocol';
import { seededRng } from '#core/rng';
import type { z } from 'zod';
import { aggregateRound, type AggregationInput } from '../aggregate.ts';
import { aggregationMethod } from '../registry.ts';
import type { AggregationState } from '../state.ts';
import type { SiteUpdate } from '../method.ts';

/** Two blocks, D 6, rank 2, two classes. */
export const smallLayout: AdapterLayout = adapterLayout(
  adapterSpecification({ rank: 2, alpha: 2, classes: ['a', 'b'], dimension: 6, blocks: 2 }),
);
/** All of its tensors. */
export const smallNames: readonly string[] = smallLayout.tensors.map(({ name }) => name);

/** Numbers from a seed, uniform in [-scale, scale). */
export function smallValues(seed: string, scale = 1): Float32Array {
  const rng = seededRng(seed);
  return new Float32Array(smallLayout.size).map(() => scale * (2 * rng.nextFloat() - 1));
}

/** A plan with what a person would leave out. */
export const planOf = (plan: z.input<typeof aggregationPlanSchema>): AggregationPlan =>
  aggregationPlanSchema.parse(plan);

/** Five sites of unequal weights and magnitudes, so that the order of a float sum would show. */
export const smallUpdates = (round: number): SiteUpdate[] =>
  [83, 272, 121, 7, 1040].map((weight, at) => ({
    site: `site-${at}`,
    weight,
    delta: smallValues(`round ${round} site ${at}`, [1e-3, 1, 0.1, 30, 0.01][at]),
  }));

/** Keep what a round trains of updates, as a site's file would. */
export function onlyTrained(
  updates: readonly SiteUpdate[],
  trained: readonly string[],
): SiteUpdate[] {
  return updates.map((update) => {
    const delta = new Float32Array(smallLayout.size);
    for (const { name, offset, size } of smallLayout.tensors) {
      if (trained.includes(name)) delta.set(update.delta.subarray(offset, offset + size), offset);
    }
    return { ...update, delta };
  });
}

/** Run one round as a coordinator does: the method names the tensors, the sites send those. */
export function runRound(
  plan: AggregationPlan,
  parts: Pick<AggregationInput, 'global' | 'updates' | 'state'>,
) {
  const roundsDone = parts.state?.roundsDone ?? 0;
  const trainedTensors = aggregationMethod(plan.method).tensorsOfRound(smallNames, roundsDone);
  const updates = onlyTrained(parts.updates, trainedTensors);
  const input = { ...parts, plan, layout: smallLayout, trainedTensors, updates };
  return { ...aggregateRound(input), trainedTensors, sent: updates };
}

/** Run rounds one after the other, each with its own updates; `between` may replace what is remembered, as a restart does. */
export function runRounds(
  plan: AggregationPlan,
  rounds: number,
  between: (state: AggregationState | null) => AggregationState | null = (state) => state,
) {
  let global = smallValues('start');
  let state: AggregationState | null = null;
  const versions = [];
  for (let round = 1; round <= rounds; round++) {
    const result = runRound(plan, { global, state, updates: smallUpdates(round) });
    global = result.values;
    state = between(result.state);
    versions.push(result);
  }
  return versions;
}
