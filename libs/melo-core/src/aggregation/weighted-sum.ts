/**
 * The weighted sum of updates, in float64 and in the order given: the kernel under most methods.
 *
 * Entry i is ((p_1 d_1i + p_2 d_2i) + p_3 d_3i) + ..., from 0, each product and sum rounded to float64: blocks and groups change
 * what is read when, never the order of one entry's sum, so the bits are those of the plain double loop.
 */
import { checkFinite } from '#core/check';
import type { SiteUpdate } from './method.ts';

/** Entries worked on at a time: 32 KiB of sums stay in the processor's first cache. */
const blockSize = 4096;

/**
 * Sum p_k delta_k.
 *
 * @param updates - one or more, (P) each
 * @param shares - p_k, in their order, finite
 * @returns (P), new
 * @throws InputError NON_FINITE_UPDATE naming the site whose update is not finite
 */
export function weightedSum(
  updates: readonly SiteUpdate[],
  shares: readonly number[],
): Float64Array {
  const deltas = updates.map(({ delta }) => delta);
  const sum = new Float64Array(deltas[0]?.length ?? 0);
  for (let from = 0; from < sum.length; from += blockSize) {
    addBlock(sum, from, Math.min(sum.length, from + blockSize), deltas, shares);
  }
  // A summand that is not finite makes its sum not finite: one look at the sums instead of one at every update.
  if (!sum.every(Number.isFinite)) nameCulprit(updates, sum);
  return sum;
}

function nameCulprit(updates: readonly SiteUpdate[], sum: Float64Array): void {
  for (const { site, delta } of updates) checkFinite(delta, `update of ${site}`);
  checkFinite(sum, 'aggregate'); // every update is finite and their sum is not
}

function addBlock(
  sum: Float64Array,
  from: number,
  to: number,
  deltas: readonly Float32Array[],
  shares: readonly number[],
): void {
  const none = new Float32Array(0);
  let k = 0;
  for (; k + 4 <= deltas.length; k += 4) {
    const [a = none, b = none, c = none, d = none] = [k, k + 1, k + 2, k + 3].map(
      (at) => deltas[at],
    );
    const [pa = 0, pb = 0, pc = 0, pd = 0] = shares.slice(k, k + 4);
    for (let i = from; i < to; i++) {
      const first = (sum[i] ?? 0) + pa * (a[i] ?? 0);
      const second = first + pb * (b[i] ?? 0);
      sum[i] = second + pc * (c[i] ?? 0) + pd * (d[i] ?? 0);
    }
  }
  for (; k < deltas.length; k++) {
    const [delta = none, share = 0] = [deltas[k], shares[k]];
    for (let i = from; i < to; i++) sum[i] = (sum[i] ?? 0) + share * (delta[i] ?? 0);
  }
}
