/** How interop specs run Python, and how they compare what its libraries compute with what ours does. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  adapterSpecification,
  decodeFloats,
  decodeSafetensors,
  initialAdapter,
  type AdapterSpecification,
} from '#core/adapter';
import { createEngine, loadBackbone } from '#core/engine';
import { InputError } from '#core/errors';

const folder = path.dirname(fileURLToPath(import.meta.url));

/** The folder of shared data and backbones; interop fails where it is absent. */
export function sharedFolder(): string {
  return path.resolve(folder, '../..', process.env['MELO_SHARED'] ?? '../shared');
}

/** Run a script of this folder with the interpreter that tools/test-interop.mjs provides, and return what it printed. */
export function runPython(script: string, ...scriptArguments: readonly string[]): string {
  const interpreter = process.env['MELO_PYTHON'];
  if (interpreter === undefined) {
    throw new Error(
      'MELO_PYTHON: expected an interpreter with requirements.txt; run npm run test:interop',
    );
  }
  return execFileSync(interpreter, [path.join(folder, script), ...scriptArguments], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    // Nothing is fetched: what a library would look up on a hub must be here already.
    env: { ...process.env, HF_HUB_OFFLINE: '1', PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'], // progress bars stay off the report; a failure carries them
  });
}

/** A tensor of a file that Python wrote. */
export interface Floats {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

/** Read one tensor of a safetensors file. */
export function readFloats(file: string, name: string): Floats {
  const tensor = decodeSafetensors(readFileSync(file)).tensors.get(name);
  if (tensor === undefined) {
    throw new InputError('TENSOR_MISSING', `${file}: expected tensor ${name}`, { name });
  }
  return { shape: tensor.shape, values: decodeFloats(tensor.data, tensor.dtype) };
}

/** A small model that Python saved, and what Python says of it: see common.py for the shapes. */
export interface MadeModel {
  /** Of `model.safetensors` and `config.json`: what `loadBackbone` takes. */
  readonly directory: string;
  readonly images: Floats;
  readonly features: Floats;
  readonly weight: Floats;
  readonly bias: Floats;
  readonly logits: Floats;
}

/**
 * Let Python make the small models of some families of common.py, in one process.
 *
 * @param folder - gets a folder for each family, named like it
 * @returns by family, in the given order
 */
export function makeModels(
  families: readonly string[],
  folder: string,
): ReadonlyMap<string, MadeModel> {
  const directories = families.map((family) => [family, path.join(folder, family)] as const);
  runPython('make_model.py', ...directories.flat());
  return new Map(directories.map(([family, directory]) => [family, readMade(directory)]));
}

function readMade(directory: string): MadeModel {
  const read = (name: string): Floats =>
    readFloats(path.join(directory, 'expected.safetensors'), name);
  return {
    directory,
    images: read('images'),
    features: read('features'),
    weight: read('weight'),
    bias: read('bias'),
    logits: read('logits'),
  };
}

/** Compute logits (B,C) of normalised images (B,3,S,S) with a backbone of a folder, under an adapter. */
export async function predictWith(options: {
  readonly directory: string;
  readonly images: Floats;
  readonly specification: AdapterSpecification;
  readonly values: Float32Array;
  /** Made where it is missing. */
  readonly cacheDirectory: string;
  readonly engine?: 'onnx' | 'tfjs';
}): Promise<Float32Array> {
  const { directory, images, specification, values, cacheDirectory } = options;
  const backbone = await loadBackbone(directory);
  try {
    const engine = await createEngine({
      engine: options.engine ?? 'onnx',
      device: 'cpu',
      threads: 2,
      cacheDirectory,
    });
    const model = await engine.load(backbone, specification);
    try {
      return await model.predict(images.values, images.shape[0] ?? 0, values);
    } finally {
      await model.dispose();
    }
  } finally {
    await backbone.close();
  }
}

/**
 * Compute the logits that a made model should give, with our engine: version 0 of an adapter changes nothing, and its
 * head is the made model's.
 *
 * @returns logits (B,C), to be held against `made.logits`
 */
export async function logitsOfOurs(
  made: MadeModel,
  cacheDirectory: string,
  engine: 'onnx' | 'tfjs' = 'onnx',
): Promise<Float32Array> {
  const backbone = await loadBackbone(made.directory);
  const { dimension, blocks } = backbone.configuration;
  await backbone.close();
  const classes = Array.from(made.bias.values, (_, index) => `class ${index}`);
  const specification = adapterSpecification({ rank: 2, alpha: 2, classes, dimension, blocks });
  const values = initialAdapter(specification, '00'.repeat(32)); // (P), the head last
  values.set(made.bias.values, values.length - made.bias.values.length);
  values.set(
    made.weight.values,
    values.length - made.bias.values.length - made.weight.values.length,
  );
  const { directory, images } = made;
  return predictWith({ directory, images, specification, values, cacheDirectory, engine });
}

/** The largest absolute difference of two arrays of one length. */
export function largestDifference(actual: Float32Array, expected: Float32Array): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  return actual.reduce(
    (largest, value, index) => Math.max(largest, Math.abs(value - (expected[index] ?? Number.NaN))),
    0,
  );
}
