/** What a site's training adds to plain steps, on the real engines: each gives the adapter that the others give, and not that of plain training. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tensorView, type AdapterLayout } from '#core/adapter';
import { trainingPlanSchema } from '#core/protocol';
import { smallPlan } from '#core/protocol/testing';
import { classLogPriors, trainLocally, type LocalTrainingOptions } from '#core/training';
import { createOnnxEngine } from './onnx/index.ts';
import { randomAdapter, randomBatch, smallModel } from './testing/small-model.ts';
import { presentBackends, startOn } from './testing/tfjs-support.ts';
import type { EngineModel, TrainingEngine } from './types.ts';

const classes = ['a', 'b', 'c'];
const labels = [0, 0, 0, 0, 1];
const plan = trainingPlanSchema.parse({
  ...{ ...smallPlan, batchSize: 2, duration: { unit: 'epochs', count: 2 } },
  optimiser: { name: 'adamw', learningRate: 0.01, weightDecay: 0 },
});

let cacheDirectory: string;
let engines: (readonly [string, TrainingEngine])[];
beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'melo-local-steps-'));
  engines = [['onnxruntime', await createOnnxEngine({ threads: 2, cacheDirectory })]];
  for (const backend of presentBackends) engines.push([backend, await startOn(backend)]);
});
afterAll(() => rm(cacheDirectory, { recursive: true, force: true }));

const { images: pixels } = randomBatch(labels.length, classes.length, 'local steps');
const pixelCount = pixels.length / labels.length;
const images: LocalTrainingOptions['images'] = {
  count: labels.length,
  labels: Uint16Array.from(labels),
  load: async (index) => pixels.slice(index * pixelCount, (index + 1) * pixelCount),
};

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
const minus = (a: Float32Array, b: Float32Array): Float32Array =>
  a.map((value, index) => value - (b[index] ?? Number.NaN));

/** Train on every engine, and see that all took the same way. */
async function trainOnAll(
  partsOf: (layout: AdapterLayout, global: Float32Array) => Partial<LocalTrainingOptions>,
): Promise<{ layout: AdapterLayout; global: Float32Array; values: Float32Array }> {
  const { backbone, specification, layout } = await smallModel({ blocks: 2, classes });
  const global = randomAdapter(layout, 'local steps');
  const trainedTensors = layout.tensors.map(({ name }) => name);
  const common = { plan, images, global, trainedTensors, scheduleOffset: 0, stream: 'task/1/site' };
  const train = async (model: EngineModel): Promise<Float32Array> => {
    try {
      return (await trainLocally({ ...common, model, ...partsOf(layout, global) })).values;
    } finally {
      await model.dispose();
    }
  };
  let expected: Float32Array | null = null;
  for (const [name, engine] of engines) {
    const values = await train(await engine.load(backbone, specification));
    expected ??= values;
    const apart = norm(minus(values, expected)) / norm(minus(expected, global));
    if (!(apart < 1e-2)) throw new Error(`${name}: ${apart} of the way apart from onnxruntime`);
  }
  if (expected === null) throw new Error('expected an engine');
  return { layout, global, values: expected };
}

const distance = ({ values, global }: { values: Float32Array; global: Float32Array }): number =>
  norm(minus(values, global));

test('the proximal term holds the adapter, on every engine alike', async () => {
  const plain = await trainOnAll(() => ({}));
  const held = await trainOnAll(({ tensors }) => ({
    proximal: { weight: 5, trainedTensors: tensors.map(({ name }) => name) },
  }));
  expect(distance(held)).toBeLessThan(0.9 * distance(plain));
});

test('the class shares change what the head learns of a class that is rare, on every engine alike', async () => {
  const plain = await trainOnAll(() => ({}));
  const corrected = await trainOnAll(() => ({ logPriors: classLogPriors(labels, classes.length) }));
  const biasOf = ({ layout, values }: typeof plain): Float32Array =>
    tensorView(layout, values, 'head.bias');
  const [before, after] = [biasOf(plain), biasOf(corrected)];
  // Class c has no image: plain training pushes its bias down further than training that knows the shares.
  expect(after[2]).toBeGreaterThan(before[2] ?? Number.NaN);
});

test('a part that is not trained comes out byte-equal, on every engine', async () => {
  const isHead = (name: string): boolean => name.startsWith('head.');
  const { layout, global, values } = await trainOnAll(({ tensors }) => ({
    trainedTensors: tensors.map(({ name }) => name).filter((name) => !isHead(name)),
  }));
  for (const { name } of layout.tensors) {
    const [start, end] = [tensorView(layout, global, name), tensorView(layout, values, name)];
    if (isHead(name)) expect(end).toEqual(start);
    else expect(end).not.toEqual(start);
  }
});
