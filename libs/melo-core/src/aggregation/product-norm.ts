/**
 * Squared lengths of sums of low-rank products, without ever making a D x D matrix.
 *
 * |sum_j L_j R_j|^2 = sum over j, k of <L_j^T L_k, R_j R_k^T>: two Gram matrices of n = (number of products) r rows each.
 */
import { seededRng } from '#core/rng';

/** Numbers of a row added up in fewer, each with a sign: what stands where a long row is too much work. */
export interface Sketch {
  readonly width: number;
  /** Where each number of a row goes, (D). */
  readonly places: Uint32Array;
  /** 1 or -1, (D). */
  readonly signs: Float64Array;
}

/**
 * Draw a sketch of rows of D numbers; where `width` is D or more it changes nothing.
 *
 * With S and T drawn apart, the mean of |S L R T|^2 over the draws is |L R|^2.
 *
 * @param seed - fixes the draw, so that a round is computed again to the bit
 * @see Charikar, Chen and Farach-Colton 2002, Finding frequent items in data streams, section 3
 */
export function sketchOf(dimension: number, width: number, seed: string): Sketch {
  const signs = new Float64Array(dimension).fill(1);
  if (width >= dimension) {
    return { width: dimension, places: Uint32Array.from(signs.keys()), signs };
  }
  const rng = seededRng(`sketch/${seed}`);
  const places = Uint32Array.from(signs, () => rng.nextInteger(width));
  return { width, places, signs: signs.map(() => 2 * rng.nextInteger(2) - 1) };
}

/** Rows of a factor with a change laid over them: values + factor * combined at offset + row * rowStride + column * columnStride. */
export interface ChangedRows {
  readonly values: Float32Array;
  readonly combined: Float64Array;
  readonly factor: 1 | -1;
  readonly rank: number;
  readonly offset: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** Bring rows to the width of a sketch, (r,width). */
export function sketchedRows(rows: ChangedRows, { width, places, signs }: Sketch): Float64Array {
  const { values, combined, factor, rank, offset, rowStride, columnStride } = rows;
  const out = new Float64Array(rank * width);
  for (let row = 0; row < rank; row++) {
    for (let column = 0; column < places.length; column++) {
      const index = offset + row * rowStride + column * columnStride;
      const value = (values[index] ?? 0) + factor * (combined[index] ?? 0);
      const at = row * width + (places[column] ?? 0);
      out[at] = (out[at] ?? 0) + (signs[column] ?? 0) * value;
    }
  }
  return out;
}

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
  const isZero = (values: Float64Array): boolean => !values.some((value) => value !== 0);
  const [first, ...others] = blocks;
  const rest = others.filter(({ left, right }) => !isZero(left) && !isZero(right));
  const kept = first === undefined ? rest : [first, ...rest];
  const rank = (first?.left.length ?? 0) / dimension;
  const count = kept.length * rank;
  const lefts = gramOf(
    kept.map(({ left }) => left),
    count,
    dimension,
  );
  const rights = gramOf(
    kept.map(({ right }) => right),
    count,
    dimension,
  );
  let [ofAll, ofRest] = [0, 0];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) {
      const product = (lefts[i * count + j] ?? 0) * (rights[i * count + j] ?? 0);
      ofAll += product;
      if (i >= rank && j >= rank) ofRest += product;
    }
  }
  return { ofAll, ofRest };
}

/** Products of all rows with one another, (n,n): each row against four at a time, which reads the memory a quarter as often. */
function gramOf(parts: readonly Float64Array[], count: number, dimension: number): Float64Array {
  const rows = new Float64Array((count + 3) * dimension); // zeros behind the last row, so that four are always there
  let offset = 0;
  for (const part of parts) {
    rows.set(part, offset);
    offset += part.length;
  }
  const gram = new Float64Array(count * count);
  for (let i = 0; i < count; i++) {
    for (let j = i; j < count; j += 4) {
      const four = productsWithFour(rows, i * dimension, j * dimension, dimension);
      for (let k = 0; k < 4 && j + k < count; k++) {
        gram[i * count + j + k] = four[k] ?? 0;
        gram[(j + k) * count + i] = four[k] ?? 0;
      }
    }
  }
  return gram;
}

/** One row times four that follow one another. */
function productsWithFour(
  rows: Float64Array,
  row: number,
  first: number,
  length: number,
): readonly number[] {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  const second = first + length;
  const third = second + length;
  const fourth = third + length;
  for (let at = 0; at < length; at++) {
    const value = rows[row + at] ?? 0;
    a += value * (rows[first + at] ?? 0);
    b += value * (rows[second + at] ?? 0);
    c += value * (rows[third + at] ?? 0);
    d += value * (rows[fourth + at] ?? 0);
  }
  return [a, b, c, d];
}
