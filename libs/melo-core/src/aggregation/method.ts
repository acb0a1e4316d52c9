/**
 * What an aggregation method is: a pure function from the round's updates to the next global adapter.
 *
 * Adding a method is one file and one line in the registry. P is the number of trained values of the task.
 */

/** One site's share of a round. */
export interface SiteUpdate {
  /** The site's name, unique within the round. */
  readonly site: string;
  /** w_k, relative weight: samples, or 1 where sites count alike; > 0, finite. */
  readonly weight: number;
  /** Local minus global adapter, flat in the layout's order, (P), finite. */
  readonly delta: Float32Array;
}

/** What a method aggregates. */
export interface AggregationInput {
  /** The adapter that the sites started from, (P), finite. */
  readonly global: Float32Array;
  /** The members' updates, in any order, one or more. */
  readonly updates: readonly SiteUpdate[];
}

/** A rule that turns updates into the next global adapter. */
export interface AggregationMethod {
  /** The name that a task's definition carries. */
  readonly name: string;
  /** Whether it must see each update (`clear`) or only the weighted sum (`sum`, possible in blind mode too). */
  readonly requires: 'clear' | 'sum';
  /** Aggregate: a new array (P); the same bytes whatever the order of `updates`. Nothing passed in is changed. */
  aggregate(input: AggregationInput): Float32Array;
}
