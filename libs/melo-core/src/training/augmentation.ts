/**
 * Changes training images at random: mirrored, turned, cropped, brighter or darker, with more or less contrast.
 *
 * It works on normalised pixels (3,S,S), after decoding and the cache and before the engine; an evaluation never sees it.
 * Every image of every epoch has a stream of its own, so a round that was interrupted gives the same pixels.
 *
 * Geometry is one map and one bilinear reading: output pixel (x, y) of the whole image stands, by its middle, at
 * (x + 1/2, y + 1/2) / S; it is mirrored, then put into the crop, then turned about the image's middle, and read there.
 * What lies outside the image is as its nearest edge. Then, by channel, v -> mean + f (v - mean) + shift.
 */
import { checkLength } from '#core/check';
import type { StandardAugmentation } from '#core/protocol';
import { seededRng } from '#core/rng';
import type { SeededRng } from '#core/rng';

/** What was drawn for one image. */
export interface ImageChange {
  readonly isMirrored: boolean;
  /** Counter-clockwise as the image is seen. */
  readonly rotationRadians: number;
  /** The part of the image that is kept, as shares of its side. */
  readonly crop: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  };
  /** Added to every number, in standard deviations of the preprocessing. */
  readonly shift: number;
  /** f, by which the distance from a channel's mean is multiplied. */
  readonly contrast: number;
}

const between = (rng: SeededRng, low: number, high: number): number =>
  low + (high - low) * rng.nextFloat();

/** A crop of area a S^2, a in [cropAreaMin, 1], sides w / h in [1 / cropAspectMax, cropAspectMax] by logarithm, at any place. */
function drawCrop(augmentation: StandardAugmentation, rng: SeededRng): ImageChange['crop'] {
  const area = between(rng, augmentation.cropAreaMin, 1);
  const limit = Math.log(augmentation.cropAspectMax);
  const aspect = Math.exp(between(rng, -limit, limit));
  const width = Math.min(1, Math.sqrt(area * aspect));
  const height = Math.min(1, Math.sqrt(area / aspect));
  return { left: between(rng, 0, 1 - width), top: between(rng, 0, 1 - height), width, height };
}

/**
 * Draw how an image is changed; always the same number of draws, so that one option does not move another's.
 *
 * @param augmentation - its ranges
 * @param seed - text that fixes the draws: one for each image of each epoch
 */
export function drawChange(augmentation: StandardAugmentation, seed: string): ImageChange {
  const rng = seededRng(seed);
  const { horizontalFlipShare, rotationDegrees, brightness, contrast } = augmentation;
  const limit = (rotationDegrees * Math.PI) / 180;
  return {
    isMirrored: rng.nextFloat() < horizontalFlipShare,
    rotationRadians: between(rng, -limit, limit),
    crop: drawCrop(augmentation, rng),
    shift: between(rng, -brightness, brightness),
    contrast: between(rng, 1 - contrast, 1 + contrast),
  };
}

/** Geometry: (3,S,S) -> (3,S,S), new. One loop without objects: it runs for every pixel of every step. */
function warp(pixels: Float32Array, size: number, change: ImageChange): Float32Array {
  const { crop, rotationRadians, isMirrored } = change;
  const [cosine, sine] = [Math.cos(rotationRadians), Math.sin(rotationRadians)];
  const area = size * size;
  const last = size - 1;
  const out = new Float32Array(pixels.length);
  for (let y = 0; y < size; y++) {
    const v = crop.top + (crop.height * (y + 0.5)) / size - 0.5;
    for (let x = 0; x < size; x++) {
      const across = isMirrored ? last - x : x;
      const u = crop.left + (crop.width * (across + 0.5)) / size - 0.5;
      // Coordinates of pixel middles, clamped to the image: between `left` and the pixel right of it, by `toRight`.
      const column = Math.min(last, Math.max(0, (cosine * u - sine * v + 0.5) * size - 0.5));
      const row = Math.min(last, Math.max(0, (sine * u + cosine * v + 0.5) * size - 0.5));
      const left = Math.floor(column);
      const top = Math.floor(row);
      const toRight = column - left;
      const down = row - top;
      const place = top * size + left;
      const right = left < last ? 1 : 0;
      const below = top < last ? size : 0;
      for (let at = place, to = y * size + x; to < out.length; at += area, to += area) {
        const first = pixels[at] ?? 0;
        const third = pixels[at + below] ?? 0;
        const upper = first + toRight * ((pixels[at + right] ?? 0) - first);
        const lower = third + toRight * ((pixels[at + below + right] ?? 0) - third);
        out[to] = upper + down * (lower - upper);
      }
    }
  }
  return out;
}

/** Mirror left to right without a reading between pixels: (3,S,S) -> (3,S,S), new. */
function mirror(pixels: Float32Array, size: number): Float32Array {
  const out = pixels.slice();
  for (let start = 0; start < out.length; start += size)
    out.subarray(start, start + size).reverse();
  return out;
}

/** Brightness and contrast by channel, in place. */
function changeTone(pixels: Float32Array, area: number, { shift, contrast }: ImageChange): void {
  for (let plane = 0; plane < pixels.length; plane += area) {
    let sum = 0;
    for (let at = plane; at < plane + area; at++) sum += pixels[at] ?? 0;
    const mean = sum / area;
    for (let at = plane; at < plane + area; at++) {
      pixels[at] = mean + contrast * ((pixels[at] ?? 0) - mean) + shift;
    }
  }
}

/**
 * Change an image as it was drawn.
 *
 * @param pixels - normalised, (3,S,S), not changed
 * @param change - see {@link drawChange}
 * @returns (3,S,S), new
 * @throws InputError UPDATE_SHAPE_MISMATCH if the image is not square
 */
export function changeImage(pixels: Float32Array, change: ImageChange): Float32Array {
  const size = Math.round(Math.sqrt(pixels.length / 3));
  checkLength(pixels, 3 * size * size, 'image');
  const { crop, rotationRadians, isMirrored, shift, contrast } = change;
  const isWhole = rotationRadians === 0 && crop.width === 1 && crop.height === 1;
  const moved = (): Float32Array => (isMirrored ? mirror(pixels, size) : pixels.slice());
  const out = isWhole ? moved() : warp(pixels, size, change);
  if (shift !== 0 || contrast !== 1) changeTone(out, size * size, change);
  return out;
}
