/**
 * FedAvg over deltas (FedIT where the values are LoRA factors): change = sum of p_k delta_k, p_k = w_k / sum of w.
 *
 * A and B are averaged apart, so that B A is not the mean of B_k A_k: the round's diagnostics tell by how much.
 * Needs: the sum alone. State: none.
 *
 * @see McMahan et al. 2017, Algorithm 1, https://arxiv.org/abs/1602.05629; Zhang et al. 2024 (FedIT), https://arxiv.org/abs/2305.05644
 */
import { everyTensor, type AggregationMethod } from './method.ts';
import { weightedSum } from './weighted-sum.ts';

/** The weighted mean of the sites' changes. */
export const fedavg: AggregationMethod = {
  name: 'fedavg',
  needs: 'sum-only',
  isWeighted: true,
  countsRounds: false,
  tensorsOfRound: everyTensor,
  combine: ({ updates, shares }) => weightedSum(updates, shares),
};
