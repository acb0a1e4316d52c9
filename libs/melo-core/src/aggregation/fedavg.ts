/**
 * FedAvg over deltas (FedIT where the values are LoRA factors): new = global + sum of p_k delta_k, p_k = w_k / sum of w.
 *
 * The sum runs in float64 over the sites in ascending order of their names and is rounded to float32 once, so the same
 * updates give the same bytes whatever their order of arrival.
 *
 * @see McMahan et al. 2017, Algorithm 1, https://arxiv.org/abs/1602.05629
 */
import { checkFinite, checkLength, checkPositive } from '#core/check';
import { assert } from '#core/errors';
import type { AggregationInput, AggregationMethod, SiteUpdate } from './method.ts';

/** The weighted mean of the sites' changes, added to the global adapter. */
export const fedavg: AggregationMethod = {
  name: 'fedavg',
  requires: 'sum',
  aggregate,
};

/**
 * Average the updates and step the global adapter.
 *
 * new_i = float32(global_i + sum over k, ascending site, of (w_k / W) * delta_k,i), all in float64 before the one rounding.
 *
 * @param input - `updates` in any order, one or more; nothing is changed
 * @returns (P), a new array, finite
 * @throws InputError UPDATE_SHAPE_MISMATCH or NON_FINITE_UPDATE naming the site
 * @throws RangeError if a weight is not positive and finite
 * @throws InvariantError if there is no update or a site stands twice
 */
function aggregate({ global, updates }: AggregationInput): Float32Array {
  const sorted = sortedBySite(updates);
  checkFinite(global, 'global adapter');
  for (const { site, weight, delta } of sorted) {
    checkPositive(weight, `weight of ${site}`);
    checkFinite(checkLength(delta, global.length, `update of ${site}`), `update of ${site}`);
  }
  const totalWeight = sorted.reduce((sum, { weight }) => sum + weight, 0);
  checkPositive(totalWeight, 'sum of the weights'); // finite weights can still overflow
  const change = new Float64Array(global.length); // (P), sum of p_k delta_k
  for (const { weight, delta } of sorted) {
    const share = weight / totalWeight;
    for (let index = 0; index < change.length; index++) {
      change[index] = (change[index] ?? 0) + share * (delta[index] ?? 0);
    }
  }
  const next = new Float32Array(global.length); // (P), rounded once
  for (let index = 0; index < next.length; index++) {
    next[index] = (global[index] ?? 0) + (change[index] ?? 0);
  }
  return checkFinite(next, 'aggregate');
}

/**
 * Order updates by site name, in code-unit order; a new array.
 *
 * @throws InvariantError if there is none or a site stands twice
 */
export function sortedBySite(updates: readonly SiteUpdate[]): SiteUpdate[] {
  assert(updates.length > 0, 'aggregation: expected one update or more');
  const sorted = [...updates].sort((a, b) => (a.site < b.site ? -1 : a.site > b.site ? 1 : 0));
  for (let index = 1; index < sorted.length; index++) {
    const site = sorted[index]?.site;
    assert(site !== sorted[index - 1]?.site, `aggregation: site ${site ?? ''} stands twice`);
  }
  return sorted;
}
