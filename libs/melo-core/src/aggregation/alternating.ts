/**
 * Alternating aggregation (RoLoRA): B and head in one published round, A and head in the next; the other factor keeps its bytes.
 *
 * With A the same at every site, sum p_k B_k A = (sum p_k B_k) A: the mean of the factors is the mean of the products,
 * and a round sends half of A and B. B comes first, since B = 0 at the start leaves A no gradient.
 * Needs: the sum alone. State: how many rounds of the lineage were published.
 *
 * @see Chen et al. 2024, RoLoRA, https://arxiv.org/abs/2409.02346
 */
import type { AggregationMethod } from './method.ts';
import { weightedSum } from './weighted-sum.ts';

/** The factor that rests in a round: A in the first, third, ... of a lineage, B in the others. */
const restingFactor = (roundsDone: number): string =>
  roundsDone % 2 === 0 ? '.lora_A' : '.lora_B';

/** B and head, then A and head. */
export const alternating: AggregationMethod = {
  name: 'alternating',
  needs: 'sum-only',
  isWeighted: true,
  countsRounds: true,
  tensorsOfRound: (selected, roundsDone) =>
    selected.filter((name) => !name.endsWith(restingFactor(roundsDone))),
  combine: ({ updates, shares }) => weightedSum(updates, shares),
};
