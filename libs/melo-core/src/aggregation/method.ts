/**
 * What an aggregation method is: a plug-in with a declared contract, from the updates of a round to one change.
 *
 * Adding a method is one file, one line in the registry, and its name in the protocol. What the server makes of the change
 * (`server-step.ts`) is apart, so that every method goes with every step. P is the number of trained values of the task.
 */
import type { TensorPlace } from '#core/adapter';
import type { AggregationMethodName, AggregationPlan } from '#core/protocol';

/** One site's share of a round. */
export interface SiteUpdate {
  /** The site's name, unique within the round. */
  readonly site: string;
  /** w_k, relative weight: samples, or 1 where sites count alike; 0 or more, finite, not all 0. */
  readonly weight: number;
  /** Local minus global adapter, flat in the layout's order, (P), finite; zero where the round trains nothing. */
  readonly delta: Float32Array;
}

/** What a method combines. */
export interface CombineInput {
  /** The adapter that the sites started from, (P), finite. */
  readonly global: Float32Array;
  /** One or more, in ascending order of the site's name, checked. */
  readonly updates: readonly SiteUpdate[];
  /** p_k, the weights divided by their sum, in the order of the updates. */
  readonly shares: readonly number[];
  /** The tensors that the round trained, in the layout's order. */
  readonly places: readonly TensorPlace[];
  readonly plan: AggregationPlan;
}

/** A rule that turns the updates of a round into one change of the global adapter. */
export interface AggregationMethod {
  /** The name that a task's definition carries. */
  readonly name: AggregationMethodName;
  /** Whether it must see each update (`clear`), or would do with the weighted sum alone (`sum-only`). */
  readonly needs: 'clear' | 'sum-only';
  /** Whether w_k counts; else every site counts alike. */
  readonly isWeighted: boolean;
  /** Whether what a round trains depends on how many rounds of the lineage were published before it. */
  readonly countsRounds: boolean;
  /**
   * Choose what a round trains and its sites send, among the tensors that the task trains.
   *
   * @param selected - names in the layout's order
   * @param roundsDone - published rounds of the lineage before this one
   * @returns names in the same order
   */
  tensorsOfRound(selected: readonly string[], roundsDone: number): readonly string[];
  /**
   * Combine the updates: a new array (P) in float64, the same bits whatever their order of arrival. Nothing passed in is changed.
   */
  combine(input: CombineInput): Float64Array;
}

/** Every round trains all that the task trains. */
export const everyTensor: AggregationMethod['tensorsOfRound'] = (selected) => selected;
