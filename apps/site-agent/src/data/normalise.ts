/** Bytes to numbers: (pixel / 255 - mean) / std by channel. */
import type { Preprocessing } from '#core/protocol';

/** Normalises one decoded image: bytes (S,S,3) to (3,S,S) in float32, new. */
export type NormaliseImage = (rgb: Uint8Array) => Float32Array;

/** The number of each byte value in each channel, (3,256). */
function valueTable({ mean, std }: Preprocessing): Float32Array {
  return Float32Array.from({ length: 3 * 256 }, (_, index) => {
    const channel = index >> 8;
    return ((index & 255) / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1);
  });
}

/** Make the normalisation of a preprocessing: a byte has 256 values, so each number is computed once. */
export function imageNormaliser(preprocessing: Preprocessing): NormaliseImage {
  const pixels = preprocessing.imageSize ** 2;
  const table = valueTable(preprocessing);
  return (rgb) => {
    if (rgb.length !== 3 * pixels) throw new RangeError(`image: expected ${3 * pixels} bytes`);
    const values = new Float32Array(3 * pixels);
    for (let channel = 0; channel < 3; channel++) {
      for (let pixel = 0; pixel < pixels; pixel++) {
        // (S,S,3) -> (3,S,S)
        values[channel * pixels + pixel] =
          table[256 * channel + (rgb[3 * pixel + channel] ?? 0)] ?? 0;
      }
    }
    return values;
  };
}

/**
 * Normalise one decoded image.
 *
 * @param rgb - bytes (S,S,3)
 * @returns (3,S,S) in float32, new
 */
export function normaliseImage(rgb: Uint8Array, preprocessing: Preprocessing): Float32Array {
  return imageNormaliser(preprocessing)(rgb);
}
