/**
 * A round's aggregation: method, then server step, then the next global adapter and the state that the next round reads.
 *
 * All arithmetic is in float64 over the sites in ascending order of their names, rounded to float32 once, so that the same
 * updates give the same bytes whatever their order of arrival. P is the number of values of the task's adapter.
 */
import { resolveTrainedTensors, type AdapterLayout, type TensorPlace } from '#core/adapter';
import { checkFinite, checkLength } from '#core/check';
import { assert, InputError } from '#core/errors';
import type { AggregationPlan } from '#core/protocol';
import { fedavg } from './fedavg.ts';
import type { AggregationMethod, SiteUpdate } from './method.ts';
import { aggregationMethod } from './registry.ts';
import { stepTensor, type TensorMoments } from './server-step.ts';
import { initialState, isStateful, type AggregationState } from './state.ts';

/** What a round aggregates. */
export interface AggregationInput {
  readonly plan: AggregationPlan;
  readonly layout: AdapterLayout;
  /** What the round trained and its sites sent, as RoundOpen names it. */
  readonly trainedTensors: readonly string[];
  /** The adapter that the sites started from, (P), finite. */
  readonly global: Float32Array;
  /** The members' updates, in any order, one or more. */
  readonly updates: readonly SiteUpdate[];
  /** What the lineage remembers; null where the plan has no state, or before the first round. */
  readonly state: AggregationState | null;
}

/** What a round gives. */
export interface AggregationResult {
  /** The next global adapter, (P), new; the bytes of what the round did not train are those of `global`. */
  readonly values: Float32Array;
  /** What the next round of this lineage reads; null where the plan has no state. */
  readonly state: AggregationState | null;
  /** What the method combined, before the server step, (P). */
  readonly combined: Float64Array;
}

/**
 * Aggregate a round.
 *
 * @param input - see {@link AggregationInput}; nothing of it is changed
 * @throws InputError UPDATE_SHAPE_MISMATCH or NON_FINITE_UPDATE naming the site, WEIGHTS_ALL_ZERO naming all of them
 * @throws InputError LAYOUT_MISMATCH on a trained tensor that the layout lacks
 * @throws RangeError if a weight is negative or not finite
 * @throws InvariantError if there is no update or a site stands twice
 */
export function aggregateRound(input: AggregationInput): AggregationResult {
  const { plan, layout, global, state } = input;
  const trained = new Set(resolveTrainedTensors(input.trainedTensors, layout));
  const places = layout.tensors.filter(({ name }) => trained.has(name));
  checkLength(global, layout.size, 'global adapter');
  const combined = combineUpdates(aggregationMethod(plan.method), { ...input, places });
  if (!isStateful(plan)) {
    return { values: applyChange(global, combined, places), state: null, combined };
  }
  const before = state ?? initialState;
  const stepped = takeServerStep(plan, combined, places, before);
  return {
    values: applyChange(global, stepped.change, places),
    state: { roundsDone: before.roundsDone + 1, moments: stepped.moments },
    combined,
  };
}

/**
 * Combine a round's updates by a method alone.
 *
 * @returns the change (P) in float64, finite
 * @throws what {@link aggregateRound} throws
 */
export function combineUpdates(
  method: AggregationMethod,
  input: {
    readonly global: Float32Array;
    readonly updates: readonly SiteUpdate[];
    readonly places: readonly TensorPlace[];
    readonly plan: AggregationPlan;
  },
): Float64Array {
  const { global, places, plan } = input;
  const updates = sortedBySite(input.updates);
  for (const { site, delta } of updates) checkLength(delta, global.length, `update of ${site}`);
  checkFinite(global, 'global adapter');
  const shares = sharesOf(updates, method.isWeighted);
  return checkFinite(method.combine({ global, updates, shares, places, plan }), 'aggregate');
}

/**
 * Average updates by their weights over the whole adapter and add the mean: `fedavg` where nothing is known of a layout.
 *
 * @returns (P), new
 * @throws what {@link aggregateRound} throws
 */
export function averageUpdates(global: Float32Array, updates: readonly SiteUpdate[]): Float32Array {
  const plan = { method: 'fedavg', weights: 'samples' } as const;
  const change = combineUpdates(fedavg, { global, updates, places: [], plan });
  return applyChange(global, change, [{ offset: 0, size: global.length }]);
}

/** p_k of each update; alike where the method does not weigh. */
export function sharesOf(updates: readonly SiteUpdate[], isWeighted: boolean): number[] {
  for (const { site, weight } of updates) {
    if (Number.isFinite(weight) && weight >= 0) continue;
    throw new RangeError(`weight of ${site}: expected a finite number, 0 or more, got ${weight}`);
  }
  if (!isWeighted) return updates.map(() => 1 / updates.length);
  const total = updates.reduce((sum, { weight }) => sum + weight, 0);
  if (total > 0 && Number.isFinite(total)) return updates.map(({ weight }) => weight / total);
  const sites = updates.map(({ site }) => site);
  throw new InputError(
    'WEIGHTS_ALL_ZERO',
    `aggregation: expected weights with a sum above zero, those of ${sites.join(', ')} have none; use equal weights, or sites with training images`,
    { sites },
  );
}

/**
 * Add a change to the global adapter, rounded to float32 once.
 *
 * @param places - where it is added; all else keeps its bytes
 * @returns (P), new, finite
 */
export function applyChange(
  global: Float32Array,
  change: Float64Array,
  places: readonly Pick<TensorPlace, 'offset' | 'size'>[],
): Float32Array {
  const next = global.slice();
  for (const { offset, size } of places) {
    for (let index = offset; index < offset + size; index++) {
      next[index] = (global[index] ?? 0) + (change[index] ?? 0);
    }
  }
  return checkFinite(next, 'aggregate');
}

/** Step the tensors that are present; the moments of the others are handed on. */
function takeServerStep(
  { serverStep }: AggregationPlan,
  combined: Float64Array,
  places: readonly TensorPlace[],
  before: AggregationState,
): { readonly change: Float64Array; readonly moments: ReadonlyMap<string, TensorMoments> } {
  if (serverStep === undefined) return { change: combined, moments: before.moments };
  const change = new Float64Array(combined.length);
  const moments = new Map(before.moments);
  for (const { name, offset, size } of places) {
    const own = combined.subarray(offset, offset + size);
    const stepped = stepTensor(serverStep, own, before.moments.get(name) ?? null);
    change.set(checkFinite(stepped.change, `server step of ${name}`), offset);
    checkFinite(stepped.moments.first, `first moment of ${name}`);
    if (stepped.moments.second !== null)
      checkFinite(stepped.moments.second, `second moment of ${name}`);
    moments.set(name, stepped.moments);
  }
  return { change, moments };
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
