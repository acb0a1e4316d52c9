/**
 * A backbone with a place for an adapter, run by onnxruntime: sessions are made when first used and kept.
 *
 * Runs go one after the other, so the same inputs give the same bytes on one machine with one number of threads.
 */
import { writeFile, access } from 'node:fs/promises';
import { join } from 'node:path';
import type { InferenceSession, Tensor, TensorConstructor } from 'onnxruntime-node';
import { adapterLayout } from '#core/adapter';
import type { AdapterSpecification } from '#core/adapter';
import type { Backbone } from '#core/backbone';
import { checkInteger, checkLength } from '#core/check';
import { sha256 } from '#core/crypto';
import { assert, UnavailableError } from '#core/errors';
import { headStep } from '../head-step.ts';
import { checkFits, imagesPerCallMax } from '../model-limits.ts';
import { patchify } from '../patches.ts';
import type { Batch, EngineModel, StepResult, TrainedPart } from '../types.ts';
import { buildGraph } from './graphs.ts';
import type { GraphKind } from './graphs.ts';
import { placeWeights, writeAtomically } from './weights.ts';
import type { WeightsFolder } from './weights.ts';

/** The part of onnxruntime that a model uses. */
export interface OnnxRuntime {
  readonly Tensor: TensorConstructor;
  readonly InferenceSession: {
    create(path: string, options: InferenceSession.SessionOptions): Promise<InferenceSession>;
  };
}

/** What {@link loadOnnxModel} needs. */
export interface OnnxModelOptions {
  readonly runtime: OnnxRuntime;
  readonly backbone: Backbone;
  readonly specification: AdapterSpecification;
  readonly cacheDirectory: string;
  /** Threads of one operator, one or more. */
  readonly threads: number;
}

/** How sessions run: deterministic, on the CPU. */
export function sessionOptions(threads: number): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    extra: {
      session: {
        // Spinning threads of several trainers on one machine would starve one another.
        intra_op: { allow_spinning: '0' },
        // Weights serve forward and backward in different packings: packed copies would cost memory and save no time.
        disable_prepacking: '1',
      },
    },
  };
}

/** Write the graph beside the weights under the digest of its own bytes, unless it is there. */
export async function placeGraph(
  weights: WeightsFolder,
  kind: string,
  bytes: Uint8Array,
): Promise<string> {
  const hash = sha256();
  hash.update(bytes);
  const path = join(weights.directory, `${kind}-${hash.digestHex().slice(0, 32)}.onnx`);
  const isThere = await access(path).then(
    () => true,
    () => false, // not there is the usual case
  );
  if (!isThere) {
    await writeAtomically(path, (temporary) => writeFile(temporary, bytes, { mode: 0o600 }));
  }
  return path;
}

/** Take one output's numbers as a copy of our own, and free it. */
export function takeOutput(outputs: InferenceSession.ReturnType, name: string): Float32Array {
  const tensor = outputs[name];
  assert(tensor !== undefined, `onnxruntime: expected an output ${name}`);
  assert(tensor.data instanceof Float32Array, `onnxruntime: expected float32 in output ${name}`);
  const values = tensor.data.slice();
  tensor.dispose();
  return values;
}

class OnnxModel implements EngineModel {
  readonly layout;
  readonly #options: OnnxModelOptions;
  readonly #weights: WeightsFolder;
  readonly #sessions = new Map<GraphKind, Promise<InferenceSession>>();
  #queue: Promise<unknown> = Promise.resolve();
  #isDisposed = false;

  constructor(options: OnnxModelOptions, weights: WeightsFolder) {
    this.#options = options;
    this.#weights = weights;
    this.layout = adapterLayout(options.specification);
  }

  step(batch: Batch, adapter: Float32Array, part: TrainedPart): Promise<StepResult> {
    return this.#inTurn(() =>
      part === 'head' ? this.#headStep(batch, adapter) : this.#fullStep(batch, adapter),
    );
  }

  predict(images: Float32Array, count: number, adapter: Float32Array): Promise<Float32Array> {
    return this.#inTurn(async () => {
      const outputs = await this.#run('forward', images, count, adapter, ['logits']);
      return takeOutput(outputs, 'logits');
    });
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    await this.#inTurn(async () => {
      this.#isDisposed = true;
      for (const session of this.#sessions.values()) await (await session).release();
      this.#sessions.clear();
    });
  }

  async #fullStep(batch: Batch, adapter: Float32Array): Promise<StepResult> {
    const { images, count, targets } = batch;
    const classes = this.#options.specification.classes.length;
    checkLength(targets, count * classes, 'targets');
    const outputs = await this.#run('step', images, count, adapter, ['loss', 'gradients'], targets);
    const loss = takeOutput(outputs, 'loss')[0];
    assert(loss !== undefined, 'onnxruntime: expected one loss');
    return { loss, gradients: takeOutput(outputs, 'gradients') };
  }

  async #headStep(batch: Batch, adapter: Float32Array): Promise<StepResult> {
    const { images, count, targets } = batch;
    const outputs = await this.#run('forward', images, count, adapter, ['features', 'logits']);
    const classes = this.#options.specification.classes.length;
    const features = takeOutput(outputs, 'features');
    const logits = takeOutput(outputs, 'logits');
    const { loss, weightGradient, biasGradient } = headStep({
      features,
      logits,
      targets,
      count,
      classes,
    });
    const gradients = new Float32Array(this.layout.size); // zero for A and B; the head stands last
    const biasOffset = this.layout.size - biasGradient.length;
    gradients.set(weightGradient, biasOffset - weightGradient.length);
    gradients.set(biasGradient, biasOffset);
    return { loss, gradients };
  }

  async #run(
    kind: GraphKind,
    images: Float32Array,
    count: number,
    adapter: Float32Array,
    outputs: readonly string[],
    targets?: Float32Array,
  ): Promise<InferenceSession.ReturnType> {
    assert(!this.#isDisposed, 'engine model: expected it in use, it was disposed of');
    checkInteger(count, 'images in a call', { minimum: 1, maximum: imagesPerCallMax });
    checkLength(adapter, this.layout.size, 'adapter');
    const { imageSize, patchSize } = this.#options.backbone.configuration;
    const patches = patchify(images, count, { imageSize, patchSize });
    const patchNumbers = 3 * patchSize * patchSize;
    const { Tensor: OnnxTensor } = this.#options.runtime;
    const tensor = (values: Float32Array, shape: readonly number[]): Tensor =>
      new OnnxTensor('float32', values, shape);
    const session = await this.#session(kind);
    return session.run(
      {
        patches: tensor(patches, [(imageSize / patchSize) ** 2, count, patchNumbers]),
        adapter: tensor(adapter, [adapter.length]),
        ...(targets === undefined
          ? {}
          : { targets: tensor(targets, [count, targets.length / count]) }),
      },
      outputs,
    );
  }

  #session(kind: GraphKind): Promise<InferenceSession> {
    const existing = this.#sessions.get(kind);
    if (existing !== undefined) return existing;
    const session = this.#createSession(kind);
    this.#sessions.set(kind, session);
    session.catch(() => this.#sessions.delete(kind)); // the caller sees the error; the next call tries again
    return session;
  }

  async #createSession(kind: GraphKind): Promise<InferenceSession> {
    const { runtime, backbone, specification, threads } = this.#options;
    const bytes = buildGraph({
      kind,
      configuration: backbone.configuration,
      specification,
      layout: this.layout,
      weightRange: this.#weights.range,
    });
    const path = await placeGraph(this.#weights, kind, bytes);
    try {
      return await runtime.InferenceSession.create(path, sessionOptions(threads));
    } catch (cause) {
      throw new UnavailableError(
        'ENGINE_UNAVAILABLE',
        `onnxruntime: expected to load ${path}, it refused; free some memory, or delete the engine cache and try again`,
        { kind },
        { cause },
      );
    }
  }

  /** Run after everything that was asked for before. */
  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(run);
    this.#queue = turn.catch(() => undefined); // the caller of that turn sees its error
    return turn;
  }
}

/**
 * Load a backbone for an adapter specification.
 *
 * @param options - runtime, backbone and where to keep graph and weights
 * @throws InputError ADAPTER_SPEC_INVALID if the specification's dimension or blocks are not the backbone's, and what
 *   {@link placeWeights} throws
 */
export async function loadOnnxModel(options: OnnxModelOptions): Promise<EngineModel> {
  checkFits(options.backbone, options.specification);
  return new OnnxModel(options, await placeWeights(options.backbone, options.cacheDirectory));
}
