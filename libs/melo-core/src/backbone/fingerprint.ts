/**
 * The fingerprint of a backbone: SHA-256 of its configuration and of every weight as float32 under canonical names.
 *
 * The pretrained classifier, the file's order, its number type's width and the spelling of its names do not matter: a timm file
 * and its Hugging Face twin give the same one, and so does a float16 file widened to float32.
 */
import { canonicalJson, concatBytes, uint64le, utf8 } from '#core/bytes';
import { encodeFloats, firstNonFinite } from '#core/adapter';
import { encodePieces, sha256 } from '#core/crypto';
import { unsupported } from './tensor-names.ts';
import type { Backbone } from './types.ts';

/**
 * Compute a backbone's fingerprint, one tensor in memory at a time.
 *
 * SHA-256 of encodePieces(['melo/1/backbone', canonical JSON of the configuration]), then for each tensor in ascending order of
 * its canonical name: LE64(length of the name) || name || LE64(dimensions) || each dimension as LE64, outermost first || the
 * values as little-endian float32, row-major.
 *
 * @param options - `onProgress`: told after each tensor; counts are of tensors
 * @returns 64 lower-case hexadecimal digits
 * @throws InputError BACKBONE_UNSUPPORTED naming a tensor with a weight that is not finite
 */
export async function fingerprintBackbone(
  backbone: Backbone,
  options: {
    readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  } = {},
): Promise<string> {
  const hash = sha256();
  const configuration = utf8(canonicalJson(backbone.configuration));
  hash.update(encodePieces([utf8('melo/1/backbone'), configuration]));
  const tensors = [...backbone.tensors].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [index, [name, { shape }]] of tensors.entries()) {
    const values = await backbone.read(name);
    if (firstNonFinite(values) >= 0) {
      throw unsupported(`tensor ${name} has a weight that is not finite`, name);
    }
    const label = utf8(name);
    const lengths = [uint64le(shape.length), ...shape.map(uint64le)];
    hash.update(concatBytes(uint64le(label.length), label, ...lengths));
    hash.update(encodeFloats(values, 'F32'));
    options.onProgress?.({ done: index + 1, total: tensors.length });
  }
  return hash.digestHex();
}
