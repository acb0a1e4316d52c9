/** Decoding: golden pixels of drawn images, every channel rule, and what cannot be read. */
import sharp, { type Sharp } from 'sharp';
import { preprocessingSchema } from '#core/protocol';
import { smallPreprocessing } from '#core/protocol/testing';
import { decodeImage } from './decode-image.ts';
import { goldenPixels } from '../testing/golden-pixels.ts';
import { normaliseImage } from './normalise.ts';

const preprocessing = preprocessingSchema.parse({
  ...smallPreprocessing(16),
  mean: [0.5, 0.4, 0.3],
  std: [0.5, 0.25, 0.2],
});

/** A drawn picture, (height,width,channels): a ramp across, a ramp down, a checkerboard. */
function drawn(width: number, height: number, channels: 1 | 3 | 4): Sharp {
  const pixels = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const values = [
        Math.floor((255 * x) / (width - 1)),
        Math.floor((255 * y) / (height - 1)),
        (Math.floor(x / 4) + Math.floor(y / 4)) % 2 === 0 ? 30 : 220,
        255,
      ];
      for (let channel = 0; channel < channels; channel++)
        pixels[(y * width + x) * channels + channel] = values[channel] ?? 0;
    }
  }
  return sharp(pixels, { raw: { width, height, channels } });
}

const at = (rgb: Uint8Array, x: number, y: number): number[] => [
  ...rgb.subarray(3 * (16 * y + x), 3 * (16 * y + x) + 3),
];

test('a PNG of the target size keeps every byte', async () => {
  const picture = drawn(16, 16, 3);
  const png = await picture.clone().png().toBuffer();
  const expected = await picture.clone().raw().toBuffer();
  expect(Buffer.compare(await decodeImage(png, preprocessing), expected)).toBe(0);
});

test('golden pixels: 40 x 24 resized to 16 x 16 with the cubic kernel', async () => {
  const png = await drawn(40, 24, 3).png().toBuffer();
  const rgb = await decodeImage(png, preprocessing);
  expect(Buffer.from(rgb).toString('base64')).toBe(goldenPixels);
});

/** The cubic kernel (Keys 1981, a = -1/2). */
function cubic(distance: number): number {
  const t = Math.abs(distance);
  if (t < 1) return 1.5 * t ** 3 - 2.5 * t ** 2 + 1;
  return t < 2 ? -0.5 * t ** 3 + 2.5 * t ** 2 - 4 * t + 2 : 0;
}

/** One output sample of a line of `length` samples shrunk to 16: the kernel stretched by the ratio, edges repeated. */
function shrunk(line: (index: number) => number, length: number, output: number): number {
  const ratio = length / 16;
  const centre = (output + 0.5) * ratio - 0.5;
  let [sum, weights] = [0, 0];
  for (let index = Math.floor(centre - 2 * ratio); index <= centre + 2 * ratio; index++) {
    const weight = cubic((index - centre) / ratio);
    sum += weight * line(Math.min(length - 1, Math.max(0, index)));
    weights += weight;
  }
  return sum / weights;
}

test('the golden pixels are those of a naive cubic resize, within one unit', async () => {
  const golden = Buffer.from(goldenPixels, 'base64');
  const source = await drawn(40, 24, 3).raw().toBuffer();
  for (const [index, value] of golden.entries()) {
    const [channel, x, y] = [index % 3, Math.floor(index / 3) % 16, Math.floor(index / 48)];
    const row = (line: number): number =>
      shrunk((column) => source[3 * (40 * line + column) + channel] ?? 0, 40, x);
    const expected = Math.min(255, Math.max(0, shrunk(row, 24, y)));
    expect(Math.abs(value - expected)).toBeLessThanOrEqual(1.5);
  }
});

test('grey is repeated to three channels', async () => {
  const png = await drawn(32, 32, 1).toColourspace('b-w').png().toBuffer();
  const rgb = await decodeImage(png, preprocessing);
  expect(rgb).toHaveLength(16 * 16 * 3);
  for (let x = 0; x < 16; x++) {
    const [red, green, blue] = at(rgb, x, 3);
    expect([green, blue]).toEqual([red, red]);
  }
  expect(at(rgb, 15, 0)[0]).toBeGreaterThan(at(rgb, 0, 0)[0] ?? 255);
});

test('sixteen bits come down to eight', async () => {
  const png = await drawn(16, 16, 3).toColourspace('rgb16').png().toBuffer();
  expect((await sharp(png).metadata()).depth).toBe('ushort');
  const rgb = await decodeImage(png, preprocessing);
  const expected = await drawn(16, 16, 3).raw().toBuffer();
  for (const [index, value] of rgb.entries())
    expect(Math.abs(value - (expected[index] ?? 0))).toBeLessThanOrEqual(1);
});

test('alpha is dropped', async () => {
  const opaque = await decodeImage(await drawn(32, 32, 3).png().toBuffer(), preprocessing);
  const withAlpha = await decodeImage(await drawn(32, 32, 4).png().toBuffer(), preprocessing);
  expect(Buffer.compare(withAlpha, opaque)).toBe(0);
});

test('an EXIF orientation is not applied', async () => {
  const plain = await drawn(32, 32, 3).jpeg({ quality: 95 }).toBuffer();
  const turned = await drawn(32, 32, 3)
    .jpeg({ quality: 95 })
    .withMetadata({ orientation: 6 })
    .toBuffer();
  expect((await sharp(turned).metadata()).orientation).toBe(6);
  const [a, b] = [
    await decodeImage(plain, preprocessing),
    await decodeImage(turned, preprocessing),
  ];
  expect(Buffer.compare(a, b)).toBe(0);
});

test.each([
  ['empty', () => Promise.resolve(Buffer.alloc(0))],
  ['text', () => Promise.resolve(Buffer.from('this is no image'))],
  ['truncated PNG', async () => (await drawn(200, 200, 3).png().toBuffer()).subarray(0, 300)],
  ['truncated JPEG', async () => (await drawn(200, 200, 3).jpeg().toBuffer()).subarray(0, 1500)],
])('%s is refused', async (_what, make) => {
  await expect(decodeImage(await make(), preprocessing)).rejects.toMatchObject({
    code: 'IMAGE_UNREADABLE',
  });
});

test('a picture of more pixels than the limit is refused before it is decoded', async () => {
  const png = await sharp({
    create: { width: 12_000, height: 9000, channels: 3, background: 'black' },
  })
    .png({ compressionLevel: 1 })
    .toBuffer();
  await expect(decodeImage(png, preprocessing)).rejects.toMatchObject({ code: 'IMAGE_UNREADABLE' });
});

test('normalising is (pixel / 255 - mean) / std by channel, channels first', () => {
  const rgb = new Uint8Array(16 * 16 * 3).map((_, index) => (index * 7) % 256);
  const values = normaliseImage(rgb, preprocessing);
  for (const [channel, mean, std] of [
    [0, 0.5, 0.5],
    [1, 0.4, 0.25],
    [2, 0.3, 0.2],
  ] as const) {
    for (const pixel of [0, 17, 255]) {
      const expected = ((rgb[3 * pixel + channel] ?? 0) / 255 - mean) / std;
      expect(values[channel * 256 + pixel]).toBe(Math.fround(expected));
    }
  }
  expect(() => normaliseImage(rgb.subarray(1), preprocessing)).toThrow(RangeError);
});
