/**
 * FedAvg of updates whose length is bounded: delta_k min(1, C / |delta_k|), so that no site moves the mean by more than p_k C.
 *
 * Needs: every update. State: none.
 *
 * @see Sun et al. 2019, norm thresholding of updates, https://arxiv.org/abs/1911.07963
 */
import { assert } from '#core/errors';
import { euclideanNorm } from './vectors.ts';
import { everyTensor, type AggregationMethod } from './method.ts';
import { weightedSum } from './weighted-sum.ts';

/** The weighted mean of updates no longer than a bound. */
export const normBound: AggregationMethod = {
  name: 'norm-bound',
  needs: 'clear',
  isWeighted: true,
  countsRounds: false,
  tensorsOfRound: everyTensor,
  combine: ({ updates, shares, plan }) => {
    const { normMax } = plan;
    assert(normMax !== undefined, 'norm-bound: expected a bound in the plan');
    const bounded = updates.map(({ delta }, at) => {
      const norm = euclideanNorm(delta);
      return (shares[at] ?? 0) * (norm > normMax ? normMax / norm : 1);
    });
    return weightedSum(updates, bounded);
  },
};
