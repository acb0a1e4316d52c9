/**
 * Squared lengths of sums of low-rank products, without ever making a D x D matrix.
 *
 * |sum_j L_j R_j|^2 = sum over j, k of <L_j^T L_k, R_j R_k^T>: two Gram matrices of n = (number of products) r rows each.
 */

/** A product L R of rank r, as rows: L^T (r,D) and R (r,D). */
export interface ProductBlock {
  readonly left: Float64Array;
  readonly right: Float64Array;
}

/**
 * Work out the squared length of a sum of products, and of the same sum without the first one.
 *
 * @param blocks - of one shape, one or more
 * @param dimension - D
 */
export function squaredNorms(
  blocks: readonly ProductBlock[],
  dimension: number,
): { readonly ofAll: number; readonly ofRest: number } {
  const isZero = (values: Float64Array): boolean => values.every((value) => value === 0);
  const [first, ...others] = blocks;
  const rest = others.filter(({ left, right }) => !isZero(left) && !isZero(right));
  const kept = first === undefined ? rest : [first, ...rest];
  const lefts = rowsOf(kept.map(({ left }) => left));
  const rights = rowsOf(kept.map(({ right }) => right));
  const rank = (first?.left.length ?? 0) / dimension;
  let [ofAll, ofRest] = [0, 0];
  for (let i = 0; i < lefts.length; i += dimension) {
    for (let j = i; j < lefts.length; j += dimension) {
      const product = dot(lefts, i, j, dimension) * dot(rights, i, j, dimension);
      const counted = i === j ? product : 2 * product;
      ofAll += counted;
      if (i >= rank * dimension) ofRest += counted;
    }
  }
  return { ofAll, ofRest };
}

function rowsOf(parts: readonly Float64Array[]): Float64Array {
  const rows = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    rows.set(part, offset);
    offset += part.length;
  }
  return rows;
}

/** Product of two rows; four sums at a time, so that one addition does not wait for the other. */
function dot(rows: Float64Array, first: number, second: number, length: number): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    const [i, j] = [first + at, second + at];
    a += (rows[i] ?? 0) * (rows[j] ?? 0);
    b += (rows[i + 1] ?? 0) * (rows[j + 1] ?? 0);
    c += (rows[i + 2] ?? 0) * (rows[j + 2] ?? 0);
    d += (rows[i + 3] ?? 0) * (rows[j + 3] ?? 0);
  }
  for (; at < length; at++) a += (rows[first + at] ?? 0) * (rows[second + at] ?? 0);
  return a + b + (c + d);
}
