/** Gradients of single images against steps of one image each, and how they are bounded, masked and added. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tensorView } from '#core/adapter';
import { createOnnxEngine } from './onnx/index.ts';
import { perExampleOneByOne } from './one-by-one.ts';
import { lossBatches, randomAdapter, randomBatch, smallModel } from './testing/small-model.ts';
import type { SmallModel } from './testing/small-model.ts';
import type { Batch, EngineModel, PerExampleOptions, TrainingEngine } from './types.ts';

let engine: TrainingEngine;
let cacheDirectory: string;
let small: SmallModel;
let model: EngineModel;
let adapter: Float32Array;

beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'melo-examples-'));
  engine = await createOnnxEngine({ threads: 2, cacheDirectory });
  small = await smallModel({ blocks: 2 });
  model = await engine.load(small.backbone, small.specification);
  adapter = randomAdapter(small.layout, 'examples');
});
afterAll(async () => {
  await model.dispose();
  await rm(cacheDirectory, { recursive: true, force: true });
});

const unbounded: PerExampleOptions = { part: 'all', clipNorm: Infinity };
const norm = (values: ArrayLike<number>): number =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0));

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, error = 1e-5): void {
  const difference = Array.from(actual, (value, index) => value - (expected[index] ?? Number.NaN));
  expect(norm(difference)).toBeLessThanOrEqual(error * norm(expected));
}

const { classes, binary, masked } = lossBatches('examples');
const batches: readonly (readonly [string, Batch])[] = [
  ['the cross-entropy', randomBatch(5, 3, 'examples')],
  ['the cross-entropy with weights', classes],
  ['the binary cross-entropy', binary],
  ['the binary cross-entropy with weights and unknown labels', masked],
];

describe('gradients of single images', () => {
  test.each(batches)('are those of steps of one image each, under %s', async (_name, batch) => {
    const bound = (await model.perExampleStep(batch, adapter, unbounded)).norms[1] ?? 0;
    for (const part of ['all', 'head'] as const) {
      for (const clipNorm of [Infinity, 0.7 * bound]) {
        const options = { part, clipNorm };
        const actual = await model.perExampleStep(batch, adapter, options);
        const expected = await perExampleOneByOne(model, 3, batch, adapter, options);
        expectClose(actual.losses, expected.losses);
        expectClose(actual.norms, expected.norms);
        expectClose(actual.clippedSum, expected.clippedSum);
      }
    }
  });

  test('come with the losses that the logits give by the textbook', async () => {
    const logits = await model.predict(masked.images, 2, adapter);
    const { targets, weights = new Float32Array(0) } = masked;
    const known = await model.perExampleStep(masked, adapter, unbounded);
    const one = await model.perExampleStep(classes, adapter, unbounded);
    for (const row of [0, 1]) {
      const own = logits.subarray(3 * row, 3 * row + 3);
      const total = own.reduce((sum, z) => sum + Math.exp(z), 0);
      let [binaryLoss, classLoss] = [0, 0];
      for (const [c, z] of own.entries()) {
        const [t, w] = [targets[3 * row + c] ?? NaN, weights[3 * row + c] ?? NaN];
        const share = 1 / (1 + Math.exp(-z));
        binaryLoss -= (w * (t * Math.log(share) + (1 - t) * Math.log(1 - share))) / 3;
        classLoss -= (classes.targets[3 * row + c] ?? NaN) * Math.log(Math.exp(z) / total);
      }
      expect(known.losses[row]).toBeCloseTo(binaryLoss, 4);
      expect(one.losses[row]).toBeCloseTo((classes.weights?.[row] ?? NaN) * classLoss, 4);
    }
  });

  test('add up to the gradient of the mean, times the images, where nothing is bounded', async () => {
    const batch = randomBatch(5, 3, 'mean');
    const { gradients, loss } = await model.step(batch, adapter, 'all');
    const examples = await model.perExampleStep(batch, adapter, unbounded);
    expectClose(
      examples.clippedSum,
      gradients.map((value) => 5 * value),
    );
    expect(examples.losses.reduce((sum, value) => sum + value, 0)).toBeCloseTo(5 * loss, 4);
  });

  test('do not depend on the other images, nor on how many run at once', async () => {
    const batch = randomBatch(35, 3, 'many');
    const whole = await model.perExampleStep(batch, adapter, unbounded);
    const size = batch.images.length / 35;
    const last = { ...batch, count: 2 };
    const two = {
      ...last,
      images: batch.images.subarray(33 * size),
      targets: batch.targets.subarray(33 * 3),
    };
    const alone = await model.perExampleStep(two, adapter, unbounded);
    expectClose(whole.norms.subarray(33), alone.norms);
    expectClose(whole.losses.subarray(33), alone.losses);
  });

  test('are those of steps of one image each where the head reads the mean of the patches', async () => {
    const mean = await smallModel({ blocks: 2, pooling: 'mean' });
    const pooled = await engine.load(mean.backbone, mean.specification);
    const batch = randomBatch(3, 3, 'pooled');
    const actual = await pooled.perExampleStep(batch, adapter, unbounded);
    const expected = await perExampleOneByOne(pooled, 3, batch, adapter, unbounded);
    expectClose(actual.norms, expected.norms);
    expectClose(actual.clippedSum, expected.clippedSum);
    await pooled.dispose();
  });

  test('are each at most as long as the bound, however large', async () => {
    const single = randomBatch(1, 3, 'bound');
    const wild = adapter.map((value) => 3 * value);
    const options = { part: 'all', clipNorm: 0.01 } as const;
    const { norms, clippedSum } = await model.perExampleStep(single, wild, options);
    expect(norms[0]).toBeGreaterThan(0.01);
    expect(Math.abs(norm(clippedSum) / 0.01 - 1)).toBeLessThan(1e-6);
  });

  test('of masked rows count nowhere, whatever stands in them', async () => {
    const batch = randomBatch(4, 3, 'rows');
    const rows = Uint8Array.of(1, 0, 1, 0);
    const options = { ...unbounded, rows };
    const result = await model.perExampleStep(batch, adapter, options);
    const size = batch.images.length / 4;
    const other = { ...batch, images: batch.images.slice(), targets: batch.targets.slice() };
    other.images.fill(0, size, 2 * size);
    other.targets.fill(0, 9);
    const changed = await model.perExampleStep(other, adapter, options);
    expect(changed).toEqual(result);
    for (const place of [1, 3]) {
      expect(result.norms[place]).toBe(0);
      expect(Math.abs(result.losses[place] ?? 1)).toBe(0);
    }
    const none = { ...unbounded, rows: new Uint8Array(4) };
    expect(norm((await model.perExampleStep(batch, adapter, none)).clippedSum)).toBe(0);
  });

  test('of no images at all are a sum of zeros', async () => {
    const none = { count: 0, images: new Float32Array(0), targets: new Float32Array(0) };
    const { losses, norms, clippedSum } = await model.perExampleStep(none, adapter, unbounded);
    expect([losses.length, norms.length]).toEqual([0, 0]);
    expect(clippedSum).toEqual(new Float32Array(small.layout.size));
  });

  test('are measured and added over the trained tensors alone', async () => {
    const batch = randomBatch(2, 3, 'tensors');
    const names = small.layout.tensors.map(({ name }) => name);
    const trainedTensors = names.filter((name) => name.endsWith('lora_B'));
    const { norms, clippedSum } = await model.perExampleStep(batch, adapter, {
      ...unbounded,
      trainedTensors,
    });
    const all = await model.perExampleStep(batch, adapter, unbounded);
    expect(norms[0]).toBeLessThan(all.norms[0] ?? 0);
    for (const name of names) {
      const values = tensorView(small.layout, clippedSum, name);
      const expected = tensorView(small.layout, all.clippedSum, name);
      if (trainedTensors.includes(name)) expect(values).toEqual(expected);
      else expect(norm(values)).toBe(0);
    }
  });

  test('give the same bytes for the same input', async () => {
    const batch = randomBatch(3, 3, 'bytes');
    const options = { part: 'all', clipNorm: 0.1 } as const;
    const first = await model.perExampleStep(batch, adapter, options);
    expect(await model.perExampleStep(batch, adapter, options)).toEqual(first);
  });

  test.each([
    ['a bound of zero', { part: 'all', clipNorm: 0 } as const, 'RangeError'],
    ['too few rows', { ...unbounded, rows: Uint8Array.of(1) }, 'InputError'],
    ['a tensor that is not there', { ...unbounded, trainedTensors: ['x'] }, 'InputError'],
  ])('refuse %s', async (_name, options, name) => {
    const batch = randomBatch(2, 3, 'refused');
    const attempt = model.perExampleStep(batch, adapter, options);
    await expect(attempt).rejects.toMatchObject({ name });
  });
});
