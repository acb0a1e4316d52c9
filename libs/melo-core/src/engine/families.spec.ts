/**
 * What the families change in the plain ViT, option by option and together as each family has them: onnxruntime against the
 * float64 reference and its central differences, TensorFlow.js against onnxruntime.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adapterLayout, adapterSpecification, tensorView } from '#core/adapter';
import { randomBackbone, type Backbone, type BackboneConfiguration } from '#core/backbone';
import { seededRng } from '#core/rng';
import { createOnnxEngine } from './onnx/index.ts';
import { referenceModel } from './testing/reference-vit.ts';
import { randomAdapter, randomBatch, smallConfiguration } from './testing/small-model.ts';
import { startOn } from './testing/tfjs-support.ts';
import type { TrainingEngine } from './types.ts';

type Changes = Partial<BackboneConfiguration>;
const dinov3: Changes = {
  ...{ registers: 4, hasLayerScale: true, positions: 'rotary', rotaryBase: 100 },
  layerNormEpsilon: 1e-5,
};
const variants: readonly (readonly [string, Changes])[] = [
  ['the plain ViT', {}],
  ['layer scale', { hasLayerScale: true }],
  ['three registers without positions', { registers: 3 }],
  ['positions of patches alone', { positions: 'patches' }],
  ['rotary positions', { positions: 'rotary', rotaryBase: 50 }],
  ['a norm before the blocks', { hasNormBefore: true }],
  ['quick GELU', { activation: 'quick_gelu' }],
  ['no bias anywhere it may lack', { withoutBias: ['patch_embed', 'q', 'k', 'v'] }],
  ['DeiT with its distillation token', { pooling: 'cls-distillation' }],
  ['DeiT III', { hasLayerScale: true, positions: 'patches' }],
  [
    'DINOv2 with registers, as timm has it',
    { hasLayerScale: true, registers: 4, positions: 'patches' },
  ],
  ['DINOv2 with registers, as Hugging Face has it', { hasLayerScale: true, registers: 4 }],
  ['DINOv3', { ...dinov3, withoutBias: ['k'] }],
  ['DINOv3 with a distillation token', { ...dinov3, pooling: 'cls-distillation' }],
  [
    "CLIP's image tower",
    {
      ...{ hasNormBefore: true, activation: 'quick_gelu', withoutBias: ['patch_embed'] },
      layerNormEpsilon: 1e-5,
    },
  ],
];

const makeBackbone = (changes: Changes): Backbone =>
  randomBackbone({ configuration: { ...smallConfiguration(2), ...changes }, seed: 'families' });

let onnx: TrainingEngine;
let cacheDirectory: string;
beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'melo-families-'));
  onnx = await createOnnxEngine({ threads: 2, cacheDirectory });
});
afterAll(() => rm(cacheDirectory, { recursive: true, force: true }));

const specification = adapterSpecification({
  ...{ rank: 2, alpha: 4, classes: ['a', 'b', 'c'], dimension: 48, blocks: 2 },
});
const layout = adapterLayout(specification);
const adapter = randomAdapter(layout, 'families');
const batch = randomBatch(2, 3, 'families');

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));
const relativeError = (actual: ArrayLike<number>, expected: ArrayLike<number>): number =>
  norm(Array.from(actual, (value, index) => value - (expected[index] ?? Number.NaN))) /
  norm(expected);

async function referenceLogits(backbone: Backbone): Promise<number[]> {
  const reference = await referenceModel(backbone, layout, specification.scale);
  const imageNumbers = batch.images.length / batch.count;
  return Array.from({ length: batch.count }, (_, b) => [
    ...reference.logits(batch.images.subarray(b * imageNumbers, (b + 1) * imageNumbers), adapter),
  ]).flat();
}

describe.each(variants)('%s', (_name, changes) => {
  const backbone = makeBackbone(changes);

  test('has the logits of the reference in both engines', async () => {
    const expected = await referenceLogits(backbone);
    for (const engine of [onnx, await startOn('wasm')]) {
      const model = await engine.load(backbone, specification);
      const logits = await model.predict(batch.images, batch.count, adapter);
      await model.dispose();
      expect(relativeError(logits, expected)).toBeLessThan(1e-5);
    }
  });

  test('has gradients that agree with central differences, and between the engines', async () => {
    const reference = await referenceModel(backbone, layout, specification.scale);
    const gradientsOf = async (engine: TrainingEngine): Promise<Float32Array> => {
      const model = await engine.load(backbone, specification);
      const { gradients } = await model.step(batch, adapter, 'all');
      await model.dispose();
      return gradients;
    };
    const gradients = await gradientsOf(onnx);
    const other = await gradientsOf(await startOn('wasm'));
    const rng = seededRng('directions');
    const h = 1e-4;
    for (const { name, offset, size } of layout.tensors) {
      const gradient = tensorView(layout, gradients, name);
      const length = norm(gradient);
      expect(length).toBeGreaterThan(1e-6);
      const agreement = relativeError(tensorView(layout, other, name), gradient);
      if (!(agreement < 1e-3)) throw new Error(`${name}: the engines differ by ${agreement}`);
      // One direction with a part along the gradient and one across it.
      const random = Float64Array.from({ length: size }, () => rng.nextNormal());
      const mixed = random.map(
        (value, index) => value / norm(random) + (gradient[index] ?? 0) / length,
      );
      const unit = mixed.map((value) => value / norm(mixed));
      const lossAt = (sign: number): number =>
        reference.loss(
          batch,
          Float64Array.from(adapter, (v, index) => v + sign * h * (unit[index - offset] ?? 0)),
        );
      const expected = (lossAt(1) - lossAt(-1)) / (2 * h);
      const actual = unit.reduce((sum, value, index) => sum + value * (gradient[index] ?? 0), 0);
      const error = Math.abs(actual - expected) / length;
      if (!(error < 1e-3)) throw new Error(`${name}: relative error ${error}`);
    }
  }, 120_000);
});

test('every option changes what is computed', async () => {
  const seen = new Set<string>();
  for (const [, changes] of variants) {
    seen.add((await referenceLogits(makeBackbone(changes))).map((v) => v.toFixed(4)).join());
  }
  expect(seen.size).toBe(variants.length);
});
