/**
 * Drawn images on which a linear probe falls behind: two gratings, in the left and the right half, of the same or of
 * different orientation. Each half alone says nothing about the class; only comparing them does.
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
  /** Pixels of one wave. */
  readonly periodPx?: number;
  /** Grey levels from the middle to the crest. */
  readonly amplitude?: number;
  /** Standard deviation of the noise, grey levels. */
  readonly noiseStd?: number;
}

/** Pixels are scaled as for mean = std = 0.5. */
const toInput = (grey: number): number => Math.min(255, Math.max(0, Math.round(grey))) / 127.5 - 1;

/** Draw one grating's value at a pixel: waves along x or along y, from a random phase. */
function grating(
  rng: SeededRng,
  isVertical: boolean,
  periodPx: number,
): (x: number, y: number) => number {
  const phase = 2 * Math.PI * rng.nextFloat();
  const frequency = (2 * Math.PI) / periodPx;
  return (x, y) => Math.sin(frequency * (isVertical ? x : y) + phase);
}

/** Draw one image (3,S,S), the three channels alike, and normalised. */
function drawImage(rng: SeededRng, isSame: boolean, options: GratingsOptions): Float32Array {
  const { imageSize = 224, periodPx = 16, amplitude = 50, noiseStd = 25 } = options;
  const isLeftVertical = rng.nextInteger(2) === 1;
  const left = grating(rng, isLeftVertical, periodPx);
  const right = grating(rng, isSame ? isLeftVertical : !isLeftVertical, periodPx);
  const plane = new Float32Array(imageSize * imageSize);
  for (let y = 0; y < imageSize; y++) {
    for (let x = 0; x < imageSize; x++) {
      const wave = x < imageSize / 2 ? left(x, y) : right(x, y);
      plane[y * imageSize + x] = toInput(128 + amplitude * wave + noiseStd * rng.nextNormal());
    }
  }
  const image = new Float32Array(3 * plane.length);
  for (let channel = 0; channel < 3; channel++) image.set(plane, channel * plane.length);
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
