/**
 * The two engines against each other, and TensorFlow.js against a float64 reference: the models were written apart, so what
 * both say is what the mathematics says. WebAssembly always; native TensorFlow where its addon is built.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { adapterSpecification, tensorView } from '#core/adapter';
import type { AdapterLayout } from '#core/adapter';
import { seededRng } from '#core/rng';
import { loadBackbone } from '../files.ts';
import { createOnnxEngine } from '../onnx/index.ts';
import { referenceModel } from '../testing/reference-vit.ts';
import { lossBatches, randomAdapter, randomBatch, smallModel } from '../testing/small-model.ts';
import type { SmallOptions } from '../testing/small-model.ts';
import { isAddonBuilt, presentBackends, startOn } from '../testing/tfjs-support.ts';
import type { Batch, EngineModel, TrainingEngine } from '../types.ts';

const lossTolerance = 1e-4;
const gradientTolerance = 1e-3;
const backboneDirectory = resolve(
  process.env['MELO_SHARED'] ?? join(process.cwd(), '..', 'shared'),
  'backbones/vit_tiny_patch16_224',
);

let onnx: TrainingEngine;
let cacheDirectory: string;

beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'melo-agreement-'));
  onnx = await createOnnxEngine({ threads: 2, cacheDirectory });
});
afterAll(() => rm(cacheDirectory, { recursive: true, force: true }));

const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));

/** Norm of the difference over the norm, for each tensor. */
function relativeErrors(
  layout: AdapterLayout,
  actual: Float32Array,
  expected: Float32Array,
): Map<string, number> {
  const errors = new Map<string, number>();
  for (const { name } of layout.tensors) {
    const reference = tensorView(layout, expected, name);
    const difference = tensorView(layout, actual, name).map(
      (value, index) => value - (reference[index] ?? Number.NaN),
    );
    errors.set(name, norm(difference) / norm(reference));
  }
  return errors;
}

/** One step and one prediction on both models. */
async function compare(tfjs: EngineModel, other: EngineModel, batch: Batch): Promise<void> {
  const adapter = randomAdapter(tfjs.layout, `adapter of ${batch.count}`);
  const actual = await tfjs.step(batch, adapter, 'all');
  const expected = await other.step(batch, adapter, 'all');
  expect(Math.abs(actual.loss - expected.loss)).toBeLessThan(lossTolerance);
  const errors = relativeErrors(tfjs.layout, actual.gradients, expected.gradients);
  for (const [name, error] of errors) {
    if (!(error < gradientTolerance)) throw new Error(`${name}: relative error ${error}`);
  }
  const [logits, expectedLogits] = [
    await tfjs.predict(batch.images, batch.count, adapter),
    await other.predict(batch.images, batch.count, adapter),
  ];
  const difference = logits.map((value, index) => value - (expectedLogits[index] ?? Number.NaN));
  expect(norm(difference) / norm(expectedLogits)).toBeLessThan(lossTolerance);
}

const losses = lossBatches('agreement');

const variants: readonly (readonly [string, SmallOptions, number])[] = [
  ['three blocks, rank 4, scale 2, batch 3', {}, 3],
  ['one block, which is first and last, batch 1', { blocks: 1 }, 1],
  ['two blocks, rank 1, two classes', { blocks: 2, rank: 1, classes: ['a', 'b'] }, 3],
  ['scale 0.5, batch 1', { blocks: 2, rank: 4, alpha: 2 }, 1],
  ['the mean of the patches', { blocks: 2, pooling: 'mean' }, 2],
];

describe.each(presentBackends)('TensorFlow.js on %s and onnxruntime agree', (backend) => {
  test.each(variants)('for %s', async (_name, options, count) => {
    const { backbone, specification } = await smallModel(options);
    const tfjs = await (await startOn(backend)).load(backbone, specification);
    const other = await onnx.load(backbone, specification);
    await compare(tfjs, other, randomBatch(count, specification.classes.length, backend));
    await tfjs.dispose();
    await other.dispose();
  });

  test.each([
    ['the cross-entropy with weights', losses.classes],
    ['the binary cross-entropy', losses.binary],
    ['the binary cross-entropy with weights and unknown labels', losses.masked],
  ])('under %s, summed and for single images', async (_name, batch) => {
    const { backbone, specification, layout } = await smallModel({ blocks: 2 });
    const tfjs = await (await startOn(backend)).load(backbone, specification);
    const other = await onnx.load(backbone, specification);
    await compare(tfjs, other, batch);
    const adapter = randomAdapter(layout, 'examples');
    const { norms } = await other.perExampleStep(batch, adapter, { part: 'all', clipNorm: 1 });
    const options = {
      part: 'all',
      clipNorm: 0.7 * (norms[1] ?? 0),
      rows: Uint8Array.of(1, 1),
    } as const;
    const actual = await tfjs.perExampleStep(batch, adapter, options);
    const expected = await other.perExampleStep(batch, adapter, options);
    expect(norm(actual.losses.map((loss, row) => loss - (expected.losses[row] ?? 0)))).toBeLessThan(
      lossTolerance,
    );
    for (const [name, error] of relativeErrors(layout, actual.clippedSum, expected.clippedSum)) {
      if (!(error < gradientTolerance)) throw new Error(`${name}: relative error ${error}`);
    }
    await tfjs.dispose();
    await other.dispose();
  });

  test('in a head step, which leaves all but the head at zero', async () => {
    const { backbone, specification, layout } = await smallModel();
    const tfjs = await (await startOn(backend)).load(backbone, specification);
    const other = await onnx.load(backbone, specification);
    const batch = randomBatch(3, 3, 'head');
    const adapter = randomAdapter(layout, 'head');
    const actual = await tfjs.step(batch, adapter, 'head');
    const expected = await other.step(batch, adapter, 'head');
    expect(Math.abs(actual.loss - expected.loss)).toBeLessThan(lossTolerance);
    for (const [name, error] of relativeErrors(layout, actual.gradients, expected.gradients)) {
      if (name.startsWith('head.')) expect(error).toBeLessThan(gradientTolerance);
      else expect(norm(tensorView(layout, actual.gradients, name))).toBe(0);
    }
    await tfjs.dispose();
    await other.dispose();
  });
});

if (!isAddonBuilt('@tensorflow/tfjs-node')) {
  test.skip('TensorFlow.js on native TensorFlow: needs npm run tfjs:native', () => undefined);
}

const isBackboneHere = existsSync(join(backboneDirectory, 'model.safetensors'));
(isBackboneHere ? describe : describe.skip)('on the pretrained ViT-Tiny, batch 2', () => {
  test.each(presentBackends)(
    '%s and onnxruntime agree',
    async (backend) => {
      const backbone = await loadBackbone(backboneDirectory);
      const { dimension, blocks, imageSize } = backbone.configuration;
      const classes = ['a', 'b'];
      const specification = adapterSpecification({ rank: 4, alpha: 4, classes, dimension, blocks });
      const tfjs = await (await startOn(backend)).load(backbone, specification);
      const other = await onnx.load(backbone, specification);
      const rng = seededRng('pixels');
      const images = Float32Array.from({ length: 2 * 3 * imageSize ** 2 }, () =>
        rng.nextNormal(),
      ).map((value) => Math.max(-1, Math.min(1, 0.5 * value)));
      await compare(tfjs, other, { count: 2, images, targets: Float32Array.of(1, 0, 0.1, 0.9) });
      await tfjs.dispose();
      await other.dispose();
      await backbone.close();
    },
    300_000,
  );
});

describe('TensorFlow.js on the JavaScript backend', () => {
  test('has gradients that agree with central differences of the float64 reference', async () => {
    const { backbone, specification, layout } = await smallModel({ blocks: 2 });
    const reference = await referenceModel(backbone, layout, specification.scale);
    const model = await (await startOn('cpu')).load(backbone, specification);
    const adapter = randomAdapter(layout, 'differences');
    const batch = randomBatch(1, 3, 'differences');
    const { loss, gradients } = await model.step(batch, adapter, 'all');
    const lossAt = (values: Float64Array): number => reference.loss(batch, values);
    expect(Math.abs(loss - lossAt(Float64Array.from(adapter)))).toBeLessThan(1e-5);
    const rng = seededRng('directions');
    const h = 1e-4;
    for (const { name, offset, size } of layout.tensors) {
      const gradient = tensorView(layout, gradients, name);
      const length = norm(gradient);
      const random = Float64Array.from({ length: size }, () => rng.nextNormal());
      for (const direction of [Float64Array.from(gradient), random]) {
        const unit = direction.map((value) => value / norm(direction));
        const moved = (sign: number): Float64Array =>
          Float64Array.from(
            adapter,
            (value, index) => value + sign * h * (unit[index - offset] ?? 0),
          );
        const expected = (lossAt(moved(1)) - lossAt(moved(-1))) / (2 * h);
        const actual = unit.reduce((sum, value, index) => sum + value * (gradient[index] ?? 0), 0);
        const error = Math.abs(actual - expected) / length;
        if (!(error < gradientTolerance)) throw new Error(`${name}: relative error ${error}`);
      }
    }
    await model.dispose();
  });
});
