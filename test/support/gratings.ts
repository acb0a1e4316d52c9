/**
 * Drawn images on which a linear probe falls behind: two small gratings somewhere in the left and the right half, of the
 * same orientation or at right angles. Each alone says nothing about the class; only comparing them does.
 */
import type { LabelledImages } from '#core/training';
import { seededRng } from '#core/rng';
import type { SeededRng } from '#core/rng';

/** Class names in the order of their indices. */
export const gratingClasses = ['different', 'same'] as const;

/** How the images look; the figures of docs/results.md are for the defaults. */
export interface GratingsOptions {
  readonly count: number;
  /** Text; other seeds give other images. */
  readonly seed: string;
  /** S, pixels along one side. */
  readonly imageSize?: number;
  /** Pixels along one side of the square that has waves. */
  readonly patchSizePx?: number;
  /** Pixels of one wave. */
  readonly periodPx?: number;
  /** Grey levels from the middle to the crest. */
  readonly amplitude?: number;
  /** Standard deviation of the noise, grey levels. */
  readonly noiseStd?: number;
}

/** Pixels are scaled as for mean = std = 0.5. */
const toInput = (grey: number): number => Math.min(255, Math.max(0, Math.round(grey))) / 127.5 - 1;

/** A square of waves in one half of the image. */
interface Patch {
  readonly left: number;
  readonly top: number;
  /** Height of the wave at a pixel, in [-1, 1]. */
  readonly wave: (x: number, y: number) => number;
}

/** Place a patch in the half that begins at `halfLeft`: waves across `angle`, from a random phase. */
function placePatch(
  rng: SeededRng,
  halfLeft: number,
  angle: number,
  size: { readonly imageSize: number; readonly patchSizePx: number; readonly periodPx: number },
): Patch {
  const { imageSize, patchSizePx, periodPx } = size;
  const left = halfLeft + rng.nextInteger(imageSize / 2 - patchSizePx + 1);
  const top = rng.nextInteger(imageSize - patchSizePx + 1);
  const phase = 2 * Math.PI * rng.nextFloat();
  const along = ((2 * Math.PI) / periodPx) * Math.cos(angle);
  const across = ((2 * Math.PI) / periodPx) * Math.sin(angle);
  return { left, top, wave: (x, y) => Math.sin(along * x + across * y + phase) };
}

/** Draw one image (3,S,S), the three channels alike, and normalised. */
function drawImage(rng: SeededRng, isSame: boolean, options: GratingsOptions): Float32Array {
  const { imageSize = 224, patchSizePx = 32, periodPx = 16 } = options;
  const { amplitude = 50, noiseStd = 25 } = options;
  const size = { imageSize, patchSizePx, periodPx };
  const angle = Math.PI * rng.nextFloat();
  const patches = [
    placePatch(rng, 0, angle, size),
    placePatch(rng, imageSize / 2, isSame ? angle : angle + Math.PI / 2, size),
  ];
  const plane = new Float32Array(imageSize * imageSize);
  for (let index = 0; index < plane.length; index++)
    plane[index] = 128 + noiseStd * rng.nextNormal();
  for (const { left, top, wave } of patches) {
    for (let y = top; y < top + patchSizePx; y++) {
      for (let x = left; x < left + patchSizePx; x++) {
        const at = y * imageSize + x;
        plane[at] = (plane[at] ?? 0) + amplitude * wave(x, y);
      }
    }
  }
  const image = new Float32Array(3 * plane.length);
  const normalised = plane.map(toInput);
  for (let channel = 0; channel < 3; channel++) image.set(normalised, channel * plane.length);
  return image;
}

/** Draw labelled images; as many of each class, in turn. They are drawn when asked for, the same each time. */
export function gratings(options: GratingsOptions): LabelledImages {
  const { count, seed } = options;
  return {
    count,
    labels: Array.from({ length: count }, (_, index) => index % 2),
    load: async (index) =>
      drawImage(seededRng(`gratings/${seed}/${index}`), index % 2 === 1, options),
  };
}
