/**
 * `npm run bench -- sizes [--backbones vit_large,vit_huge] [--json]`: one training step of one image for each size of ViT, at real
 * shapes with random weights: how long it takes to start and to compute, and the memory beside its estimate.
 */
import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { backboneSizes } from '#core/backbone';
import { loadBackbone, memoryAllowedBytes } from '#core/engine';
import { stepMemory } from '#core/engine/onnx';
import { makeWorkDirectory } from '../test/support/package-root.ts';
import { readCommandLine } from './support/command-line.ts';
import type { Shape } from './train-step/messages.ts';
import { weightsBytes, writeRandomBackbone } from './train-step/random-weights.ts';
import { shapeOf } from './train-step/shapes.ts';
import { startOwnSide } from './train-step/side.ts';

const rank = 4;
const classes = 2;
const timeoutMs = 1_800_000;

const command = {
  name: 'sizes',
  about: `One training step of one image for each size of ViT: seconds to start and to compute, and the memory beside its estimate.
Shapes are real, weights random. Progress goes to standard error.`,
  options: z.strictObject({
    backbones: z
      .string()
      .transform((list) => list.split(','))
      .pipe(z.array(z.enum(Object.keys(backboneSizes))))
      .prefault(Object.keys(backboneSizes).join(','))
      .describe('sizes, between commas'),
    threads: z.coerce.number().int().min(1).max(256).default(2).describe('computing threads'),
    json: z.boolean().default(false).describe('the figures as one line of JSON'),
  }),
};

const gigabytes = (bytes: number): number => Math.round(bytes / 1e7) / 100;
const round2 = (value: number): number => Math.round(value * 100) / 100;

/** Start a fresh process with the backbone in a folder and take one step twice. */
async function measure(directory: string, shape: Shape, threads: number): Promise<object> {
  const side = startOwnSide('our-side', {
    shape,
    backbone: join(directory, 'backbone'),
    cacheDirectory: join(directory, 'cache'),
    ...{ rank, classes, batch: 1, threads, isAlone: false },
  });
  try {
    const { startSeconds, trained } = await side.ready(timeoutMs);
    const first = await side.steps(1, timeoutMs);
    const second = await side.steps(1, timeoutMs);
    return {
      trained,
      startSeconds: round2(startSeconds),
      firstStepSeconds: round2(first.wallSeconds[0] ?? Number.NaN),
      stepSeconds: round2(second.wallSeconds[0] ?? Number.NaN),
      stepProcessorSeconds: round2(second.processorSeconds[0] ?? Number.NaN),
      peakGigabytes: gigabytes(second.peakBytes),
    };
  } finally {
    await side.stop();
  }
}

async function figuresOf(directory: string, name: string, threads: number): Promise<object> {
  const shape = shapeOf(name);
  process.stderr.write(`sizes: ${name}, writing ${gigabytes(weightsBytes(shape))} GB\n`);
  await writeRandomBackbone(join(directory, 'backbone'), shape);
  const backbone = await loadBackbone(join(directory, 'backbone'));
  const { fixedBytes, imageBytes } = stepMemory(backbone.configuration, weightsBytes(shape));
  await backbone.close();
  const neededBytes = fixedBytes + imageBytes;
  const figures = {
    ...{ backbone: name, weightsGigabytes: gigabytes(weightsBytes(shape)) },
    estimatedGigabytes: gigabytes(neededBytes),
  };
  if (neededBytes > memoryAllowedBytes()) return { ...figures, isRefused: true };
  return { ...figures, ...(await measure(directory, shape, threads)) };
}

async function main(): Promise<void> {
  const { backbones, threads, json } = readCommandLine(command);
  const work = await makeWorkDirectory('bench-sizes');
  const sizes: object[] = [];
  try {
    for (const name of backbones) {
      const directory = join(work.path, name);
      const figures = await figuresOf(directory, name, threads);
      process.stderr.write(`sizes: ${JSON.stringify(figures)}\n`);
      sizes.push(figures);
      await rm(directory, { recursive: true, force: true }); // one at a time on the disk
    }
    const memoryGigabytes = gigabytes(memoryAllowedBytes());
    const all = { bench: 'sizes', batch: 1, threads, memoryGigabytes, sizes };
    process.stdout.write(`${JSON.stringify(all, null, json ? 0 : 2)}\n`);
  } finally {
    await work.remove();
  }
}

await main();
