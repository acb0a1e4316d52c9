/**
 * `npm run bench -- leak [--steps 1000] [--json]`: whether a trainer grows. Steps of a small ViT with images that are new each time; the
 * slope of heap, external and resident memory after the warm-up is below 10 kB a step, or the status is 1.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { adapterSpecification, initialAdapter } from '#core/adapter';
import { createEngine, loadBackbone } from '#core/engine';
import { seededRng } from '#core/rng';
import { adamwStep, freshAdamwState } from '#core/training';
import { makeWorkDirectory } from '../test/support/package-root.ts';
import { collectGarbage, slope } from './leak/slope.ts';
import { readCommandLine } from './support/command-line.ts';
import type { Shape } from './train-step/messages.ts';
import { writeRandomBackbone } from './train-step/random-weights.ts';

const slopeBytesMax = 10_000;
const warmUpShare = 0.3;
const sampleEverySteps = 20;
const batch = 4;
const classes = ['a', 'b'];
const hyperparameters = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
const shape: Shape = {
  ...{ name: 'vit_tiny', dimension: 96, blocks: 6, heads: 3, mlpDimension: 384 },
  ...{ patchSize: 8, imageSize: 64 },
};

const command = {
  name: 'leak',
  about: `Whether a trainer grows: the slope of heap, external and resident memory over the steps of a small ViT after its warm-up.
Exit codes: 0 below 10 kB a step, 1 otherwise, 2 wrong usage.`,
  options: z.strictObject({
    steps: z.coerce.number().int().min(100).max(1_000_000).default(1000).describe('training steps'),
    json: z.boolean().default(false).describe('the figures as one line of JSON'),
  }),
};

interface Sample {
  readonly step: number;
  readonly heap: number;
  readonly external: number;
  readonly resident: number;
}

function sampleMemory(step: number): Sample {
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { step, heap: heapUsed, external, resident: rss };
}

/** Train and look at the memory now and then. */
async function train(directory: string, steps: number): Promise<Sample[]> {
  const cacheDirectory = join(directory, 'cache');
  const engine = await createEngine({ engine: 'onnx', device: 'cpu', threads: 2, cacheDirectory });
  const backbone = await loadBackbone(join(directory, 'backbone'));
  const { dimension, blocks } = shape;
  const specification = adapterSpecification({ rank: 4, alpha: 4, classes, dimension, blocks });
  const model = await engine.load(backbone, specification);
  const values = initialAdapter(specification, '00'.repeat(32));
  const state = freshAdamwState(values.length);
  const ranges = [{ offset: 0, size: values.length }];
  const rng = seededRng('leak');
  const targets = Float32Array.from({ length: 2 * batch }, (_, at) => (at % 2 === 0 ? 1 : 0));
  const samples: Sample[] = [];
  for (let step = 1; step <= steps; step++) {
    const images = new Float32Array(batch * 3 * shape.imageSize ** 2).map(() => rng.nextFloat());
    const { gradients } = await model.step({ count: batch, images, targets }, values, 'all');
    adamwStep(values, state, hyperparameters, { gradients, ranges, step, learningRate: 1e-4 });
    if (step % sampleEverySteps !== 0) continue;
    samples.push(sampleMemory(step));
    if (step % 200 === 0) process.stderr.write(`leak: step ${step} of ${steps}\n`);
  }
  await model.dispose();
  await backbone.close();
  return samples;
}

async function main(): Promise<void> {
  const { steps, json } = readCommandLine(command);
  const work = await makeWorkDirectory('bench-leak');
  try {
    await writeRandomBackbone(join(work.path, 'backbone'), shape);
    const samples = await train(work.path, steps);
    const settled = samples.filter(({ step }) => step > warmUpShare * steps);
    const slopeOf = (key: 'heap' | 'external' | 'resident'): number =>
      Math.round(slope(settled.map((sample) => [sample.step, sample[key]])));
    const heapBytesPerStep = slopeOf('heap');
    const externalBytesPerStep = slopeOf('external');
    const residentBytesPerStep = slopeOf('resident');
    const bytesPerStep = heapBytesPerStep + externalBytesPerStep + residentBytesPerStep;
    const isSteady = bytesPerStep < slopeBytesMax;
    const figures = {
      ...{ bench: 'leak', steps, isSteady, bytesPerStep },
      ...{ heapBytesPerStep, externalBytesPerStep, residentBytesPerStep },
      residentMegabytes: Math.round((samples.at(-1)?.resident ?? Number.NaN) / 1e6),
    };
    process.stdout.write(`${JSON.stringify(figures, null, json ? 0 : 2)}\n`);
    process.exitCode = isSteady ? 0 : 1;
  } finally {
    await work.remove();
  }
}

await main();
