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

/** Images and what the model should say of them. */
export interface Batch {
  /** B, one or more. */
  readonly count: number;
  /** Normalised pixels, (B,3,S,S), row-major, finite. */
  readonly images: Float32Array;
  /** Target shares, (B,C), each row sums to 1: one-hot, or smoothed. */
  readonly targets: Float32Array;
}

/** What one step gives back. */
export interface StepResult {
  /** Mean cross-entropy over the batch, natural logarithm. */
  readonly loss: number;
  /** Gradients of the mean loss in the layout's order, (P), a new array; zero where nothing is trained. */
  readonly gradients: Float32Array;
}

/** A backbone loaded for one adapter specification; the batch axis is free. */
export interface EngineModel {
  readonly layout: AdapterLayout;
  /** Loss and gradients at `adapter` (P), which is not changed. Steps of one model run one after the other. */
  step(batch: Batch, adapter: Float32Array, part: TrainedPart): Promise<StepResult>;
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
