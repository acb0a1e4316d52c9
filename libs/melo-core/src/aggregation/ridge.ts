/**
 * Ridge aggregation: A is averaged, and B is solved so that B A comes close to the true mean of the products B_k A_k.
 *
 * With A' = sum p_k A_k and Bm = sum p_k B_k, B' minimises |sum p_k B_k A_k - B' A'|^2 + l |B' - Bm|^2, which gives
 * B' (A' A'^T + l I) = sum p_k B_k (A_k A'^T) + l Bm: one r x r solve for each pair, never a D x D matrix. l is `ridge` times the
 * mean of the diagonal of A' A'^T, so that it means the same at every scale; l = 0 fits best and learns worst (LoRA-FAIR's
 * ablation), therefore it is above 0. Head and a factor that is trained alone are averaged.
 * Needs: every update. State: none.
 *
 * Shape letters: D dimension, r rank. A (r,D), B (D,r), row-major.
 *
 * @see Bian et al. 2025, LoRA-FAIR, equation 8 with a ridge in place of the cosine, https://arxiv.org/abs/2411.14961
 */
import { factorPairs, type FactorPair } from './factors.ts';
import { everyTensor, type AggregationMethod, type CombineInput } from './method.ts';
import { weightedSum } from './weighted-sum.ts';

const ridgeDefault = 0.01;

/** A averaged, B solved against the mean of the products. */
export const ridge: AggregationMethod = {
  name: 'ridge',
  needs: 'clear',
  isWeighted: true,
  countsRounds: false,
  tensorsOfRound: everyTensor,
  combine: (input) => {
    const change = weightedSum(input.updates, input.shares); // (P): right for A and head
    for (const pair of factorPairs(input.places)) solvePair(input, pair, change);
    return change;
  },
};

/** Replace the mean change of one B by what the solve gives. */
function solvePair(input: CombineInput, pair: FactorPair, change: Float64Array): void {
  const { global, updates, shares, plan } = input;
  const { a, b, rank, dimension } = pair;
  const meanA = new Float64Array(a.size); // (r,D)
  for (let i = 0; i < a.size; i++)
    meanA[i] = (global[a.offset + i] ?? 0) + (change[a.offset + i] ?? 0);
  const gram = timesTransposed(meanA, meanA, rank, dimension); // (r,r), A' A'^T
  let trace = 0;
  for (let i = 0; i < rank; i++) trace += gram[i * rank + i] ?? 0;
  if (trace === 0) return; // A' = 0: every B gives the same product, the mean stays
  const penalty = ((plan.ridge ?? ridgeDefault) * trace) / rank;
  const right = new Float64Array(b.size); // (D,r), sum p_k B_k (A_k A'^T) + l Bm
  for (let i = 0; i < b.size; i++) {
    right[i] = penalty * ((global[b.offset + i] ?? 0) + (change[b.offset + i] ?? 0));
  }
  for (const [k, { delta }] of updates.entries()) {
    const ownA = localOf(global, delta, a.offset, a.size);
    const mixed = timesTransposed(ownA, meanA, rank, dimension); // (r,r), A_k A'^T
    addProduct(right, localOf(global, delta, b.offset, b.size), mixed, rank, shares[k] ?? 0);
  }
  for (let i = 0; i < rank; i++) gram[i * rank + i] = (gram[i * rank + i] ?? 0) + penalty;
  solveRows(gram, right, rank);
  for (let i = 0; i < b.size; i++)
    change[b.offset + i] = (right[i] ?? 0) - (global[b.offset + i] ?? 0);
}

/** A site's tensor: global plus its change, in float64. */
function localOf(
  global: Float32Array,
  delta: Float32Array,
  offset: number,
  size: number,
): Float64Array {
  const values = new Float64Array(size);
  for (let i = 0; i < size; i++) values[i] = (global[offset + i] ?? 0) + (delta[offset + i] ?? 0);
  return values;
}

/** X Y^T of two (r,D), (r,r). */
function timesTransposed(
  x: Float64Array,
  y: Float64Array,
  rank: number,
  dimension: number,
): Float64Array {
  const product = new Float64Array(rank * rank);
  for (let i = 0; i < rank; i++) {
    for (let j = 0; j < rank; j++) {
      let sum = 0;
      for (let d = 0; d < dimension; d++) {
        sum += (x[i * dimension + d] ?? 0) * (y[j * dimension + d] ?? 0);
      }
      product[i * rank + j] = sum;
    }
  }
  return product;
}

/** sum += p B M for B (D,r), M (r,r), in place. */
function addProduct(
  sum: Float64Array,
  b: Float64Array,
  m: Float64Array,
  rank: number,
  share: number,
): void {
  for (let row = 0; row < sum.length; row += rank) {
    for (let j = 0; j < rank; j++) {
      let value = 0;
      for (let i = 0; i < rank; i++) value += (b[row + i] ?? 0) * (m[i * rank + j] ?? 0);
      sum[row + j] = (sum[row + j] ?? 0) + share * value;
    }
  }
}

/** Solve X S = R for X (D,r), in place of R; S (r,r) symmetric and positive definite, by Cholesky, in place too. */
function solveRows(s: Float64Array, r: Float64Array, rank: number): void {
  const at = (i: number, j: number): number => s[i * rank + j] ?? 0;
  for (let j = 0; j < rank; j++) {
    for (let i = j; i < rank; i++) {
      let sum = at(i, j);
      for (let k = 0; k < j; k++) sum -= at(i, k) * at(j, k);
      s[i * rank + j] = i === j ? Math.sqrt(sum) : sum / at(j, j); // L below and on the diagonal
    }
  }
  for (let row = 0; row < r.length; row += rank) {
    for (let i = 0; i < rank; i++) {
      let sum = r[row + i] ?? 0;
      for (let k = 0; k < i; k++) sum -= at(i, k) * (r[row + k] ?? 0);
      r[row + i] = sum / at(i, i); // L y = r
    }
    for (let i = rank - 1; i >= 0; i--) {
      let sum = r[row + i] ?? 0;
      for (let k = i + 1; k < rank; k++) sum -= at(k, i) * (r[row + k] ?? 0);
      r[row + i] = sum / at(i, i); // L^T x = y
    }
  }
}
