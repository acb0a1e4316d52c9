/** The safetensors writer: the same input gives the same bytes. @see https://github.com/huggingface/safetensors, "Format" */
import { concatBytes, uint64le, utf8 } from '#core/bytes';
import { assert } from '#core/errors';
import { dtypeBytes, encodeFloats } from './float-codec.ts';
import { shapeSize } from './layout.ts';
import { checkName, metadataKey, type SafetensorsTensor } from './safetensors.ts';

/** A tensor to be written as float32. */
export interface FloatTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major, as many as the product of `shape`. */
  readonly values: Float32Array;
}

/**
 * Write float32 tensors; the same input gives the same bytes.
 *
 * The header is JSON without white space: `__metadata__` first (left out where it is empty), then the tensors in the given
 * order, which is the order of their bytes too; spaces after it bring its length to a multiple of 8.
 *
 * @param file - `tensors`: in the order they are written, every name once;
 *   `metadata`: text to text, written in the order of its keys
 */
export function encodeSafetensors(file: {
  readonly tensors: readonly FloatTensor[];
  readonly metadata: Readonly<Record<string, string>>;
}): Uint8Array {
  const tensors = file.tensors.map(({ name, shape, values }) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: encodeFloats(values, 'F32'),
  }));
  return encodeSafetensorsBytes({ tensors, metadata: file.metadata });
}

/** Write tensors of any number type whose elements are given as bytes; see {@link encodeSafetensors}. */
export function encodeSafetensorsBytes(file: {
  readonly tensors: readonly ({ readonly name: string } & SafetensorsTensor)[];
  readonly metadata: Readonly<Record<string, string>>;
}): Uint8Array {
  // Joined by hand: an object would move names that look like numbers to the front.
  const fields: string[] = [];
  if (Object.keys(file.metadata).length > 0) {
    fields.push(`${JSON.stringify(metadataKey)}:${JSON.stringify(file.metadata)}`);
  }
  const seen = new Set<string>([metadataKey]);
  let position = 0;
  for (const { name, dtype, shape, data } of file.tensors) {
    assert(!seen.has(checkName(name)), `encodeSafetensors: tensor ${name} stands twice`);
    seen.add(name);
    const expected = shapeSize(shape) * dtypeBytes[dtype];
    assert(data.length === expected, `encodeSafetensors: tensor ${name} does not fill its shape`);
    const end = position + data.length;
    fields.push(
      `${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [position, end] })}`,
    );
    position = end;
  }
  const json = utf8(`{${fields.join(',')}}`);
  const padding = new Uint8Array((8 - (json.length % 8)) % 8).fill(0x20);
  return concatBytes(
    uint64le(json.length + padding.length),
    json,
    padding,
    ...file.tensors.map(({ data }) => data),
  );
}
