/** What a hospital's scanner makes of a projection: contrast, exposure, blur, noise, collimation; a different look at each site. */
import type { SeededRng } from '#core/rng';
import { between, phantomSide } from './phantoms.ts';

const { ceil, exp, floor, max, min, round, sqrt } = Math; // looked up once: they run for every pixel

/** The look of one hospital's images. */
export interface ScannerLook {
  /** Slope of the film around middle grey. */
  readonly contrast: number;
  /** Added to every value, in shares of full white. */
  readonly brightness: number;
  readonly gamma: number;
  /** Standard deviation of the Gaussian blur, pixels of an image of 64; in proportion on a larger one. */
  readonly blurPixels: number;
  /** Standard deviation of the noise of few photons, where attenuation is 0; more where less comes through. */
  readonly quantumNoiseStd: number;
  /** Standard deviation of the noise that is the same everywhere. */
  readonly electronicNoiseStd: number;
  /** Mean width of the dark collimation border, pixels of an image of 64; in proportion on a larger one. */
  readonly borderPixels: number;
  /** Brightness gained from top to bottom, in shares of full white (the heel effect). */
  readonly heel: number;
}

const firstLooks: readonly ScannerLook[] = [
  {
    contrast: 1.15,
    brightness: 0.02,
    gamma: 1,
    blurPixels: 0.4,
    quantumNoiseStd: 0.012,
    electronicNoiseStd: 0.01,
    borderPixels: 0,
    heel: 0,
  },
  {
    contrast: 0.75,
    brightness: 0.12,
    gamma: 0.75,
    blurPixels: 0.95,
    quantumNoiseStd: 0.01,
    electronicNoiseStd: 0.015,
    borderPixels: 3,
    heel: 0.12,
  },
  {
    contrast: 1.35,
    brightness: -0.1,
    gamma: 1.25,
    blurPixels: 0.2,
    quantumNoiseStd: 0.028,
    electronicNoiseStd: 0.012,
    borderPixels: 1.5,
    heel: -0.1,
  },
];

/** The look of hospital `index`: three that are given, then drawn ones. */
export function scannerLook(index: number, rng: SeededRng): ScannerLook {
  return (
    firstLooks[index] ?? {
      contrast: between(rng, 0.75, 1.4),
      brightness: between(rng, -0.12, 0.12),
      gamma: between(rng, 0.75, 1.3),
      blurPixels: between(rng, 0.2, 1),
      quantumNoiseStd: between(rng, 0.01, 0.04),
      electronicNoiseStd: between(rng, 0.01, 0.02),
      borderPixels: between(rng, 0, 3),
      heel: between(rng, -0.12, 0.12),
    }
  );
}

/** Blur along both axes in place; the border repeats. */
function blur(image: Float32Array, side: number, pixels: number): void {
  const reach = ceil(3 * pixels);
  const taps = Array.from({ length: 2 * reach + 1 }, (_, index) =>
    exp(-(((index - reach) / pixels) ** 2) / 2),
  );
  const sum = taps.reduce((a, b) => a + b, 0);
  const line = new Float64Array(side);
  for (const [along, across] of [
    [1, side],
    [side, 1],
  ] as const) {
    for (let start = 0; start < side; start++) {
      for (let index = 0; index < side; index++) {
        let total = 0;
        for (let tap = -reach; tap <= reach; tap++) {
          const from = min(max(index + tap, 0), side - 1);
          total += (taps[tap + reach] ?? 0) * (image[start * across + from * along] ?? 0);
        }
        line[index] = total / sum;
      }
      for (let index = 0; index < side; index++) {
        image[start * across + index * along] = line[index] ?? 0;
      }
    }
  }
}

/**
 * Expose a projection on one scanner.
 *
 * @param attenuation - (S,S), not changed
 * @returns 8-bit grey, (S,S) row-major
 */
export function expose(attenuation: Float32Array, look: ScannerLook, rng: SeededRng): Uint8Array {
  const side = sqrt(attenuation.length);
  const unit = side / phantomSide;
  const image = attenuation.slice();
  blur(image, side, unit * look.blurPixels);
  const brightness = look.brightness + between(rng, -0.04, 0.04); // no two exposures are quite the same
  const contrast = look.contrast * between(rng, 0.93, 1.07);
  const borders = Array.from({ length: 4 }, () =>
    look.borderPixels === 0 ? 0 : unit * (look.borderPixels + between(rng, -1.5, 1.5)),
  );
  const [top = 0, bottom = 0, left = 0, right = 0] = borders;
  const pixels = new Uint8Array(image.length);
  for (const [index, value] of image.entries()) {
    const [row, column] = [floor(index / side), index % side];
    const isCovered = row < top || row >= side - bottom || column < left || column >= side - right;
    const film = contrast * (value - 0.5) + 0.5 + brightness;
    const tilted = film + look.heel * (row / side - 0.5);
    const grey = min(max(tilted, 0), 1) ** look.gamma;
    const noiseStd = look.quantumNoiseStd * exp(value) + look.electronicNoiseStd;
    const noisy = (isCovered ? 0.03 : grey) + rng.nextNormal() * (isCovered ? 0.01 : noiseStd);
    pixels[index] = round(255 * min(max(noisy, 0), 1));
  }
  return pixels;
}

/**
 * Give an image that was taken elsewhere the look of one scanner; its colours, where it has any, keep their distance from grey.
 *
 * @param rgb - bytes (S,S,3), not changed
 * @returns bytes (S,S,3), new
 */
export function rescan(rgb: Uint8Array, look: ScannerLook, rng: SeededRng): Uint8Array {
  const grey = new Float32Array(rgb.length / 3);
  for (let index = 0; index < grey.length; index++) {
    const sum = (rgb[3 * index] ?? 0) + (rgb[3 * index + 1] ?? 0) + (rgb[3 * index + 2] ?? 0);
    grey[index] = sum / 765;
  }
  const exposed = expose(grey, look, rng);
  return Uint8Array.from(rgb, (value, index) => {
    const pixel = floor(index / 3);
    const moved = value + (exposed[pixel] ?? 0) - 255 * (grey[pixel] ?? 0);
    return round(min(max(moved, 0), 255));
  });
}
