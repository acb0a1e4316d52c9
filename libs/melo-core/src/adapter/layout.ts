/**
 * The one order in which an adapter's numbers stand in a flat Float32Array of P entries.
 *
 * Shape letters: D dimension, r rank, C classes. For each block n: `blocks.n.attn.q.lora_A` (r,D),
 * `blocks.n.attn.q.lora_B` (D,r), the same for v; then `head.weight` (C,D) and `head.bias` (C). Row-major.
 */
import { utf8, concatBytes, toHex, uint64le } from '#core/bytes';
import { blake2b256, encodePieces } from '#core/crypto';
import { assert, InputError } from '#core/errors';
import { limits } from '#core/protocol';
import type { Pooling } from '#core/protocol';
import { checkSpecification } from './specification.ts';
import type { AdapterSpecification } from './specification.ts';

/** A tensor's name and shape. */
export interface TensorSpecification {
  readonly name: string;
  readonly shape: readonly number[];
}

/** A tensor's place in the flat array. */
export interface TensorPlace extends TensorSpecification {
  /** Index of its first number. */
  readonly offset: number;
  /** How many numbers: the product of the shape. */
  readonly size: number;
}

/** Every tensor of an adapter in order. */
export interface AdapterLayout {
  readonly tensors: readonly TensorPlace[];
  /** P, numbers in all. */
  readonly size: number;
  /** BLAKE2b-256 of names and shapes, 64 hexadecimal digits; see {@link layoutHash}. */
  readonly hash: string;
}

/** Kept free of the limit on an update for the file's header, the card and the seal. */
const reservedBytes = 1024 * 1024;

/**
 * Lay out the adapter that a specification asks for.
 *
 * @throws InputError ADAPTER_SPEC_INVALID if a part is out of range or the adapter would not fit the limit on an update
 */
export function adapterLayout(specification: AdapterSpecification): AdapterLayout {
  const { rank, classes, dimension, blocks, pooling } = checkSpecification(specification);
  const specifications: TensorSpecification[] = [];
  for (let block = 0; block < blocks; block++) {
    for (const projection of ['q', 'v']) {
      const prefix = `blocks.${block}.attn.${projection}`;
      specifications.push({
        name: `${prefix}.lora_A`,
        shape: [rank, dimension],
      });
      specifications.push({
        name: `${prefix}.lora_B`,
        shape: [dimension, rank],
      });
    }
  }
  specifications.push({
    name: 'head.weight',
    shape: [classes.length, dimension],
  });
  specifications.push({ name: 'head.bias', shape: [classes.length] });

  let offset = 0;
  const tensors = specifications.map(({ name, shape }) => {
    const place = { name, shape, offset, size: shapeSize(shape) };
    offset += place.size;
    return place;
  });
  const bytes = 4 * offset;
  if (bytes > limits.updateBytesMax - reservedBytes) {
    throw new InputError(
      'ADAPTER_SPEC_INVALID',
      `adapter specification: expected at most ${limits.updateBytesMax - reservedBytes} bytes of values, rank ${rank} needs ${bytes}; lower the rank`,
      { bytes, bytesMax: limits.updateBytesMax - reservedBytes },
    );
  }
  return { tensors, size: offset, hash: layoutHash(tensors, pooling) };
}

/**
 * Hash names and shapes.
 *
 * BLAKE2b-256 of encodePieces(['melo/1/layout', name_0, dims_0, name_1, dims_1, ...]) where names are UTF-8 and dims_i is
 * each dimension as LE64, outermost first, without separators (their number follows from the piece's length).
 * Where the head does not read the class token, two pieces follow: 'pooling' and what it reads.
 *
 * @returns 64 lower-case hexadecimal digits
 */
export function layoutHash(
  tensors: readonly TensorSpecification[],
  pooling: Pooling = 'cls',
): string {
  const pieces = tensors.flatMap(({ name, shape }) => [
    utf8(name),
    concatBytes(...shape.map(uint64le)),
  ]);
  const last = pooling === 'cls' ? [] : [utf8('pooling'), utf8(pooling)];
  return toHex(blake2b256(encodePieces([utf8('melo/1/layout'), ...pieces, ...last])));
}

/**
 * Return the part of `values` that is the tensor `name`.
 *
 * @param values - flat, (P) in layout order
 * @returns a subarray that shares its memory with `values`
 * @throws InvariantError if the layout has no such tensor or `values` is not P long
 */
export function tensorView(
  layout: AdapterLayout,
  values: Float32Array,
  name: string,
): Float32Array {
  assert(
    values.length === layout.size,
    `tensorView: expected ${layout.size} numbers, got ${values.length}`,
  );
  const tensor = layout.tensors.find((candidate) => candidate.name === name);
  assert(tensor !== undefined, `tensorView: the layout has no tensor ${name}`);
  return values.subarray(tensor.offset, tensor.offset + tensor.size);
}

/** Multiply a shape's dimensions; 1 for the empty shape. */
export function shapeSize(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}
