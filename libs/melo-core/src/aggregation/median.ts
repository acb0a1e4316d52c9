/**
 * The median of every number over the sites, each counting alike; the mean of the two in the middle where they are even in number.
 *
 * A minority of sites, however far away, moves no number beyond those of the others.
 * Needs: every update. State: none.
 *
 * @see Yin et al. 2018, Definition 1, https://arxiv.org/abs/1803.01498
 */
import { combineEntries } from './coordinatewise.ts';
import { everyTensor, type AggregationMethod } from './method.ts';

/** Middle of ascending values, one or more. */
function middle(sorted: Float64Array): number {
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0;
  if (sorted.length % 2 === 1) return upper;
  return ((sorted[sorted.length / 2 - 1] ?? 0) + upper) / 2;
}

/** The median of every number. */
export const median: AggregationMethod = {
  name: 'median',
  needs: 'clear',
  isWeighted: false,
  countsRounds: false,
  tensorsOfRound: everyTensor,
  combine: ({ updates }) => combineEntries(updates, middle),
};
