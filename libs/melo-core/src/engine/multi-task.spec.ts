/** Many adapters on one loaded backbone: a row of a mixed batch is what its task alone would give. */
import fc from 'fast-check';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adapterLayout, adapterSpecification } from '#core/adapter';
import type { Backbone } from '#core/backbone';
import { createOnnxEngine } from './onnx/index.ts';
import { referenceModel } from './testing/reference-vit.ts';
import { randomAdapter, randomBatch, smallModel } from './testing/small-model.ts';
import { startOn } from './testing/tfjs-support.ts';
import type { MultiTaskModel, TaskAdapter, TrainingEngine } from './types.ts';

const imageNumbers = 3 * 32 * 32;
const blocks = 2;
let engine: TrainingEngine;
let backbone: Backbone;
let model: MultiTaskModel;
let cacheDirectory: string;

/** Tasks that differ in rank, scale and number of classes. */
const shapes = [
  { rank: 4, alpha: 8, classes: ['a', 'b', 'c'] },
  { rank: 1, alpha: 0.5, classes: ['a', 'b'] },
  { rank: 7, alpha: 7, classes: ['a', 'b', 'c', 'd', 'e'] },
  { rank: 4, alpha: 2, classes: ['a', 'b'] },
];

function taskAdapter(index: number): TaskAdapter {
  const shape = shapes[index % shapes.length] ?? { rank: 1, alpha: 1, classes: ['a', 'b'] };
  const specification = adapterSpecification({ ...shape, dimension: 48, blocks });
  const layout = adapterLayout(specification);
  return { specification, layout, values: randomAdapter(layout, `task ${index}`) };
}

const tasks = Array.from({ length: 6 }, (_, index) => taskAdapter(index));

beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'melo-multi-task-'));
  engine = await createOnnxEngine({ threads: 2, cacheDirectory });
  ({ backbone } = await smallModel({ blocks }));
  model = await engine.loadMultiTask(backbone);
});
afterAll(async () => {
  await model.dispose();
  await rm(cacheDirectory, { recursive: true, force: true });
});

const imageOf = (images: Float32Array, row: number): Float32Array =>
  images.slice(row * imageNumbers, (row + 1) * imageNumbers);

/** Largest difference of numbers; infinite where there are more on one side. */
function difference(actual: Float32Array, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Math.max(...actual.map((value, index) => Math.abs(value - (expected[index] ?? NaN))));
}

/** What the model of one specification says of one image. */
async function alone(image: Float32Array, task: TaskAdapter): Promise<Float32Array> {
  const single = await engine.load(backbone, task.specification);
  const logits = await single.predict(image, 1, task.values);
  await single.dispose();
  return logits;
}

describe('a batch of several tasks', () => {
  test('gives each row what the model of its own specification gives, to 1e-5', async () => {
    const { images } = randomBatch(tasks.length, 2, 'rows');
    const before = tasks.map(({ values }) => values.slice());
    const rows = await model.predict(images, tasks);
    for (const [row, task] of tasks.entries()) {
      const logits = rows[row] ?? new Float32Array(0);
      expect(logits.length).toBe(task.specification.classes.length);
      expect(difference(logits, await alone(imageOf(images, row), task))).toBeLessThan(1e-5);
      expect(task.values).toEqual(before[row]);
    }
  });

  test('agrees with the float64 reference', async () => {
    const { images } = randomBatch(2, 2, 'reference');
    const rows = await model.predict(images, tasks.slice(1, 3));
    for (const [row, { specification, layout, values }] of tasks.slice(1, 3).entries()) {
      const reference = await referenceModel(backbone, layout, specification.scale);
      const expected = reference.logits(imageOf(images, row), values);
      expect(difference(rows[row] ?? new Float32Array(0), expected)).toBeLessThan(1e-4);
    }
  });

  test('does not depend on the order or the company of a row', async () => {
    const { images } = randomBatch(tasks.length, 2, 'order');
    const inOrder = await model.predict(images, tasks);
    const permutation = fc.shuffledSubarray(
      tasks.map((_, row) => row),
      { minLength: 1 },
    );
    await fc.assert(
      fc.asyncProperty(permutation, async (order) => {
        const picked = new Float32Array(order.length * imageNumbers);
        for (const [at, row] of order.entries())
          picked.set(imageOf(images, row), at * imageNumbers);
        const adapters = order.map((row) => tasks[row] ?? taskAdapter(row));
        const rows = await model.predict(picked, adapters);
        for (const [at, row] of order.entries()) {
          expect(difference(rows[at] ?? images, inOrder[row] ?? images)).toBeLessThan(1e-5);
        }
      }),
      { numRuns: 20 },
    );
  });
});

describe('a batch of one task', () => {
  test('gives what the model of its specification gives, after any other task', async () => {
    const { images } = randomBatch(3, 2, 'one task');
    for (const task of tasks) {
      const rows = await model.predict(images, [task, task, task]);
      const single = await engine.load(backbone, task.specification);
      const expected = await single.predict(images, 3, task.values);
      await single.dispose();
      const together = Float32Array.from(rows.flatMap((row) => [...row]));
      expect(difference(together, expected)).toBeLessThan(1e-5);
    }
  });

  test('of no image is no work', async () => {
    expect(await model.predict(new Float32Array(0), [])).toEqual([]);
  });
});

describe('a batch whose heads read the class token or the mean of the patches', () => {
  test('gives each row what the model of its own specification gives, to 1e-5', async () => {
    const means = [0, 1].map((seed): TaskAdapter => {
      const { specification, values } = taskAdapter(seed);
      const mean = { ...specification, pooling: 'mean' } as const;
      return { specification: mean, layout: adapterLayout(mean), values };
    });
    const [one, two] = means;
    if (one === undefined || two === undefined) throw new Error('expected two adapters');
    for (const adapters of [[taskAdapter(0), one, taskAdapter(1), two], means, [one, one]]) {
      const { images } = randomBatch(adapters.length, 2, 'poolings');
      const rows = await model.predict(images, adapters);
      for (const [row, task] of adapters.entries()) {
        const logits = rows[row] ?? new Float32Array(0);
        expect(difference(logits, await alone(imageOf(images, row), task))).toBeLessThan(1e-5);
      }
    }
    const { images } = randomBatch(1, 2, 'poolings');
    const [read] = await model.predict(images, [one]);
    expect(difference(read ?? images, await alone(images, taskAdapter(0)))).toBeGreaterThan(1e-3);
  });
});

describe('an adapter that does not fit', () => {
  test('is refused where it is of another width', async () => {
    const specification = adapterSpecification({
      ...{ rank: 4, alpha: 4, classes: ['a', 'b'], dimension: 32, blocks },
    });
    const layout = adapterLayout(specification);
    const other = { specification, layout, values: new Float32Array(layout.size) };
    const { images } = randomBatch(2, 2, 'other');
    const refused = model.predict(images, [taskAdapter(0), other]);
    await expect(refused).rejects.toMatchObject({ code: 'ADAPTER_SPEC_INVALID' });
    expect(await model.predict(images, [taskAdapter(0), taskAdapter(1)])).toHaveLength(2);
  });

  test('is refused where its numbers are too few', async () => {
    const { images } = randomBatch(1, 2, 'short');
    const whole = taskAdapter(0);
    const short = { ...whole, values: whole.values.slice(1) };
    const refused = model.predict(images, [short]);
    await expect(refused).rejects.toMatchObject({ code: 'UPDATE_SHAPE_MISMATCH' });
  });

  test('does not stop a model that is disposed of from saying so', async () => {
    const other = await engine.loadMultiTask(backbone);
    const { images } = randomBatch(1, 2, 'disposed');
    await other.predict(images, [taskAdapter(0)]);
    await other.dispose();
    await other.dispose();
    await expect(other.predict(images, [taskAdapter(0)])).rejects.toThrow('disposed of');
  });
});

test('TensorFlow.js gives the same rows', async () => {
  const other = await (await startOn('wasm')).loadMultiTask(backbone);
  const adapters = [taskAdapter(0), taskAdapter(2), taskAdapter(1), taskAdapter(0)];
  const { images } = randomBatch(adapters.length, 2, 'tfjs');
  const [actual, expected] = [
    await other.predict(images, adapters),
    await model.predict(images, adapters),
  ];
  for (const [row, logits] of expected.entries()) {
    expect(difference(actual[row] ?? images, logits)).toBeLessThan(1e-4);
  }
  await other.dispose();
  await other.dispose();
  await expect(other.predict(images, adapters)).rejects.toThrow('disposed of');
});
