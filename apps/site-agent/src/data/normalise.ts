/** Bytes to numbers: (pixel / 255 - mean) / std by channel. */
import type { Preprocessing } from '#core/protocol';

/**
 * Normalise one decoded image.
 *
 * @param rgb - bytes (S,S,3)
 * @returns (3,S,S) in float32, new
 */
export function normaliseImage(rgb: Uint8Array, preprocessing: Preprocessing): Float32Array {
  const pixels = preprocessing.imageSize ** 2;
  if (rgb.length !== 3 * pixels) throw new RangeError(`image: expected ${3 * pixels} bytes`);
  const values = new Float32Array(3 * pixels);
  for (let channel = 0; channel < 3; channel++) {
    const mean = preprocessing.mean[channel] ?? 0;
    const std = preprocessing.std[channel] ?? 1;
    for (let pixel = 0; pixel < pixels; pixel++) {
      // (S,S,3) -> (3,S,S)
      values[channel * pixels + pixel] = ((rgb[3 * pixel + channel] ?? 0) / 255 - mean) / std;
    }
  }
  return values;
}
