/** The three ways of the table `melo` to learn a task: every weight (PyTorch), the head alone, and MeLo (our engine). */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import {
  adapterCard,
  encodeAdapterFile,
  initialAdapter,
  resolveTrainedTensors,
  specificationOf,
} from '#core/adapter';
import type { EngineModel, LoadedBackbone, TrainingEngine } from '#core/engine';
import { AdapterLibrary } from '#core/inference';
import { limits, taskDefinitionSchema, type TaskDefinition } from '#core/protocol';
import { predictShares, trainLocally } from '#core/training';
import { readWithin } from '../../apps/site-agent/src/commands/adapter-files.ts';
import { taskDefinition, type BackboneFolder } from '../../test/support/small-federation.ts';
import { median } from '../round/median.ts';
import { labelledImages, type DecodedImages } from './melo-images.ts';

/** Of every method. */
export const budget = { epochs: 3, batch: 16, rank: 4, threads: 2 };

/** The ways to learn, and the learning rates searched for each. */
export const methods = {
  'full fine-tuning': [5e-5, 2e-4],
  'head-only': [5e-3, 2e-2],
  MeLo: [2e-3, 5e-3],
} as const;
/** One of the ways. */
export type Method = keyof typeof methods;
/** All of them, in the order of the table. */
export const methodNames: readonly Method[] = ['full fine-tuning', 'head-only', 'MeLo'];

/** One training. */
export interface Run {
  readonly learningRate: number;
  readonly seed: number;
  readonly training: DecodedImages;
  readonly measured: DecodedImages;
}

/** What a training gives. */
export interface Outcome {
  /** (N,C) of the measured images. */
  readonly shares: Float32Array;
  /** Numbers that are trained. */
  readonly parameters: number;
  /** Of what a task is kept as. */
  readonly fileBytes: number;
  /** From that file to a model that is ready, median. */
  readonly switchMs: number;
  /** Of the training alone. */
  readonly seconds: number;
}

/** What the ways share. */
export interface Bench {
  readonly engine: TrainingEngine;
  readonly backbone: LoadedBackbone;
  readonly description: BackboneFolder;
  readonly classes: readonly string[];
  /** For files of the run. */
  readonly directory: string;
}

const outcomeSchema = z.object({
  shares: z.array(z.number()),
  parameters: z.number(),
  fileBytes: z.number(),
  switchMs: z.number(),
  seconds: z.number(),
  library: z.string(),
});
const defaultWeightDecay = 1e-4;
const switches = 15;

/** Train every weight in PyTorch, in a process of its own. */
async function fullFineTuning(bench: Bench, run: Run): Promise<Outcome> {
  const interpreter = process.env['MELO_PYTHON'];
  if (interpreter === undefined) {
    throw new Error('MELO_PYTHON: expected a Python with PyTorch and timm');
  }
  const { description, classes, directory } = bench;
  const { mean, std, imageSize } = description.configuration;
  const [trainingPixels, measuredPixels] = [
    join(directory, 'training'),
    join(directory, 'measured'),
  ];
  await writeFile(trainingPixels, run.training.pixels);
  await writeFile(measuredPixels, run.measured.pixels);
  const options = {
    ...{ ...budget, trainingPixels, measuredPixels, directory, mean, std, imageSize },
    ...{ learningRate: run.learningRate, seed: run.seed, labels: run.training.labels },
    classes: classes.length,
    weightDecay: defaultWeightDecay,
    architecture: description.reference.name,
    weights: join(description.directory, 'model.safetensors'),
  };
  const script = fileURLToPath(new URL('./full_fine_tuning.py', import.meta.url));
  const { stdout } = await promisify(execFile)(interpreter, [script, JSON.stringify(options)], {
    maxBuffer: 64 * 1024 * 1024,
  });
  const { shares, ...figures } = outcomeSchema.parse(JSON.parse(stdout.trim()));
  return { ...figures, shares: Float32Array.from(shares) };
}

function definitionOf({ description, classes }: Bench, run: Run): TaskDefinition {
  const { mean, std } = description.configuration;
  const members = ['hospital-1', 'hospital-2'];
  const { seed, learningRate } = run;
  const definition = taskDefinition({
    ...{ task: 'melo', backbone: description.reference, mean, std, classes, members },
    ...{ rounds: 1, seed, learningRate, batchSize: budget.batch },
  });
  const duration = { unit: 'epochs' as const, count: budget.epochs };
  return taskDefinitionSchema.parse({ ...definition, plan: { ...definition.plan, duration } });
}

/** Keep an adapter as the registry does, and time how long it takes from the file to a model that is ready. */
async function keepAndSwitch(
  { directory }: Bench,
  definition: TaskDefinition,
  values: Float32Array,
): Promise<{ fileBytes: number; switchMs: number }> {
  const specification = specificationOf(definition);
  const card = adapterCard({
    ...{ definition, version: 1, parentDigest: 'cd'.repeat(32), round: 1 },
    members: [{ site: 'hospital-1', weight: 1, samples: 1 }],
    software: { library: 'melo-federation results', engine: 'onnx' },
  });
  const bytes = encodeAdapterFile({ specification, values, card });
  const file = join(directory, 'adapter.safetensors');
  await writeFile(file, bytes);
  const library = new AdapterLibrary({
    backbone: definition.backbone,
    bytesMax: limits.updateBytesMax,
    read: (name) => readWithin(name, limits.updateBytesMax),
  });
  const times: number[] = [];
  for (let at = 0; at < switches; at++) {
    const startMs = performance.now();
    await library.get(file);
    times.push(performance.now() - startMs);
    library.forget(file);
  }
  return { fileBytes: bytes.length, switchMs: median(times) };
}

/** Train with our engine: the head, or A, B and head. */
async function ourTraining(bench: Bench, run: Run, part: 'head' | 'all'): Promise<Outcome> {
  const definition = definitionOf(bench, run);
  const { preprocessing, plan, publicSeed } = definition;
  const specification = specificationOf(definition);
  const model: EngineModel = await bench.engine.load(bench.backbone, specification);
  try {
    const trainedTensors = resolveTrainedTensors(part, model.layout);
    const startMs = performance.now();
    const { values } = await trainLocally({
      ...{ model, plan, trainedTensors, scheduleOffset: 0 },
      images: labelledImages(run.training, preprocessing),
      global: initialAdapter(specification, publicSeed),
      stream: `melo/${run.seed}`,
    });
    const seconds = (performance.now() - startMs) / 1000;
    const images = labelledImages(run.measured, preprocessing);
    const classes = bench.classes.length;
    const shares = await predictShares({ model, images, adapter: values, classes });
    const names = new Set(trainedTensors);
    const parameters = model.layout.tensors
      .filter(({ name }) => names.has(name))
      .reduce((sum, { size }) => sum + size, 0);
    const kept = await keepAndSwitch(bench, definition, values);
    return { shares, parameters, seconds, ...kept };
  } finally {
    await model.dispose();
  }
}

/** Train one way. */
export function learn(bench: Bench, method: Method, run: Run): Promise<Outcome> {
  if (method === 'full fine-tuning') return fullFineTuning(bench, run);
  return ourTraining(bench, run, method === 'MeLo' ? 'all' : 'head');
}
