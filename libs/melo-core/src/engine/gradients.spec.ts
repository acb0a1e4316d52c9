/**
 * The hand-derived backward pass against central differences of an independent float64 forward pass, tensor by tensor.
 *
 * (L(x + h d) - L(x - h d)) / 2h is exact to about h^2 = 1e-8 in float64, so the tolerance is what float32 gradients need.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tensorView } from '#core/adapter';
import { seededRng } from '#core/rng';
import { createEngine } from './create.ts';
import { referenceModel } from './testing/reference-vit.ts';
import type { ReferenceModel } from './testing/reference-vit.ts';
import { lossBatches, randomAdapter, randomBatch, smallModel } from './testing/small-model.ts';
import type { SmallModel, SmallOptions } from './testing/small-model.ts';
import type { Batch, EngineModel, TrainingEngine } from './types.ts';

const step = 1e-4;
let engine: TrainingEngine;
let cacheDirectory: string;

beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'melo-gradients-'));
  engine = await createEngine({ engine: 'onnx', threads: 2, cacheDirectory });
});
afterAll(() => rm(cacheDirectory, { recursive: true, force: true }));

interface Setup extends SmallModel {
  readonly model: EngineModel;
  readonly reference: ReferenceModel;
}

async function setUp(options: SmallOptions = {}): Promise<Setup> {
  const small = await smallModel(options);
  const model = await engine.load(small.backbone, small.specification);
  const { scale } = small.specification;
  const reference = await referenceModel(small.backbone, small.layout, scale, options.pooling);
  return { ...small, model, reference };
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, index) => sum + value * (b[index] ?? 0), 0);
const norm = (values: ArrayLike<number>): number => Math.sqrt(dot(values, values));

/** Differentiate the reference's loss along a direction (P). */
function directional(
  { reference }: Setup,
  batch: Batch,
  adapter: Float32Array,
  direction: Float64Array,
): number {
  const at = (h: number): number => {
    const moved = Float64Array.from(adapter, (value, index) => value + h * (direction[index] ?? 0));
    return reference.loss(batch, moved);
  };
  return (at(step) - at(-step)) / (2 * step);
}

/** A direction (P) of length one that moves one tensor alone. */
function inTensor(setup: Setup, name: string, value: (index: number) => number): Float64Array {
  const direction = new Float64Array(setup.layout.size);
  const place = setup.layout.tensors.find((tensor) => tensor.name === name);
  if (place === undefined) throw new Error(`no tensor ${name}`);
  for (let index = 0; index < place.size; index++) direction[place.offset + index] = value(index);
  const length = norm(direction);
  return direction.map((entry) => entry / length);
}

/** Compare every tensor's gradient: along itself, along a random direction, and by single numbers. */
async function compareAll(setup: Setup, seed: string, given?: Batch): Promise<void> {
  const { layout, model, specification } = setup;
  const adapter = randomAdapter(layout, seed);
  const batch = given ?? randomBatch(2, specification.classes.length, seed);
  const { loss, gradients } = await model.step(batch, adapter, 'all');
  expect(loss).toBeCloseTo(setup.reference.loss(batch, Float64Array.from(adapter)), 4);
  const rng = seededRng(`directions/${seed}`);
  for (const { name, size } of layout.tensors) {
    const gradient = tensorView(layout, gradients, name);
    const length = norm(gradient);
    expect(length).toBeGreaterThan(1e-5); // a zero gradient would agree with anything along itself
    const single = rng.nextInteger(size);
    const directions = [
      inTensor(setup, name, (index) => gradient[index] ?? 0),
      inTensor(setup, name, () => rng.nextNormal()),
      inTensor(setup, name, (index) => (index === single ? 1 : 0)),
    ];
    for (const [index, direction] of directions.entries()) {
      const expected = directional(setup, batch, adapter, direction);
      const error = Math.abs(dot(gradients, direction) - expected) / length;
      if (!(error < 1e-3)) throw new Error(`${name}, direction ${index}: relative error ${error}`);
    }
  }
}

const weighted = lossBatches('losses');

describe('gradients of the training step', () => {
  test('of every tensor agree with central differences of the float64 reference, scale 2', async () => {
    const setup = await setUp();
    expect(setup.specification.scale).toBe(2);
    await compareAll(setup, 'three blocks');
    await setup.model.dispose();
  }, 60_000);

  test.each([
    ['one block, which is first and last', { blocks: 1 }],
    ['two blocks', { blocks: 2 }],
    ['rank 1 and two classes', { blocks: 2, rank: 1, classes: ['a', 'b'] }],
    ['scale 0.5', { blocks: 2, rank: 4, alpha: 2 }],
    ['the mean of the patches', { blocks: 2, pooling: 'mean' as const }],
    ['the mean of the patches after one block', { blocks: 1, pooling: 'mean' as const }],
  ])(
    'agree with the reference for %s',
    async (_name, options) => {
      const setup = await setUp(options);
      await compareAll(setup, 'variants');
      await setup.model.dispose();
    },
    60_000,
  );

  test.each([
    ['the cross-entropy with weights', weighted.classes],
    ['the binary cross-entropy', weighted.binary],
    ['the binary cross-entropy with weights and unknown labels', weighted.masked],
  ])(
    'agree with the reference under %s',
    async (_name, batch) => {
      const setup = await setUp({ blocks: 2 });
      await compareAll(setup, 'losses', batch);
      const all = await setup.model.step(batch, randomAdapter(setup.layout, 'losses'), 'all');
      const head = await setup.model.step(batch, randomAdapter(setup.layout, 'losses'), 'head');
      expect(head.loss).toBeCloseTo(all.loss, 5);
      const last = -3 * 49; // the head of three classes on 48 features
      const difference = head.gradients
        .slice(last)
        .map((value, index) => value - (all.gradients.at(last + index) ?? 0));
      expect(norm(difference) / norm(head.gradients)).toBeLessThan(1e-5);
      await setup.model.dispose();
    },
    60_000,
  );

  test.each([['all' as const], ['head' as const]])(
    'and the loss are zero where no label is known, part %s',
    async (part) => {
      const { model, layout } = await setUp({ blocks: 1 });
      const batch = { ...weighted.masked, weights: new Float32Array(6) };
      const { loss, gradients } = await model.step(batch, randomAdapter(layout, 'none'), part);
      expect(loss).toBe(0);
      expect(norm(gradients)).toBe(0);
      await model.dispose();
    },
  );

  test('agree with central differences of the float32 step itself, along the whole gradient', async () => {
    const { model, layout } = await setUp({ blocks: 2 });
    const adapter = randomAdapter(layout, 'own');
    const batch = randomBatch(4, 3, 'own');
    const { gradients } = await model.step(batch, adapter, 'all');
    const length = norm(gradients);
    const h = 1e-2; // along the gradient the loss moves by 2 h length: far above float32's rounding of it
    const at = async (sign: number): Promise<number> => {
      const moved = adapter.map(
        (value, index) => value + (sign * h * (gradients[index] ?? 0)) / length,
      );
      return (await model.step(batch, moved, 'all')).loss;
    };
    const slope = ((await at(1)) - (await at(-1))) / (2 * h);
    expect(Math.abs(slope / length - 1)).toBeLessThan(2e-3);
    await model.dispose();
  });

  test('leave A at exactly zero while B is zero', async () => {
    const { model, layout } = await setUp();
    const adapter = randomAdapter(layout, 'zero');
    for (const { name } of layout.tensors) {
      if (name.endsWith('lora_B')) tensorView(layout, adapter, name).fill(0);
    }
    const { gradients } = await model.step(randomBatch(2, 3, 'zero'), adapter, 'all');
    for (const { name } of layout.tensors) {
      const length = norm(tensorView(layout, gradients, name));
      if (name.endsWith('lora_A')) expect(length).toBe(0);
      else expect(length).toBeGreaterThan(0);
    }
    await model.dispose();
  });

  test('of the head are the same in a head step, and zero elsewhere', async () => {
    const { model, layout } = await setUp();
    const adapter = randomAdapter(layout, 'head');
    const batch = randomBatch(3, 3, 'head');
    const all = await model.step(batch, adapter, 'all');
    const head = await model.step(batch, adapter, 'head');
    expect(head.loss).toBeCloseTo(all.loss, 5);
    for (const { name } of layout.tensors) {
      const expected = tensorView(layout, all.gradients, name);
      const actual = tensorView(layout, head.gradients, name);
      if (!name.startsWith('head.')) expect(norm(actual)).toBe(0);
      else {
        const difference = actual.map((value, index) => value - (expected[index] ?? 0));
        expect(norm(difference) / norm(expected)).toBeLessThan(1e-5);
      }
    }
    await model.dispose();
  });
});
