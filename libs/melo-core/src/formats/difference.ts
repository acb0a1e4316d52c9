/**
 * Where two adapters differ: tensor by tensor, and matrix by matrix in what they do, s B A.
 *
 * s B A is compared without making a (D,D) matrix: (B A) . (B' A') is the sum of the entries of (B^T B') o (A A'^T), both (r,r').
 * So two adapters of different ranks can be compared too.
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
  /** Of rank, scale, dimension, blocks and number of classes: those that differ. */
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
  const { rank, scale, dimension, blocks, classes } = specification;
  return { rank, scale, dimension, blocks, classes: classes.length };
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
  const aa = productDot(a, a, projection);
  const bb = productDot(b, b, projection);
  const ab = productDot(a, b, projection);
  const squares = Math.max(0, aa - 2 * ab + bb);
  const isOneZero = (aa === 0) !== (bb === 0);
  const cosine = aa === 0 ? 1 : ab / Math.sqrt(aa * bb);
  return {
    projection,
    cosine: isOneZero ? null : Math.min(1, Math.max(-1, cosine)),
    relative: ratio(Math.sqrt(squares), Math.sqrt(Math.max(aa, bb))),
  };
}

/** The inner product of s B A and s' B' A', two adapters at one matrix, in float64. */
function productDot(a: AdapterNumbers, b: AdapterNumbers, projection: string): number {
  const { dimension, rank, scale } = a.specification;
  const { rank: otherRank, scale: otherScale } = b.specification;
  const view = (adapter: AdapterNumbers, side: string): Float32Array =>
    tensorView(adapter.layout, adapter.values, `${projection}.lora_${side}`);
  const [A, B, A2, B2] = [view(a, 'A'), view(a, 'B'), view(b, 'A'), view(b, 'B')];
  let sum = 0;
  for (let i = 0; i < rank; i++) {
    for (let j = 0; j < otherRank; j++) {
      let rows = 0; // (A A'^T)_ij
      let columns = 0; // (B^T B')_ij
      for (let d = 0; d < dimension; d++) {
        rows += (A[i * dimension + d] ?? 0) * (A2[j * dimension + d] ?? 0);
        columns += (B[d * rank + i] ?? 0) * (B2[d * otherRank + j] ?? 0);
      }
      sum += rows * columns;
    }
  }
  return scale * otherScale * sum;
}
