/** A backbone with a place for an adapter of one specification, run by onnxruntime: training steps and predictions. */
import type { InferenceSession } from 'onnxruntime-node';
import { adapterLayout } from '#core/adapter';
import type { AdapterSpecification } from '#core/adapter';
import type { Backbone } from '#core/backbone';
import { checkLength } from '#core/check';
import { assert } from '#core/errors';
import { headStep } from '../head-step.ts';
import { checkFits } from '../model-limits.ts';
import type { Batch, EngineModel, StepResult, TrainedPart } from '../types.ts';
import { buildGraph } from './graphs.ts';
import type { GraphKind } from './graphs.ts';
import { GraphSessions, takeOutput } from './sessions.ts';
import type { OnnxRuntime } from './sessions.ts';
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
}

class OnnxModel implements EngineModel {
  readonly layout;
  readonly #classes: number;
  readonly #sessions: GraphSessions<GraphKind>;

  constructor(options: OnnxModelOptions, weights: WeightsFolder) {
    const { runtime, backbone, specification, threads } = options;
    const { configuration } = backbone;
    const layout = adapterLayout(specification);
    const weightRange = weights.range;
    const build = (kind: GraphKind): Uint8Array =>
      buildGraph({ kind, configuration, specification, layout, weightRange });
    this.layout = layout;
    this.#classes = specification.classes.length;
    this.#sessions = new GraphSessions({ runtime, configuration, weights, threads, build });
  }

  step(batch: Batch, adapter: Float32Array, part: TrainedPart): Promise<StepResult> {
    return this.#sessions.inTurn(() =>
      part === 'head' ? this.#headStep(batch, adapter) : this.#fullStep(batch, adapter),
    );
  }

  predict(images: Float32Array, count: number, adapter: Float32Array): Promise<Float32Array> {
    return this.#sessions.inTurn(async () => {
      const outputs = await this.#run('forward', images, count, adapter, ['logits']);
      return takeOutput(outputs, 'logits');
    });
  }

  dispose(): Promise<void> {
    return this.#sessions.dispose();
  }

  async #fullStep(batch: Batch, adapter: Float32Array): Promise<StepResult> {
    const { images, count, targets } = batch;
    checkLength(targets, count * this.#classes, 'targets');
    const outputs = await this.#run('step', images, count, adapter, ['loss', 'gradients'], targets);
    const loss = takeOutput(outputs, 'loss')[0];
    assert(loss !== undefined, 'onnxruntime: expected one loss');
    return { loss, gradients: takeOutput(outputs, 'gradients') };
  }

  async #headStep(batch: Batch, adapter: Float32Array): Promise<StepResult> {
    const { images, count, targets } = batch;
    const outputs = await this.#run('forward', images, count, adapter, ['features', 'logits']);
    const classes = this.#classes;
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
    checkLength(adapter, this.layout.size, 'adapter');
    const given = { adapter: { values: adapter, shape: [adapter.length] } };
    const inputs =
      targets === undefined
        ? given
        : { ...given, targets: { values: targets, shape: [count, this.#classes] } };
    return this.#sessions.run(kind, images, count, inputs, outputs);
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
