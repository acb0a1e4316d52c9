/**
 * A backbone with a place for an adapter, run and differentiated by TensorFlow.js.
 *
 * Letters: B images, P numbers of the adapter, C classes. Between two calls the backend holds the weights and nothing else.
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { adapterLayout } from '#core/adapter';
import type { AdapterLayout, AdapterSpecification } from '#core/adapter';
import type { Backbone } from '#core/backbone';
import { checkInteger, checkLength } from '#core/check';
import { assert } from '#core/errors';
import { checkFits, imagesPerCallMax } from '../model-limits.ts';
import { meanLoss } from '../loss-coefficients.ts';
import { perExampleOneByOne } from '../one-by-one.ts';
import type {
  Batch,
  EngineModel,
  PerExampleOptions,
  PerExampleResult,
  StepResult,
  TrainedPart,
} from '../types.ts';
import type { TfjsRuntime } from './backends.ts';
import { productsOf } from './products.ts';
import { blocksAtOnce, differentiate } from './checkpoints.ts';
import { embed } from './embedding.ts';
import { addedLosses } from './losses.ts';
import type { TensorLoss } from './losses.ts';
import { classify, features, runBlocks } from './vit.ts';
import type { BlockPairs, VitContext } from './vit.ts';
import { loadWeights } from './weights.ts';

/** What {@link loadTfjsModel} needs. */
export interface TfjsModelOptions {
  readonly runtime: TfjsRuntime;
  readonly backbone: Backbone;
  readonly specification: AdapterSpecification;
  /** What the derivative of one group of blocks may keep, bytes; see checkpoints.ts. */
  readonly keptBytesMax?: number | undefined;
}

/** Images in one forward pass of a prediction: memory stays that of a few images however many are asked for. */
const predictionChunk = 32;

/** {@link EngineModel} on a backend. */
export class TfjsModel implements EngineModel {
  readonly layout: AdapterLayout;
  readonly #runtime: TfjsRuntime;
  readonly #specification: AdapterSpecification;
  readonly #context: VitContext;
  readonly #keptBytesMax: number | undefined;
  #isDisposed = false;

  constructor(options: Omit<TfjsModelOptions, 'backbone'>, context: VitContext) {
    this.layout = adapterLayout(options.specification);
    this.#runtime = options.runtime;
    this.#specification = options.specification;
    this.#context = context;
    this.#keptBytesMax = options.keptBytesMax;
  }

  step(batch: Batch, adapter: Float32Array, part: TrainedPart): Promise<StepResult> {
    const { count, images } = batch;
    return this.#runtime.inTurn(async () => {
      this.#checkCall(images, count, adapter);
      const { tf } = this.#runtime;
      const [loss, gradients] = tf.tidy(() => {
        const { value, grads } = this.#differentiate(batch, adapter, part);
        return [value, tf.concat(grads.map((gradient) => tf.reshape(gradient, [-1])))];
      });
      try {
        return resultOf(await read(loss), await read(gradients), this.layout.size);
      } finally {
        tf.dispose([loss, gradients]);
      }
    });
  }

  /** One step an image: tfjs-core gives derivatives of sums alone. */
  perExampleStep(
    batch: Batch,
    adapter: Float32Array,
    options: PerExampleOptions,
  ): Promise<PerExampleResult> {
    return perExampleOneByOne(this, this.#specification.classes.length, batch, adapter, options);
  }

  async predict(images: Float32Array, count: number, adapter: Float32Array): Promise<Float32Array> {
    const classes = this.#specification.classes.length;
    const perImage = images.length / count;
    const logits = new Float32Array(count * classes);
    await this.#runtime.inTurn(() => this.#checkCall(images, count, adapter));
    for (let start = 0; start < count; start += predictionChunk) {
      const size = Math.min(predictionChunk, count - start);
      const chunk = images.subarray(start * perImage, (start + size) * perImage);
      const values = await this.#runtime.inTurn(() => this.#logits(chunk, size, adapter));
      logits.set(values, start * classes);
    }
    return logits;
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    await this.#runtime.inTurn(() => {
      if (!this.#isDisposed) this.#context.weights.dispose();
      this.#isDisposed = true;
    });
  }

  async #logits(images: Float32Array, count: number, adapter: Float32Array): Promise<Float32Array> {
    assertInUse(this.#isDisposed);
    const { tf } = this.#runtime;
    const logits = tf.tidy(() => {
      const tensors = this.#tensors(adapter);
      const tokens = this.#embed(images, count);
      const z = this.#features(tokens, count, pairsOf(tensors.slice(0, -2)));
      return classify(tf, z, headOf(tensors.slice(-2)));
    });
    try {
      return await read(logits);
    } finally {
      logits.dispose();
    }
  }

  /** Loss and its gradients: to all tensors of the layout, or to the last two, the head's. */
  #differentiate(
    batch: Batch,
    adapter: Float32Array,
    part: TrainedPart,
  ): { value: Tensor; grads: Tensor[] } {
    const { tf } = this.#runtime;
    const { count } = batch;
    const loss = this.#loss(batch);
    const tensors = this.#tensors(adapter);
    const tokens = this.#embed(batch.images, count); // outside: no derivative needs what it makes
    if (part === 'all') {
      const { configuration } = this.#context;
      const size = blocksAtOnce(configuration, count, this.#keptBytesMax);
      return differentiate({
        ...{ tf, tensors, rows: tokens, blocksAtOnce: size },
        run: (rows, trained, first) =>
          runBlocks(this.#context, rows, count, pairsOf(trained), first),
        loss: (rows, head) =>
          addedLosses(tf, classify(tf, features(this.#context, rows), headOf(head)), loss),
      });
    }
    const z = this.#features(tokens, count, pairsOf(tensors.slice(0, -2)));
    const lossOf = (...trained: Tensor[]): Tensor =>
      addedLosses(tf, classify(tf, z, headOf(trained)), loss);
    return tf.valueAndGrads(lossOf)(tensors.slice(-2));
  }

  #features(tokens: Tensor, count: number, pairs: readonly BlockPairs[]): Tensor {
    return features(this.#context, runBlocks(this.#context, tokens, count, pairs, 0));
  }

  #loss(batch: Batch): TensorLoss {
    const { tf } = this.#runtime;
    const classes = this.#specification.classes.length;
    const { name, targets, coefficients, columns } = meanLoss(batch, classes);
    return {
      name,
      targets: tf.tensor2d(targets, [batch.count, classes]),
      coefficients: tf.tensor2d(coefficients, [batch.count, columns]),
    };
  }

  #embed(images: Float32Array, count: number): Tensor {
    const { imageSize } = this.#context.configuration;
    const { tf } = this.#runtime;
    return embed(this.#context, tf.tensor4d(images, [count, 3, imageSize, imageSize]));
  }

  #tensors(adapter: Float32Array): Tensor[] {
    const { tf } = this.#runtime;
    return this.layout.tensors.map(({ offset, size, shape }) =>
      tf.tensor(adapter.subarray(offset, offset + size), [...shape]),
    );
  }

  #checkCall(images: Float32Array, count: number, adapter: Float32Array): void {
    assertInUse(this.#isDisposed);
    const { imageSize } = this.#context.configuration;
    checkInteger(count, 'images in a call', { minimum: 1, maximum: imagesPerCallMax });
    checkLength(images, count * 3 * imageSize * imageSize, 'images');
    checkLength(adapter, this.layout.size, 'adapter');
  }
}

function assertInUse(isDisposed: boolean): void {
  assert(!isDisposed, 'engine model: expected it in use, it was disposed of');
}

/** Name the pairs of some blocks, which stand in the layout's order: q's A and B, then v's, a block each. */
function pairsOf(tensors: readonly Tensor[]): BlockPairs[] {
  const pairs: BlockPairs[] = [];
  for (let index = 0; index < tensors.length; index += 4) {
    const [qA, qB, vA, vB] = tensors.slice(index, index + 4);
    assert(qA !== undefined && qB !== undefined, 'adapter: expected a pair for q');
    assert(vA !== undefined && vB !== undefined, 'adapter: expected a pair for v');
    pairs.push({ q: { a: qA, b: qB }, v: { a: vA, b: vB } });
  }
  return pairs;
}

/** Name the head's two tensors. */
function headOf([weight, bias]: readonly Tensor[]): { weight: Tensor; bias: Tensor } {
  assert(weight !== undefined && bias !== undefined, 'adapter: expected a head');
  return { weight, bias };
}

/** Lay out gradients, the last ones of P: zero where nothing is trained, which stands first. */
function resultOf(losses: Float32Array, gradients: Float32Array, size: number): StepResult {
  const [loss] = losses;
  assert(loss !== undefined, 'tfjs: expected one loss');
  const all = new Float32Array(size); // (P)
  all.set(gradients, size - gradients.length);
  return { loss, gradients: all };
}

/** Read a tensor's numbers as a copy of our own. */
async function read(tensor: Tensor): Promise<Float32Array> {
  return Float32Array.from(await tensor.data<'float32'>());
}

/**
 * Put a backbone on the backend.
 *
 * @returns what a model of any specification needs besides its scale; the caller disposes of the weights
 * @throws what reading the backbone throws
 */
export async function loadContext(
  runtime: TfjsRuntime,
  backbone: Backbone,
): Promise<Omit<VitContext, 'scale'>> {
  const products = productsOf(runtime.tf, runtime.backend);
  const weights = await loadWeights(runtime, products, backbone);
  return { tf: runtime.tf, products, weights, configuration: backbone.configuration };
}

/**
 * Load a backbone for an adapter specification.
 *
 * @param options - runtime, backbone and specification; the backbone is read here and not afterwards
 * @throws InputError ADAPTER_SPEC_INVALID if the specification's dimension or blocks are not the backbone's, and what
 *   reading the backbone throws
 */
export async function loadTfjsModel(options: TfjsModelOptions): Promise<EngineModel> {
  const { runtime, backbone, specification } = options;
  checkFits(backbone, specification);
  const context = await loadContext(runtime, backbone);
  return new TfjsModel(options, {
    ...context,
    scale: specification.scale,
    pooling: specification.pooling,
  });
}
