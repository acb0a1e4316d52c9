/** The estimate against what was measured, and what follows from it. */
import { backboneSizes } from '#core/backbone';
import type { Backbone } from '#core/backbone';
import { smallConfiguration, smallModel } from '../testing/small-model.ts';
import { imagesAtOnce, stepMemory } from './memory.ts';

/** Peak resident bytes of a process that takes steps of eight images, onnxruntime 1.30 on x86-64. */
const measured = [
  ['vit_tiny', 22e6, 380e6],
  ['vit_base', 343e6, 1660e6],
] as const;

test.each(measured)(
  'eight images of %s take what was measured, to a fifth',
  (name, weights, bytes) => {
    const configuration = {
      ...smallConfiguration(1),
      ...backboneSizes[name],
      patchSize: 16,
      imageSize: 224,
    };
    const { fixedBytes, imageBytes } = stepMemory(configuration, weights);
    expect((fixedBytes + 8 * imageBytes) / bytes).toBeGreaterThan(0.8);
    expect((fixedBytes + 8 * imageBytes) / bytes).toBeLessThan(1.2);
  },
);

describe('images at once', () => {
  let backbone: Backbone;
  let [fixedBytes, imageBytes] = [0, 0];
  beforeAll(async () => {
    ({ backbone } = await smallModel());
    const weights = [...backbone.tensors.values()].reduce((sum, { length }) => sum + length, 0);
    ({ fixedBytes, imageBytes } = stepMemory(backbone.configuration, weights));
  });

  test.each([1, 2, 17])('are %d where half of the memory has room for so many', (images) => {
    expect(imagesAtOnce(backbone, 2 * (fixedBytes + (images + 0.5) * imageBytes))).toBe(images);
  });

  test('are one where half is too little and all is enough', () => {
    expect(imagesAtOnce(backbone, fixedBytes + imageBytes)).toBe(1);
  });

  test('are bounded', () => {
    expect(imagesAtOnce(backbone, 2 ** 50)).toBe(4096);
  });

  test('are refused where not even one fits, saying what is needed', () => {
    expect(() => imagesAtOnce(backbone, fixedBytes)).toThrow(
      /expected 0\.1 GiB of memory.*may use 0\.1 GiB; take a smaller backbone/,
    );
  });
});
