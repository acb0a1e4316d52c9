/**
 * Where two adapters differ: tensor by tensor, and matrix by matrix in what they do, s B A.
 *
 * s B A is compared without making a (D,D) matrix: the inner product of two products of r columns and r rows is a sum of r times
 * r' products of two short inner products. So two adapters of different ranks can be compared too.
 */
import { tensorView, type AdapterLayout, type AdapterSpecification } from '#core/adapter';
import { canonicalJson } from '#core/bytes';
import { projectionNames } from './foreign.ts';

/** An adapter's numbers, of whatever format. */
export interface AdapterNumbers {
  readonly specification: AdapterSpecification;
  readonly layout: AdapterLayout;
  /** Flat, (P) in the layout's order. */
  readonly values: Float32Array;
}

/** How two tensors of one name differ. */
export interface TensorDifference {
  readonly name: string;
  /** Shapes where they are not the same; then there are no numbers. */
  readonly shapes: readonly [readonly number[], readonly number[]] | null;
  /** max |a - b|; null where the shapes differ. */
  readonly maximumAbsolute: number | null;
  /** ||a - b|| / max(||a||, ||b||); 0 where both are zero, null where the shapes differ. */
  readonly relative: number | null;
}

/** How what two adapters add to one matrix differs. */
export interface ProductDifference {
  /** E.g. `blocks.0.attn.q`. */
  readonly projection: string;
  /** Cosine of the angle between the two s B A, -1 to 1; null where one is zero and the other is not. */
  readonly cosine: number | null;
  /** ||s B A - s' B' A'|| / max(||s B A||, ||s' B' A'||); 0 where both are zero. */
  readonly relative: number;
}

/** Everything in which two adapters differ. */
export interface AdapterDifference {
  /** Whether every tensor has the same bits (0 and -0 apart) and the scale is the same. */
  readonly isSame: boolean;
  /** Of rank, scale, dimension, blocks, number of classes and pooling: those that differ. */
  readonly specification: readonly FieldDifference[];
  readonly tensors: readonly TensorDifference[];
  /** Empty where dimension or blocks differ. */
  readonly products: readonly ProductDifference[];
}

/** A field with two values, as JSON. */
export interface FieldDifference {
  readonly field: string;
  readonly a: unknown;
  readonly b: unknown;
}

/** Compare two adapters' numbers. */
export function compareAdapters(a: AdapterNumbers, b: AdapterNumbers): AdapterDifference {
  const specification = compareFields(summary(a), summary(b));
  const others = new Map(b.layout.tensors.map((place) => [place.name, place]));
  const tensors = a.layout.tensors.flatMap(({ name, shape }) => {
    const other = others.get(name);
    return other === undefined ? [] : [compareTensor(a, b, name, [shape, other.shape])];
  });
  const isOneBackbone =
    a.specification.dimension === b.specification.dimension &&
    a.specification.blocks === b.specification.blocks;
  const products = isOneBackbone
    ? projectionNames(a.specification.blocks).map((name) => compareProduct(a, b, name))
    : [];
  const isEqual = tensors.every(
    ({ shapes, maximumAbsolute }) => shapes === null && maximumAbsolute === 0,
  );
  const isSame = isEqual && specification.length === 0 && a.layout.hash === b.layout.hash;
  return { isSame, specification, tensors, products };
}

function summary({ specification }: AdapterNumbers): Readonly<Record<string, unknown>> {
  const { rank, scale, dimension, blocks, classes, pooling = 'cls' } = specification;
  return { rank, scale, dimension, blocks, classes: classes.length, pooling };
}

/**
 * Compare two objects field by field, e.g. two cards.
 *
 * @returns the fields whose canonical JSON differs, in ascending order
 */
export function compareFields(
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): FieldDifference[] {
  const fields = [...new Set([...Object.keys(a), ...Object.keys(b)])].sort();
  return fields
    .map((field) => ({ field, a: a[field] ?? null, b: b[field] ?? null }))
    .filter((item) => canonicalJson(item.a) !== canonicalJson(item.b));
}

function compareTensor(
  a: AdapterNumbers,
  b: AdapterNumbers,
  name: string,
  shapes: readonly [readonly number[], readonly number[]],
): TensorDifference {
  if (shapes[0].join() !== shapes[1].join()) {
    return { name, shapes, maximumAbsolute: null, relative: null };
  }
  const x = tensorView(a.layout, a.values, name);
  const y = tensorView(b.layout, b.values, name);
  let maximumAbsolute = 0;
  let squares = 0;
  for (const [index, value] of x.entries()) {
    const difference = Math.abs(value - (y[index] ?? 0));
    maximumAbsolute = Math.max(maximumAbsolute, difference);
    squares += difference * difference;
  }
  const larger = Math.sqrt(Math.max(sumOfSquares(x), sumOfSquares(y)));
  return { name, shapes: null, maximumAbsolute, relative: ratio(Math.sqrt(squares), larger) };
}

const sumOfSquares = (values: Float32Array): number =>
  values.reduce((sum, value) => sum + value * value, 0);

const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

function compareProduct(
  a: AdapterNumbers,
  b: AdapterNumbers,
  projection: string,
): ProductDifference {
  const { dimension } = a.specification;
  const [x, y] = [factorsOf(a, projection), factorsOf(b, projection)];
  const [xx, yy] = [inner(x, x, dimension), inner(y, y, dimension)];
  const difference = subtract(x, y, dimension);
  const squares = Math.max(0, inner(difference, difference, dimension));
  const isOneZero = (xx === 0) !== (yy === 0);
  const cosine = xx === 0 ? 1 : inner(x, y, dimension) / Math.sqrt(xx * yy);
  return {
    projection,
    cosine: isOneZero ? null : Math.min(1, Math.max(-1, cosine)),
    relative: ratio(Math.sqrt(squares), Math.sqrt(Math.max(xx, yy))),
  };
}

/** A (D,D) matrix as the product of its columns and rows: `columns[k]` (D) times `rows[k]` (D), summed over k. */
interface Factors {
  readonly columns: readonly Float64Array[];
  readonly rows: readonly Float64Array[];
}

/** s B A in factors. */
function factorsOf({ specification, layout, values }: AdapterNumbers, projection: string): Factors {
  const { rank, dimension, scale } = specification;
  const a = tensorView(layout, values, `${projection}.lora_A`); // (r,D)
  const b = tensorView(layout, values, `${projection}.lora_B`); // (D,r)
  const each = Array.from({ length: rank }, (_, k) => k);
  return {
    columns: each.map((k) =>
      Float64Array.from({ length: dimension }, (_, d) => scale * (b[d * rank + k] ?? 0)),
    ),
    rows: each.map((k) => Float64Array.from(a.subarray(k * dimension, (k + 1) * dimension))),
  };
}

/**
 * X - Y in factors. Of one rank: (s B)(A - A') + (s B - s' B') A', where every product has a small factor if the two are near, so
 * that nothing cancels in float64 and a difference of one rounding is seen.
 */
function subtract(x: Factors, y: Factors, dimension: number): Factors {
  const minus = (p: Float64Array, q: Float64Array | undefined): Float64Array =>
    Float64Array.from({ length: dimension }, (_, d) => (p[d] ?? 0) - (q?.[d] ?? 0));
  if (x.rows.length !== y.rows.length) {
    const negative = y.columns.map((column) => column.map((value) => -value));
    return { columns: [...x.columns, ...negative], rows: [...x.rows, ...y.rows] };
  }
  return {
    columns: [...x.columns, ...x.columns.map((column, k) => minus(column, y.columns[k]))],
    rows: [...x.rows.map((row, k) => minus(row, y.rows[k])), ...y.rows],
  };
}

/** The inner product of two (D,D) matrices in factors, in float64. */
function inner(x: Factors, y: Factors, dimension: number): number {
  let sum = 0;
  for (const [i, column] of x.columns.entries()) {
    for (const [j, other] of y.columns.entries()) {
      sum +=
        dot(column, other, dimension) * dot(x.rows[i] ?? column, y.rows[j] ?? other, dimension);
    }
  }
  return sum;
}

function dot(x: Float64Array, y: Float64Array, dimension: number): number {
  let sum = 0;
  for (let d = 0; d < dimension; d++) sum += (x[d] ?? 0) * (y[d] ?? 0);
  return sum;
}
