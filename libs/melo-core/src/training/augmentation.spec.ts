import fc from 'fast-check';
import { trainingPlanSchema } from '#core/protocol';
import type { StandardAugmentation } from '#core/protocol';
import { seededRng } from '#core/rng';
import { changeImage, drawChange } from './augmentation.ts';
import type { ImageChange } from './augmentation.ts';

const size = 12;
const identity: ImageChange = {
  isMirrored: false,
  rotationRadians: 0,
  crop: { left: 0, top: 0, width: 1, height: 1 },
  shift: 0,
  contrast: 1,
};

const image = (seed: string): Float32Array => {
  const rng = seededRng(seed);
  return Float32Array.from({ length: 3 * size * size }, () => rng.nextNormal());
};

const augmentation = (parts: object = {}): StandardAugmentation => {
  const plan = trainingPlanSchema.parse({
    version: 1,
    optimiser: { name: 'adamw', learningRate: 0.01 },
    schedule: { name: 'cosine', totalRounds: 1 },
    duration: { unit: 'epochs', count: 1 },
    batchSize: 1,
    loss: { name: 'cross-entropy' },
    augmentation: { name: 'standard', laterality: false, ...parts },
    seed: 0,
  });
  if (plan.augmentation.name === 'none') throw new Error('expected an augmentation');
  return plan.augmentation;
};

const everything = {
  horizontalFlipShare: 0.5,
  rotationDegrees: 20,
  cropAreaMin: 0.6,
  cropAspectMax: 1.3,
  brightness: 0.5,
  contrast: 0.4,
};

const changes: fc.Arbitrary<ImageChange> = fc
  .string()
  .map((seed) => drawChange(augmentation(everything), seed));
const geometry = changes.map((change) => ({ ...change, shift: 0, contrast: 1 }));
const seeds = fc.string({ maxLength: 8 });

const mean = (values: Float32Array): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

describe('a changed image', () => {
  test('is the same for the same draws, and leaves the original as it was', () => {
    fc.assert(
      fc.property(seeds, changes, (seed, change) => {
        const pixels = image(seed);
        const first = changeImage(pixels, change);
        expect(changeImage(pixels, change)).toEqual(first);
        expect(pixels).toEqual(image(seed));
        expect(first.buffer).not.toBe(pixels.buffer);
      }),
      { numRuns: 30 },
    );
  });

  test('is the image itself where nothing was drawn', () => {
    expect(changeImage(image('same'), identity)).toEqual(image('same'));
  });

  test('stays between the least and the greatest number under any geometry', () => {
    fc.assert(
      fc.property(seeds, geometry, (seed, change) => {
        const pixels = image(seed);
        const [low, high] = [Math.min(...pixels), Math.max(...pixels)];
        for (const value of changeImage(pixels, change)) {
          expect(value).toBeGreaterThanOrEqual(low - 1e-5);
          expect(value).toBeLessThanOrEqual(high + 1e-5);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('that is of one colour keeps it under any geometry, channel by channel', () => {
    fc.assert(
      fc.property(geometry, (change) => {
        const pixels = new Float32Array(3 * size * size);
        for (const channel of [0, 1, 2]) {
          pixels.fill(channel - 0.5, channel * size * size, (channel + 1) * size * size);
        }
        for (const [index, value] of changeImage(pixels, change).entries()) {
          expect(value).toBeCloseTo(Math.floor(index / (size * size)) - 0.5, 5);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('that is mirrored twice is the image; mirrored once, its rows are reversed', () => {
    const pixels = image('mirror');
    const mirrored = { ...identity, isMirrored: true };
    const once = changeImage(pixels, mirrored);
    expect(changeImage(once, mirrored)).toEqual(pixels);
    expect([...once.subarray(0, size)]).toEqual([...pixels.subarray(0, size)].reverse());
    expect(once.at(-1)).toBe(pixels.at(-size));
  });

  test('that is mirrored while it is read between pixels is mirrored all the same', () => {
    const pixels = image('both');
    const turned = { ...identity, rotationRadians: 1e-9 };
    const mirrored = changeImage(pixels, { ...turned, isMirrored: true });
    const expected = changeImage(pixels, { ...identity, isMirrored: true });
    for (const [index, value] of mirrored.entries()) {
      expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 5);
    }
  });

  test('turned by a quarter has its columns as rows: counter-clockwise as it is seen', () => {
    const pixels = image('quarter');
    const turned = changeImage(pixels, { ...identity, rotationRadians: Math.PI / 2 });
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        // What stood at the right edge stands at the top.
        expect(turned[y * size + x]).toBeCloseTo(
          pixels[x * size + (size - 1 - y)] ?? Number.NaN,
          4,
        );
      }
    }
  });

  test('cropped to its left upper quarter is that quarter, twice as large', () => {
    const ramp = Float32Array.from({ length: 3 * size * size }, (_, index) => index % size);
    const crop = { left: 0, top: 0, width: 0.5, height: 0.5 };
    const cropped = changeImage(ramp, { ...identity, crop });
    for (let x = 1; x < size; x++) expect(cropped[x]).toBeCloseTo((x + 0.5) / 2 - 0.5, 5);
    expect(cropped[0]).toBe(0); // outside the middle of the first pixel: its own value
  });

  test('keeps its mean by channel under contrast, and moves by the shift', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.double({ min: -1, max: 1, noNaN: true }),
        fc.double({ min: 0.1, max: 1.9, noNaN: true }),
        (seed, shift, contrast) => {
          const pixels = image(seed);
          const changed = changeImage(pixels, { ...identity, shift, contrast });
          for (const channel of [0, 1, 2]) {
            const range = [channel * size * size, (channel + 1) * size * size] as const;
            const before = mean(pixels.subarray(...range));
            expect(mean(changed.subarray(...range))).toBeCloseTo(before + shift, 4);
            const [first = 0] = pixels.subarray(...range);
            expect(changed[range[0]]).toBeCloseTo(before + contrast * (first - before) + shift, 4);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  test('must be square', () => {
    expect(() => changeImage(new Float32Array(3 * 5), identity)).toThrow(
      expect.objectContaining({ code: 'UPDATE_SHAPE_MISMATCH' }),
    );
  });
});

describe('draws', () => {
  test('stay within the ranges of the plan', () => {
    fc.assert(
      fc.property(changes, ({ rotationRadians, crop, shift, contrast }) => {
        expect(Math.abs(rotationRadians)).toBeLessThanOrEqual((20 * Math.PI) / 180);
        expect(Math.abs(shift)).toBeLessThanOrEqual(0.5);
        expect(Math.abs(contrast - 1)).toBeLessThanOrEqual(0.4);
        const { left, top, width, height } = crop;
        expect(Math.min(left, top)).toBeGreaterThanOrEqual(0);
        expect(Math.max(left + width, top + height)).toBeLessThanOrEqual(1 + 1e-12);
        expect(width * height).toBeGreaterThanOrEqual(0.6 / 1.3);
        expect(Math.abs(Math.log(width / height))).toBeLessThanOrEqual(Math.log(1.3) + 1e-9);
      }),
    );
  });

  test('of an augmentation with everything off change nothing', () => {
    const change = drawChange(augmentation(), 'seed');
    expect(changeImage(image('off'), change)).toEqual(image('off'));
  });

  test('mirror about the wanted share of the images', () => {
    const drawn = Array.from({ length: 400 }, (_, index) =>
      drawChange(augmentation({ horizontalFlipShare: 0.25 }), `image ${index}`),
    );
    const share = drawn.filter(({ isMirrored }) => isMirrored).length / drawn.length;
    expect(Math.abs(share - 0.25)).toBeLessThan(0.07);
  });

  test('of one kind do not move when another kind is switched on', () => {
    const alone = drawChange(augmentation({ rotationDegrees: 20 }), 'seed');
    const all = drawChange(augmentation(everything), 'seed');
    expect(alone.rotationRadians).toBe(all.rotationRadians);
  });

  test('are refused where an image could be mirrored although left and right matter', () => {
    expect(() => augmentation({ laterality: true, horizontalFlipShare: 0.5 })).toThrow(
      /mirrored image/,
    );
    expect(augmentation({ laterality: true }).horizontalFlipShare).toBe(0);
  });
});
