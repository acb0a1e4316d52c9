/**
 * What other tools' adapter files have in common once they are read: numbers in our layout, and what had to be said on the way.
 *
 * Shape letters: D dimension, L blocks, r rank, C classes, P numbers of an adapter. What a format holds and ours cannot (or the
 * other way round) is refused by name, never rounded off silently.
 */
import {
  adapterLayout,
  adapterSpecification,
  decodeFloats,
  firstNonFinite,
  initialAdapter,
  tensorView,
  type AdapterLayout,
  type AdapterSpecification,
  type SafetensorsFile,
} from '#core/adapter';
import { InputError, type ErrorDetails } from '#core/errors';
import { limits } from '#core/protocol';
import type { Origin } from './origin.ts';

/** A file format of another tool. */
export type ForeignFormat = 'peft' | 'official';

/** An adapter out of another tool's file. */
export interface ForeignAdapter {
  readonly format: ForeignFormat;
  /** Its classes are `class 0`, `class 1`, ...: these formats have no names for them. */
  readonly specification: AdapterSpecification;
  readonly layout: AdapterLayout;
  /** Flat, (P) in the layout's order, finite. */
  readonly values: Float32Array;
  /** What a person should know: what was filled in, what is recorded otherwise. One sentence each. */
  readonly notes: readonly string[];
  /** The card that our own writer put beside the tensors; null where another tool wrote the file. */
  readonly origin: Origin | null;
}

/** A low-rank pair: `a` (r,D) and `b` (D,r), row-major. */
export interface LowRankPair {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/** What an adapter of another format has to be refused for. */
export function unrepresentable(
  format: string,
  what: string,
  remedy: string,
  details: ErrorDetails = {},
): InputError {
  return new InputError('ADAPTER_UNSUPPORTED', `${format} adapter: ${what}; ${remedy}`, details);
}

/** A name as a message may show it. */
export function shorten(name: string): string {
  return name.length > 120 ? `${name.slice(0, 120)}...` : name;
}

/**
 * Read one tensor of a foreign file as float32.
 *
 * @param shape - what it must have, row-major
 * @returns a new array
 * @throws InputError TENSOR_MISSING, TENSOR_SHAPE_MISMATCH, TENSOR_DTYPE_UNSUPPORTED or NON_FINITE_UPDATE naming the tensor
 */
export function readForeignTensor(
  file: SafetensorsFile,
  name: string,
  shape: readonly number[],
): Float32Array {
  const tensor = file.tensors.get(name);
  if (tensor === undefined) {
    throw new InputError(
      'TENSOR_MISSING',
      `adapter: expected tensor ${shorten(name)}, the file has none; save or fetch the adapter again`,
      { tensor: shorten(name) },
    );
  }
  if (tensor.shape.join() !== shape.join()) {
    throw new InputError(
      'TENSOR_SHAPE_MISMATCH',
      `adapter: tensor ${shorten(name)}: expected (${shape.join(', ')}), got (${tensor.shape.join(', ')}); the same rank and width are needed everywhere`,
      { tensor: shorten(name), expected: [...shape], actual: [...tensor.shape] },
    );
  }
  const values = decodeFloats(tensor.data, tensor.dtype);
  const index = firstNonFinite(values);
  if (index < 0) return values;
  throw new InputError(
    'NON_FINITE_UPDATE',
    `adapter: tensor ${shorten(name)}: expected finite numbers, entry ${index} of ${values.length} is not; train it again`,
    { tensor: shorten(name), index },
  );
}

/**
 * Return a matrix's shape.
 *
 * @returns rows and columns, each 1 or more
 * @throws InputError TENSOR_SHAPE_MISMATCH where the tensor is absent or no matrix
 */
export function matrixShape(file: SafetensorsFile, name: string): [rows: number, columns: number] {
  const shape = file.tensors.get(name)?.shape ?? [];
  const [rows, columns] = shape;
  if (shape.length === 2 && rows !== undefined && columns !== undefined && rows * columns > 0) {
    return [rows, columns];
  }
  throw new InputError(
    'TENSOR_SHAPE_MISMATCH',
    `adapter: tensor ${shorten(name)}: expected a matrix, got (${shape.join(', ')}); save the adapter again`,
    { tensor: shorten(name), actual: [...shape] },
  );
}

/** Names for the classes of a file that has none. */
function placeholderClasses(count: number, format: ForeignFormat): string[] {
  if (count >= 2 && count <= limits.classesMax) {
    return Array.from({ length: count }, (_, index) => `class ${index}`);
  }
  throw unrepresentable(
    format,
    `expected a head of 2 to ${limits.classesMax} classes, it has ${count}`,
    'train a head of that size',
    { classes: count },
  );
}

/**
 * Put the parts of a foreign adapter into our layout.
 *
 * A pair that the file does not have gets the A of version 0 under an all-zero seed and a B of zeros: it changes nothing and can
 * be trained on.
 *
 * @param parts - `alpha`: such that s = alpha / rank in W' = W + s B A, a real division;
 *   `pairs`: by `blocks.n.attn.q` and `blocks.n.attn.v`;
 *   `headWeight`: (C,D); `headBias`: (C)
 * @throws InputError ADAPTER_SPEC_INVALID or ADAPTER_UNSUPPORTED where a part is out of our ranges
 */
export function assembleForeign(parts: {
  readonly format: ForeignFormat;
  readonly rank: number;
  readonly alpha: number;
  readonly dimension: number;
  readonly blocks: number;
  readonly pairs: ReadonlyMap<string, LowRankPair>;
  readonly headWeight: Float32Array;
  readonly headBias: Float32Array;
  readonly notes: readonly string[];
  readonly origin: Origin | null;
}): ForeignAdapter {
  const { format, rank, alpha, dimension, blocks, pairs, headBias, notes, origin } = parts;
  const classes = placeholderClasses(headBias.length, format);
  const specification = adapterSpecification({ rank, alpha, classes, dimension, blocks });
  const layout = adapterLayout(specification);
  const values = initialAdapter(specification, '00'.repeat(32)); // (P): every B is zero
  for (const [projection, { a, b }] of pairs) {
    tensorView(layout, values, `${projection}.lora_A`).set(a); // (r,D)
    tensorView(layout, values, `${projection}.lora_B`).set(b); // (D,r)
  }
  tensorView(layout, values, 'head.weight').set(parts.headWeight); // (C,D)
  tensorView(layout, values, 'head.bias').set(headBias); // (C)
  return { format, specification, layout, values, notes, origin };
}

/**
 * Refuse to write an adapter whose head reads something else than the class token: other tools' classifiers read that one.
 *
 * @throws InputError ADAPTER_UNSUPPORTED naming what it reads
 */
export function checkClassToken(
  { pooling = 'cls' }: AdapterSpecification,
  format: ForeignFormat,
): void {
  if (pooling === 'cls') return;
  throw unrepresentable(
    format,
    `the head reads the ${pooling} of the tokens, a classifier of that format the class token`,
    'keep it in the format melo',
    { pooling },
  );
}

/** Name the projections of all blocks in our layout's order: `blocks.0.attn.q`, `blocks.0.attn.v`, ... */
export function projectionNames(blocks: number): string[] {
  return Array.from({ length: blocks }, (_, block) => [
    `blocks.${block}.attn.q`,
    `blocks.${block}.attn.v`,
  ]).flat();
}
