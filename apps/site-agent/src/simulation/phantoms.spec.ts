import { seededRng } from '#core/rng';
import {
  drawPhantom,
  phantomClasses,
  phantomSide,
  projectPhantom,
  type Phantom,
} from './phantoms.ts';
import { expose, scannerLook } from './scanner-look.ts';

/** Mean of a rectangle of an image, in pixels. */
function meanOf(image: ArrayLike<number>, [x, y, width, height]: readonly number[]): number {
  let sum = 0;
  for (let row = y ?? 0; row < (y ?? 0) + (height ?? 0); row++) {
    for (let column = x ?? 0; column < (x ?? 0) + (width ?? 0); column++) {
      sum += image[row * phantomSide + column] ?? Number.NaN;
    }
  }
  return sum / ((width ?? 0) * (height ?? 0));
}

/** The projection of `phantom`, and of the same patient in the same pose without the finding. */
function withAndWithout(phantom: Phantom, seed: string): readonly [Float32Array, Float32Array] {
  const finding = { ...phantom.finding, blobs: [], fluid: [0, 0] } as const;
  return [
    projectPhantom(phantom, seededRng(seed)),
    projectPhantom({ ...phantom, finding }, seededRng(seed)),
  ];
}

const seeds = Array.from({ length: 10 }, (_, index) => `patient-${index}`);

describe('a phantom', () => {
  test.each(phantomClasses)(
    '%s: air is dark, lungs are grey, mediastinum and abdomen light',
    (kind) => {
      for (const seed of seeds) {
        const rng = seededRng(seed);
        const image = projectPhantom(drawPhantom(rng, kind), rng);
        const air = meanOf(image, [0, 0, 4, 6]);
        const lung = (meanOf(image, [16, 20, 6, 8]) + meanOf(image, [42, 20, 6, 8])) / 2;
        const mediastinum = meanOf(image, [29, 20, 6, 10]);
        const abdomen = meanOf(image, [26, 58, 12, 6]);
        expect(air).toBeLessThan(0.1);
        expect(lung).toBeGreaterThan(air + 0.05);
        expect(mediastinum).toBeGreaterThan(lung + 0.1);
        expect(abdomen).toBeGreaterThan(lung);
      }
    },
  );

  test('the same seed gives the same pixels, another seed others', () => {
    const draw = (seed: string): Float32Array => {
      const rng = seededRng(seed);
      return projectPhantom(drawPhantom(rng, 'opacity'), rng);
    };
    expect(draw('a')).toEqual(draw('a'));
    expect(draw('a')).not.toEqual(draw('b'));
  });

  test('two images of a patient differ in pose', () => {
    const rng = seededRng('pose');
    const phantom = drawPhantom(rng, 'normal');
    expect(projectPhantom(phantom, rng)).not.toEqual(projectPhantom(phantom, rng));
  });

  test('a normal phantom has no finding', () => {
    for (const seed of seeds) {
      const [image, without] = withAndWithout(drawPhantom(seededRng(seed), 'normal'), seed);
      expect(image).toEqual(without);
    }
  });

  test('an opacity lies within the lungs, above the abdomen', () => {
    for (const seed of seeds) {
      const [image, without] = withAndWithout(drawPhantom(seededRng(seed), 'opacity'), seed);
      const change = image.map((value, index) => Math.abs(value - (without[index] ?? 0)));
      expect(Math.max(...change)).toBeGreaterThan(0.03);
      expect(Math.max(...change.subarray(60 * phantomSide))).toBeLessThan(0.02);
      expect(meanOf(change, [0, 0, 4, phantomSide])).toBeLessThan(0.005);
    }
  });

  test('an effusion lightens the base of a lung and leaves its apex', () => {
    for (const seed of seeds) {
      const [image, without] = withAndWithout(drawPhantom(seededRng(seed), 'effusion'), seed);
      const change = image.map((value, index) => value - (without[index] ?? 0));
      expect(Math.max(...change)).toBeGreaterThan(0.05);
      expect(Math.min(...change)).toBeGreaterThan(-0.01);
      const apex = change.subarray(0, 12 * phantomSide);
      expect(Math.max(...apex)).toBeLessThan(0.02);
    }
  });

  test('a greater difficulty makes findings fainter', () => {
    for (const kind of ['opacity', 'effusion'] as const) {
      const sums = [1, 3].map((difficulty) =>
        seeds
          .map((seed) => withAndWithout(drawPhantom(seededRng(seed), kind, difficulty), seed))
          .flatMap(([image, without]) => image.reduce((a, v, i) => a + v - (without[i] ?? 0), 0))
          .reduce((a, b) => a + b, 0),
      );
      expect(sums[1]).toBeLessThan((sums[0] ?? 0) * 0.7);
    }
  });
});

describe('a scanner', () => {
  const projection = projectPhantom(drawPhantom(seededRng('one'), 'normal'), seededRng('pose'));
  const look = scannerLook(0, seededRng('scanner'));
  const still = { ...look, quantumNoiseStd: 0, electronicNoiseStd: 0 };

  test('gives 8-bit grey and leaves the projection as it was', () => {
    const before = projection.slice();
    const image = expose(projection, look, seededRng('x'));
    expect(image).toBeInstanceOf(Uint8Array);
    expect(image).toHaveLength(phantomSide ** 2);
    expect(projection).toEqual(before);
  });

  test('a border is dark on every side', () => {
    const image = expose(projection, { ...still, borderPixels: 4 }, seededRng('x'));
    for (const strip of [
      [0, 0, 64, 2],
      [0, 62, 64, 2],
      [0, 0, 2, 64],
      [62, 0, 2, 64],
    ]) {
      expect(meanOf(image, strip)).toBeLessThan(20);
    }
  });

  test('noise has about the standard deviation that is asked for', () => {
    const grey = new Float32Array(phantomSide ** 2).fill(0.5);
    const noisy = { ...still, blurPixels: 0.3, contrast: 1, gamma: 1, electronicNoiseStd: 0.05 };
    const image = expose(grey, noisy, seededRng('x'));
    const mean = meanOf(image, [0, 0, 64, 64]);
    const variance = image.reduce((a, value) => a + (value - mean) ** 2, 0) / image.length;
    // Of 4096 draws the sample's deviation is within 5 / sqrt(2 * 4096) = 5.5 % but for one time in a million.
    expect(Math.abs(Math.sqrt(variance) / 255 / 0.05 - 1)).toBeLessThan(0.055);
  });

  test('blur lowers the contrast of fine detail', () => {
    const stripes = Float32Array.from({ length: phantomSide ** 2 }, (_, i) => 0.4 + 0.2 * (i % 2));
    const spread = (blurPixels: number): number => {
      const image = expose(stripes, { ...still, blurPixels }, seededRng('x'));
      const middle = image.subarray(phantomSide * 32 + 16, phantomSide * 32 + 48); // away from the repeated border
      return Math.max(...middle) - Math.min(...middle);
    };
    expect(spread(0.2)).toBeGreaterThan(40);
    expect(spread(1.5)).toBeLessThan(3);
  });

  test('the first three hospitals look different, later ones are drawn', () => {
    const looks = Array.from({ length: 6 }, (_, index) =>
      scannerLook(index, seededRng(`scanner-${index}`)),
    );
    const images = looks.map((each) => expose(projection, each, seededRng('x')).join());
    expect(new Set(images).size).toBe(6);
  });
});
