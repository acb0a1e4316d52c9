/**
 * What a training engine is to the rest of the project: it runs one MeLo step or a prediction on a frozen backbone.
 *
 * Shape letters: B images in a batch, S image size, C classes, P numbers of the adapter in its layout's order.
 * The adapter is an input of every call: switching tasks costs no reload.
 */
import type { AdapterLayout, AdapterSpecification } from '#core/adapter';
import type { Backbone } from '#core/backbone';

/** Which gradients a step makes: all of A, B and head, or the head's alone (a linear probe; no backward through blocks). */
export type TrainedPart = 'all' | 'head';

/** One class an image (softmax), or a yes or no for each class (a sigmoid each). */
export type LossName = 'cross-entropy' | 'binary-cross-entropy';

/** Images and what the model should say of them. */
export interface Batch {
  /** B, one or more. */
  readonly count: number;
  /** Normalised pixels, (B,3,S,S), row-major, finite. */
  readonly images: Float32Array;
  /**
   * (B,C): for the cross-entropy target shares, each row sums to 1 (one-hot, or smoothed); for the binary one each in [0, 1].
   */
  readonly targets: Float32Array;
  /** The cross-entropy where it is left out. */
  readonly loss?: LossName;
  /** How much each loss counts, 0 or more: (B) for the cross-entropy, (B,C) for the binary one; 1 each where left out. */
  readonly weights?: Float32Array;
}

/** What one step gives back. */
export interface StepResult {
  /** Weighted mean of the batch's losses, sum(w l) / sum(w), natural logarithm; 0 where every weight is 0. */
  readonly loss: number;
  /** Gradients of that mean in the layout's order, (P), a new array; zero where nothing is trained. */
  readonly gradients: Float32Array;
}

/** How the gradients of single images are bounded, and which images and numbers count. */
export interface PerExampleOptions {
  readonly part: TrainedPart;
  /** C, the greatest length of one image's gradient, > 0; infinity bounds nothing. */
  readonly clipNorm: number;
  /** 1 for an image that counts, 0 for one that only fills the batch up, (B); all count where it is left out. */
  readonly rows?: Uint8Array;
  /** Names of the tensors whose gradients count, for length and sum; all of the part where it is left out. */
  readonly trainedTensors?: readonly string[];
}

/** What {@link EngineModel.perExampleStep} gives back; all arrays are new. */
export interface PerExampleResult {
  /**
   * Each image's loss, (B): w l for the cross-entropy, (1/C) sum_c w_c l_c for the binary one, 0 where its row is masked. No
   * image's loss or gradient depends on another image.
   */
  readonly losses: Float32Array;
  /** Length of each image's gradient over all numbers that count together, before it is bounded, (B); 0 where masked. */
  readonly norms: Float64Array;
  /** Sum over the images of g min(1, C / length(g)), (P); zero where nothing is trained. Not divided by anything. */
  readonly clippedSum: Float32Array;
}

/** A backbone loaded for one adapter specification; the batch axis is free. */
export interface EngineModel {
  readonly layout: AdapterLayout;
  /** Loss and gradients at `adapter` (P), which is not changed. Steps of one model run one after the other. */
  step(batch: Batch, adapter: Float32Array, part: TrainedPart): Promise<StepResult>;
  /**
   * Losses and bounded gradients of single images, for training with differential privacy.
   *
   * A batch of no images (`count` 0, empty arrays) gives a sum of zeros: Poisson sampling draws it now and then.
   *
   * @throws InputError UPDATE_SHAPE_MISMATCH where rows or weights are not of the batch, LAYOUT_MISMATCH on a tensor that the
   *   layout lacks, NON_FINITE_UPDATE where an image's gradient is not finite
   */
  perExampleStep(
    batch: Batch,
    adapter: Float32Array,
    options: PerExampleOptions,
  ): Promise<PerExampleResult>;
  /** Logits (B,C) of normalised images (B,3,S,S) under `adapter` (P). */
  predict(images: Float32Array, count: number, adapter: Float32Array): Promise<Float32Array>;
  /** Free the sessions; the model is not used afterwards. */
  dispose(): Promise<void>;
}

/** An adapter as an input: what decides its tensors, and its numbers. */
export interface TaskAdapter {
  readonly specification: AdapterSpecification;
  readonly layout: AdapterLayout;
  /** (P) in the layout's order, finite; not changed, and not to be changed while a prediction runs. */
  readonly values: Float32Array;
}

/** A backbone loaded once for adapters of any task: rank, scale and number of classes may differ from image to image. */
export interface MultiTaskModel {
  /**
   * Predict each image under its own adapter. Images of one adapter (the same `values`) alone are run as one task.
   *
   * @param images - normalised pixels, (B,3,S,S)
   * @param adapters - one for each image
   * @returns logits for each image, of its own task's classes
   * @throws InputError ADAPTER_SPEC_INVALID where an adapter is not of this backbone's width and depth
   */
  predict(images: Float32Array, adapters: readonly TaskAdapter[]): Promise<Float32Array[]>;
  /** Free the sessions; the model is not used afterwards. */
  dispose(): Promise<void>;
}

/** Where an engine may compute; `auto` lets it take the best it has. */
export type EngineDevice = 'auto' | 'cpu' | 'gpu';

/** What was taken, and why what stood before it was not. */
export interface EngineSelection {
  readonly chosen: string;
  /** Candidates that were tried first, in order, each with why it cannot be used here. */
  readonly reasons: readonly { readonly candidate: string; readonly reason: string }[];
}

/** A way to run models. */
export interface TrainingEngine {
  readonly name: 'onnx' | 'tfjs';
  /** Where it computes, e.g. `cpu`. */
  readonly device: string;
  /** The library under it with its version, e.g. `onnxruntime-node 1.30.0`. */
  readonly library: string;
  /**
   * Compile a model once for a backbone and a specification.
   *
   * @throws InputError ADAPTER_SPEC_INVALID where the specification's dimension or blocks are not the backbone's
   */
  load(backbone: Backbone, specification: AdapterSpecification): Promise<EngineModel>;
  /** Compile a model once for a backbone and every adapter of it. */
  loadMultiTask(backbone: Backbone): Promise<MultiTaskModel>;
}

/** An engine and how it came to be the one. */
export interface SelectedEngine extends TrainingEngine {
  readonly selection: EngineSelection;
}
