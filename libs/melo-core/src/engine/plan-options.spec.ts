/** Local rounds on the real engine with the options of a plan: they learn, and the same plan gives the same bytes. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialAdapter } from '#core/adapter';
import { trainingPlanSchema } from '#core/protocol';
import type { TrainingPlanInput } from '#core/protocol';
import { smallPlan } from '#core/protocol/testing';
import { seededRng } from '#core/rng';
import { trainLocally } from '#core/training';
import type { LabelledImages, LocalTrainingResult } from '#core/training';
import { createOnnxEngine } from './onnx/index.ts';
import { smallModel } from './testing/small-model.ts';
import type { SmallOptions } from './testing/small-model.ts';
import type { TrainingEngine } from './types.ts';

let engine: TrainingEngine;
let cacheDirectory: string;

beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'melo-options-'));
  engine = await createOnnxEngine({ threads: 2, cacheDirectory });
});
afterAll(() => rm(cacheDirectory, { recursive: true, force: true }));

const size = 32;
const classes = 3;

/** Noise with a bright band whose height shows the class: mirrored, turned or cropped a little it still does. */
function bands(count: number): LabelledImages {
  return {
    count,
    labels: Array.from({ length: count }, (_, index) => index % classes),
    load: (index) => {
      const rng = seededRng(`band/${index}`);
      const pixels = Float32Array.from({ length: 3 * size * size }, (_, at) => {
        const row = Math.floor(at / size) % size;
        const isBright = Math.floor((row * classes) / size) === index % classes;
        return 0.3 * rng.nextNormal() + (isBright ? 1.5 : 0);
      });
      return Promise.resolve(pixels);
    },
  };
}

/** Each image has its class; of its other two one is absent, and one is not known. */
function findings({ count, labels }: LabelledImages): Int8Array {
  return Int8Array.from({ length: count * classes }, (_, at) => {
    const [image, c] = [Math.floor(at / classes), at % classes];
    const label = labels[image] ?? -1;
    if (c === label) return 1;
    return c === (label + 1 + (image % 2)) % classes ? 0 : -1;
  });
}

async function train(
  parts: Partial<TrainingPlanInput>,
  images: LabelledImages,
  options: SmallOptions = {},
): Promise<LocalTrainingResult & { readonly losses: readonly number[] }> {
  const { backbone, specification, layout } = await smallModel({ blocks: 2, ...options });
  const model = await engine.load(backbone, specification);
  const losses: number[] = [];
  const result = await trainLocally({
    model,
    plan: trainingPlanSchema.parse({
      ...smallPlan,
      optimiser: { name: 'adamw', learningRate: 0.01 },
      duration: { unit: 'steps', count: 40 },
      batchSize: 6,
      seed: 3,
      ...parts,
    }),
    images,
    global: initialAdapter(specification, '07'.repeat(32)),
    trainedTensors: layout.tensors.map(({ name }) => name),
    scheduleOffset: 0,
    stream: 'bands/1/site',
    onProgress: ({ loss }) => losses.push(loss),
  });
  await model.dispose();
  return { ...result, losses };
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

const images = bands(18);
const augmentation = {
  name: 'standard',
  ...{ laterality: false, horizontalFlipShare: 0.5, rotationDegrees: 5, cropAreaMin: 0.9 },
  ...{ brightness: 0.1, contrast: 0.1 },
} as const;
const optimiser = {
  name: 'adamw',
  ...{ learningRate: 0.01, rateRatioOfB: 4, gradientNormMax: 1 },
} as const;
const binary: TrainingPlanInput['loss'] = {
  name: 'binary-cross-entropy',
  positiveWeights: [2, 2, 2],
};

describe('a local round on the engine', () => {
  test.each<[string, Partial<TrainingPlanInput>, LabelledImages, SmallOptions]>([
    ['no option', {}, images, {}],
    ['augmentation', { augmentation }, images, {}],
    ['dropout, LoRA+ and a bounded gradient', { optimiser, loraDropout: 0.2 }, images, {}],
    ['class weights', { loss: { name: 'cross-entropy', classWeights: [1, 2, 4] } }, images, {}],
    ['the binary loss', { loss: binary }, images, {}],
    ['labels that are not known', { loss: binary }, { ...images, findings: findings(images) }, {}],
    ['the mean of the patches', {}, images, { pooling: 'mean' }],
  ])('learns with %s', async (_name, parts, data, options) => {
    const { losses } = await train(parts, data, options);
    expect(mean(losses.slice(-6)) / mean(losses.slice(0, 3))).toBeLessThan(0.5);
  });

  test('gives the same bytes for the same plan with everything on', async () => {
    const parts = { optimiser, loraDropout: 0.2, loss: binary, augmentation };
    const short = { ...parts, duration: { unit: 'steps', count: 5 } } as const;
    const first = await train(short, images, { pooling: 'mean' });
    expect((await train(short, images, { pooling: 'mean' })).values).toEqual(first.values);
    expect((await train({ ...short, seed: 4 }, images, { pooling: 'mean' })).values).not.toEqual(
      first.values,
    );
  });
});
