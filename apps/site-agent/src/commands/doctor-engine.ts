/** `melo doctor`: one training step on the chosen engine, compared with the other engine on the CPU. */
import { adapterLayout, adapterSpecification } from '#core/adapter';
import { memorySource, openBackbone, randomBackboneFile } from '#core/backbone';
import {
  createEngine,
  type Batch,
  type EngineOptions,
  type SelectedEngine,
  type StepResult,
} from '#core/engine';
import { MeloError } from '#core/errors';
import { seededRng } from '#core/rng';
import type { Finding } from './doctor-finding.ts';

/** Two engines that compute in float32 in another order agree better than this; a broken driver does not. */
const toleranceRelative = 1e-3;
const imageSize = 32;
const batchCount = 4;
const classes = ['negative', 'positive'];
const shape = { dimension: 96, blocks: 3 };

async function randomBackbone() {
  const { bytes, config } = randomBackboneFile({
    configuration: {
      ...shape,
      heads: 3,
      mlpDimension: 192,
      patchSize: 8,
      imageSize,
      channels: 3,
      layerNormEpsilon: 1e-6,
      activation: 'gelu',
      pooling: 'cls',
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
    seed: 'doctor',
    spelling: 'timm',
  });
  return openBackbone({ source: memorySource(bytes), config, name: 'doctor' });
}

/** Normal numbers that follow from a seed. */
function normals(seed: string, length: number, std: number): Float32Array {
  const rng = seededRng(seed);
  return Float32Array.from({ length }, () => std * rng.nextNormal());
}

/** One step at a random adapter: B is not zero, so that every gradient is at stake. */
async function stepOn(engine: SelectedEngine): Promise<StepResult> {
  const specification = adapterSpecification({ rank: 4, alpha: 8, classes, ...shape });
  const adapter = normals('doctor/adapter', adapterLayout(specification).size, 0.05);
  const batch: Batch = {
    count: batchCount,
    images: normals('doctor/images', batchCount * 3 * imageSize * imageSize, 1), // (B,3,S,S)
    targets: Float32Array.from({ length: 2 * batchCount }, (_, at) =>
      at % 4 < 2 ? at % 2 : 1 - (at % 2),
    ),
  };
  const model = await engine.load(await randomBackbone(), specification);
  try {
    return await model.step(batch, adapter, 'all');
  } finally {
    await model.dispose();
  }
}

/** The largest difference of two steps, as a share of the largest gradient and of the loss; NaN counts as infinite. */
export function stepDifference(actual: StepResult, expected: StepResult): number {
  const scale = expected.gradients.reduce(
    (largest, value) => Math.max(largest, Math.abs(value)),
    0,
  );
  let difference = Math.abs(actual.loss - expected.loss) / Math.max(1, Math.abs(expected.loss));
  const isComparable = actual.gradients.length === expected.gradients.length && scale > 0;
  if (!isComparable || Number.isNaN(difference)) return Infinity;
  for (const [at, value] of actual.gradients.entries()) {
    const relative = Math.abs(value - (expected.gradients[at] ?? Number.NaN)) / scale;
    if (Number.isNaN(relative)) return Infinity;
    difference = Math.max(difference, relative);
  }
  return difference;
}

/** Say whether two steps agree, and what to use instead where they do not. */
export function agreementFinding(
  engine: { readonly name: string; readonly device: string },
  reference: { readonly name: string; readonly device: string },
  difference: number,
): Finding {
  const pair = `${engine.name} on ${engine.device} against ${reference.name} on ${reference.device}`;
  if (difference <= toleranceRelative) {
    const message = `one step agrees: ${pair}, largest difference ${difference.toExponential(1)}`;
    return { check: 'step', status: 'ok', message };
  }
  return {
    check: 'step',
    status: 'failed',
    message:
      `one step: expected ${pair} to agree within ${toleranceRelative}, they differ by ${difference.toExponential(1)}; ` +
      `set engine.name: ${reference.name} and engine.device: cpu in the agent's configuration`,
  };
}

/** Start the engine that a configuration asks for, say why it is the one, and compare one step. */
export async function checkEngine(options: EngineOptions): Promise<Finding[]> {
  let engine: SelectedEngine;
  try {
    engine = await createEngine(options);
  } catch (error) {
    if (!(error instanceof MeloError)) throw error;
    return [{ check: 'engine', status: 'failed', message: error.message }];
  }
  const { chosen, reasons } = engine.selection;
  const passedOver = reasons.map(({ candidate, reason }) => `${candidate} was not: ${reason}`);
  const found: Finding = {
    check: 'engine',
    status: 'ok',
    message: [`${chosen} on ${engine.device} (${engine.library}) was chosen`, ...passedOver].join(
      '; ',
    ),
  };
  return [found, await checkStep(engine, options)];
}

async function checkStep(engine: SelectedEngine, options: EngineOptions): Promise<Finding> {
  try {
    const actual = await stepOn(engine);
    const reference = await createEngine({
      ...options,
      engine: engine.name === 'onnx' ? 'tfjs' : 'onnx',
      device: 'cpu',
    });
    return agreementFinding(engine, reference, stepDifference(actual, await stepOn(reference)));
  } catch (error) {
    const message = error instanceof Error ? error.message : 'it failed without a message';
    return { check: 'step', status: 'failed', message: `one step: ${message}` };
  }
}
