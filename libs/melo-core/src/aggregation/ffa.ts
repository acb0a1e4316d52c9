/**
 * FFA-LoRA: A stays what the public seed gives, B and head are averaged, so that the mean of B_k A is B A exactly.
 *
 * Half of A and B is sent. Needs: the sum alone. State: none.
 *
 * @see Sun et al. 2024, FFA-LoRA, https://arxiv.org/abs/2403.12313
 */
import type { AggregationMethod } from './method.ts';
import { weightedSum } from './weighted-sum.ts';

/** B and head over an A that never moves. */
export const ffa: AggregationMethod = {
  name: 'ffa',
  needs: 'sum-only',
  isWeighted: true,
  countsRounds: false,
  tensorsOfRound: (selected) => selected.filter((name) => !name.endsWith('.lora_A')),
  combine: ({ updates, shares }) => weightedSum(updates, shares),
};
