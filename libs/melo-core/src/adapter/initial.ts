/** Version 0 of an adapter, which anyone can derive again from the task's public seed. */
import { fromHex, utf8 } from '#core/bytes';
import { blake2b256, checkBytes, deterministicBytes, encodePieces } from '#core/crypto';
import { adapterLayout } from './layout.ts';
import type { AdapterSpecification } from './specification.ts';

/**
 * Derive version 0: every A uniform in [-1/sqrt D, 1/sqrt D), every B and the head zero, so that it changes nothing yet.
 *
 * The seed of a tensor is BLAKE2b-256(encodePieces(['melo/1/initial', public seed (32 bytes), the tensor's name])). The key
 * stream of {@link deterministicBytes} under it, read as LE32 words u_0, u_1, ..., gives the tensor's values in row-major
 * order: a_i = float32((u_i / 2^31 - 1) / sqrt(D)), in float64 and rounded once. No tensor depends on another one.
 *
 * @param specification - what the adapter is
 * @param publicSeed    - 64 hexadecimal digits
 * @returns flat, (P) in the layout's order, a new array
 * @throws InputError ADAPTER_SPEC_INVALID if a part is out of range
 * @throws RangeError if the seed is not 32 bytes of hexadecimal
 * @see Zhu et al. 2023, MeLo, https://arxiv.org/abs/2311.08236; Kaiming uniform with a = sqrt 5 has this bound
 */
export function initialAdapter(
  specification: AdapterSpecification,
  publicSeed: string,
): Float32Array {
  const layout = adapterLayout(specification);
  const seed = checkBytes(fromHex(publicSeed), 32, 'public seed');
  const values = new Float32Array(layout.size); // (P), zero
  const root = Math.sqrt(specification.dimension);
  for (const { name, offset, size } of layout.tensors) {
    if (!name.endsWith('.lora_A')) continue;
    const key = blake2b256(encodePieces([utf8('melo/1/initial'), seed, utf8(name)]));
    const words = deterministicBytes(key, 4 * size);
    const view = new DataView(words.buffer, words.byteOffset, words.byteLength);
    for (let index = 0; index < size; index++) {
      values[offset + index] = (view.getUint32(4 * index, true) / 2 ** 31 - 1) / root;
    }
  }
  return values;
}
