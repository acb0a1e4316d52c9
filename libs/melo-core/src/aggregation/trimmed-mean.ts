/**
 * The mean of every number without its floor(trimShare n) smallest and as many greatest values, sites counting alike.
 *
 * With one or two sites, or a share too small for one of n, nothing is left out and it is the plain mean.
 * Needs: every update. State: none.
 *
 * @see Yin et al. 2018, Definition 2, https://arxiv.org/abs/1803.01498
 */
import { combineEntries, type EntryRule } from './coordinatewise.ts';
import { everyTensor, type AggregationMethod } from './method.ts';

const trimShareDefault = 0.1;

/** Mean of ascending values without `left` at either end; summed in ascending order, so that no order of arrival shows. */
const meanWithout =
  (left: number): EntryRule =>
  (sorted) => {
    let sum = 0;
    for (let at = left; at < sorted.length - left; at++) sum += sorted[at] ?? 0;
    return sum / (sorted.length - 2 * left);
  };

/** The mean of every number without its extremes. */
export const trimmedMean: AggregationMethod = {
  name: 'trimmed-mean',
  needs: 'clear',
  isWeighted: false,
  countsRounds: false,
  tensorsOfRound: everyTensor,
  combine: ({ updates, plan }) => {
    const left = Math.floor((plan.trimShare ?? trimShareDefault) * updates.length);
    return combineEntries(updates, meanWithout(left));
  },
};
