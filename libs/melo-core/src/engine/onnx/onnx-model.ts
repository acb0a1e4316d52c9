/** A backbone with a place for an adapter of one specification, run by onnxruntime: training steps and predictions. */
import type { InferenceSession } from 'onnxruntime-node';
import { adapterLayout } from '#core/adapter';
import type { AdapterSpecification } from '#core/adapter';
import type { Backbone } from '#core/backbone';
import { checkLength } from '#core/check';
import { assert } from '#core/errors';
import { ClippedSum } from '../clip-examples.ts';
import { FeatureCache } from '../feature-cache.ts';
import { headExamples, headLogits, headStep } from '../head-step.ts';
import type { HeadStepInput } from '../head-step.ts';
import { exampleLoss, meanLoss } from '../loss-coefficients.ts';
import type { WeightedLoss } from '../loss-coefficients.ts';
import { checkFits, examplesPerRun } from '../model-limits.ts';
import type {
  Batch,
  EngineModel,
  PerExampleOptions,
  PerExampleResult,
  StepResult,
  TrainedPart,
} from '../types.ts';
import { buildGraph } from './graphs.ts';
import type { GraphKind } from './graphs.ts';
import { arePacked, imagesAtOnce, weightsBytesOf } from './memory.ts';
import { GraphSessions, takeOutput } from './sessions.ts';
import type { GraphInput, OnnxRuntime } from './sessions.ts';
import { placeWeights } from './weights.ts';
import type { WeightsFolder } from './weights.ts';

/** What {@link loadOnnxModel} needs. */
export interface OnnxModelOptions {
  readonly runtime: OnnxRuntime;
  readonly backbone: Backbone;
  readonly specification: AdapterSpecification;
  readonly cacheDirectory: string;
  /** Threads of one operator, one or more. */
  readonly threads: number;
  /** Memory that this process may use, bytes. */
  readonly memoryBytes: number;
  /** Whether nothing else is to compute on this machine meanwhile. */
  readonly isAlone: boolean;
  /** Where the profiler writes, if it is to. */
  readonly profilePrefix?: string | undefined;
}

/** Memory for features of a linear probe: 20,000 images of a ViT-B. */
const featureBytesMax = 64 * 2 ** 20;

class OnnxModel implements EngineModel {
  readonly layout;
  readonly #features = new FeatureCache(featureBytesMax);
  readonly #classes: number;
  readonly #options: OnnxModelOptions;
  readonly #sessions: GraphSessions<GraphKind>;

  constructor(options: OnnxModelOptions, weights: WeightsFolder) {
    const { runtime, backbone, specification, threads, isAlone, profilePrefix } = options;
    const { configuration } = backbone;
    const layout = adapterLayout(specification);
    const weightRange = weights.range;
    const build = (kind: GraphKind): Uint8Array =>
      buildGraph({ kind, configuration, specification, layout, weightRange });
    this.layout = layout;
    this.#classes = specification.classes.length;
    this.#options = options;
    const isLarge = arePacked(configuration, weightsBytesOf(backbone));
    const isPacked = (kind: GraphKind): boolean => isLarge && kind !== 'forward';
    this.#sessions = new GraphSessions({
      ...{ runtime, configuration, weights, threads, isAlone, isPacked, profilePrefix, build },
    });
  }

  step(batch: Batch, adapter: Float32Array, part: TrainedPart): Promise<StepResult> {
    return this.#sessions.inTurn(() =>
      part === 'head' ? this.#headStep(batch, adapter) : this.#fullStep(batch, adapter),
    );
  }

  perExampleStep(
    batch: Batch,
    adapter: Float32Array,
    options: PerExampleOptions,
  ): Promise<PerExampleResult> {
    return this.#sessions.inTurn(() => this.#examples(batch, adapter, options));
  }

  predict(images: Float32Array, count: number, adapter: Float32Array): Promise<Float32Array> {
    return this.#sessions.inTurn(async () => {
      checkLength(adapter, this.layout.size, 'adapter');
      if (this.#features.isOf(this.#frozenPart(adapter))) {
        return this.#logits(await this.#featuresOf(images, count, adapter), adapter);
      }
      const outputs = await this.#run('forward', images, count, adapter, ['logits']);
      return takeOutput(outputs, 'logits');
    });
  }

  dispose(): Promise<void> {
    return this.#sessions.dispose();
  }

  async #fullStep(batch: Batch, adapter: Float32Array): Promise<StepResult> {
    const { images, count } = batch;
    const weighted = meanLoss(batch, this.#classes);
    const atOnce = this.#imagesAtOnce();
    if (count <= atOnce) return this.#partStep(images, count, adapter, weighted);
    // The coefficients are those of the whole batch, so parts are added up as they are.
    const gradients = new Float64Array(this.layout.size);
    let loss = 0;
    for (const [start, end] of ranges(count, atOnce)) {
      const rows = rowsOf(weighted, start, end);
      const pixels = imagesOf(batch, start, end);
      const part = await this.#partStep(pixels, end - start, adapter, rows);
      loss += part.loss;
      for (const [index, gradient] of part.gradients.entries()) {
        gradients[index] = (gradients[index] ?? 0) + gradient;
      }
    }
    return { loss: Math.fround(loss), gradients: Float32Array.from(gradients) };
  }

  /** Images of one run; asked for before a session is made, so that what cannot be is refused at once. */
  #imagesAtOnce(): number {
    return imagesAtOnce(this.#options.backbone, this.#options.memoryBytes);
  }

  async #partStep(
    images: Float32Array,
    count: number,
    adapter: Float32Array,
    loss: WeightedLoss,
  ): Promise<StepResult> {
    const outputs = await this.#runLoss('step', images, count, adapter, loss);
    const value = takeOutput(outputs, 'loss')[0];
    assert(value !== undefined, 'onnxruntime: expected one loss');
    return { loss: value, gradients: takeOutput(outputs, 'gradients') };
  }

  async #headStep(batch: Batch, adapter: Float32Array): Promise<StepResult> {
    const weighted = meanLoss(batch, this.#classes);
    const input = await this.#headInput(batch.images, batch.count, adapter, weighted);
    const { loss, gradient } = headStep(input);
    const gradients = new Float32Array(this.layout.size); // zero for A and B; the head stands last
    gradients.set(gradient, gradients.length - gradient.length);
    return { loss, gradients };
  }

  async #examples(
    batch: Batch,
    adapter: Float32Array,
    options: PerExampleOptions,
  ): Promise<PerExampleResult> {
    const { count } = batch;
    const sum = new ClippedSum(this.layout, options);
    const loss = exampleLoss(batch, this.#classes, options.rows);
    const losses = new Float32Array(count);
    const norms = new Float64Array(count);
    const atOnce =
      options.part === 'head' ? examplesPerRun : Math.min(examplesPerRun, this.#imagesAtOnce());
    for (const [start, end] of ranges(count, atOnce)) {
      const pixels = imagesOf(batch, start, end);
      const part = rowsOf(loss, start, end);
      const examples =
        options.part === 'head'
          ? await this.#headExamples(pixels, end - start, adapter, part)
          : await this.#fullExamples(pixels, end - start, adapter, part);
      losses.set(examples.losses, start);
      const size = this.layout.size;
      for (let row = 0; row < end - start; row++) {
        norms[start + row] = sum.add(examples.gradients.subarray(row * size, (row + 1) * size));
      }
    }
    return { losses, norms, clippedSum: sum.values() };
  }

  async #fullExamples(
    images: Float32Array,
    count: number,
    adapter: Float32Array,
    loss: WeightedLoss,
  ): Promise<Examples> {
    const outputs = await this.#runLoss('examples', images, count, adapter, loss);
    return { losses: takeOutput(outputs, 'loss'), gradients: takeOutput(outputs, 'gradients') };
  }

  async #headExamples(
    images: Float32Array,
    count: number,
    adapter: Float32Array,
    loss: WeightedLoss,
  ): Promise<Examples> {
    const head = headExamples(await this.#headInput(images, count, adapter, loss));
    const own = head.gradients.length / count;
    const { size } = this.layout;
    const gradients = new Float32Array(count * size); // zero for A and B; the head stands last
    for (let row = 0; row < count; row++) {
      gradients.set(head.gradients.subarray(row * own, (row + 1) * own), (row + 1) * size - own);
    }
    return { losses: head.losses, gradients };
  }

  async #headInput(
    images: Float32Array,
    count: number,
    adapter: Float32Array,
    loss: WeightedLoss,
  ): Promise<HeadStepInput> {
    checkLength(adapter, this.layout.size, 'adapter');
    this.#features.begin(this.#frozenPart(adapter));
    const features = await this.#featuresOf(images, count, adapter);
    const logits = this.#logits(features, adapter);
    return { features, logits, loss, count, classes: this.#classes };
  }

  /** A and B; the head stands behind them. */
  #frozenPart(adapter: Float32Array): Float32Array {
    const { dimension } = this.#options.specification;
    return adapter.subarray(0, adapter.length - this.#classes * (dimension + 1));
  }

  #featuresOf(images: Float32Array, count: number, adapter: Float32Array): Promise<Float32Array> {
    const { imageSize } = this.#options.backbone.configuration;
    checkLength(images, count * 3 * imageSize ** 2, 'images');
    return this.#features.take(images, count, async (missing, missingCount) => {
      const outputs = await this.#run('forward', missing, missingCount, adapter, ['features']);
      return takeOutput(outputs, 'features');
    });
  }

  #logits(features: Float32Array, adapter: Float32Array): Float32Array {
    const head = adapter.subarray(this.#frozenPart(adapter).length);
    return headLogits(features, head, this.#classes);
  }

  #runLoss(
    form: 'step' | 'examples',
    images: Float32Array,
    count: number,
    adapter: Float32Array,
    { name, targets, coefficients, columns }: WeightedLoss,
  ): Promise<InferenceSession.ReturnType> {
    return this.#run(`${form}-${name}`, images, count, adapter, ['loss', 'gradients'], {
      targets: { values: targets, shape: [count, this.#classes] },
      coefficients: { values: coefficients, shape: [count, columns] },
    });
  }

  async #run(
    kind: GraphKind,
    images: Float32Array,
    count: number,
    adapter: Float32Array,
    outputs: readonly string[],
    inputs: Readonly<Record<string, GraphInput>> = {},
  ): Promise<InferenceSession.ReturnType> {
    checkLength(adapter, this.layout.size, 'adapter');
    const given = { ...inputs, adapter: { values: adapter, shape: [adapter.length] } };
    return this.#sessions.run(kind, images, count, given, outputs);
  }
}

/** Losses (B) and gradients (B,P). */
interface Examples {
  readonly losses: Float32Array;
  readonly gradients: Float32Array;
}

/** Cut 0 to count into ranges of a size at most; none for a count of 0. */
function* ranges(count: number, size: number): Generator<readonly [number, number]> {
  for (let start = 0; start < count; start += size) yield [start, Math.min(count, start + size)];
}

/** Pixels of some images. */
function imagesOf({ images, count }: Batch, start: number, end: number): Float32Array {
  const size = images.length / count;
  return images.subarray(start * size, end * size);
}

/** The part of a loss that is of some images. */
function rowsOf(loss: WeightedLoss, start: number, end: number): WeightedLoss {
  const { targets, coefficients, columns } = loss;
  const classes = (targets.length / coefficients.length) * columns;
  return {
    ...loss,
    targets: targets.subarray(start * classes, end * classes),
    coefficients: coefficients.subarray(start * columns, end * columns),
  };
}

/**
 * Load a backbone for an adapter specification.
 *
 * @param options - runtime, backbone and where to keep graph and weights
 * @throws InputError ADAPTER_SPEC_INVALID if the specification's dimension or blocks are not the backbone's, and what
 *   {@link placeWeights} throws; a step throws what {@link imagesAtOnce} throws
 */
export async function loadOnnxModel(options: OnnxModelOptions): Promise<EngineModel> {
  checkFits(options.backbone, options.specification);
  return new OnnxModel(options, await placeWeights(options.backbone, options.cacheDirectory));
}
