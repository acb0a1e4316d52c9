/**
 * How much memory a training step of the ONNX graph needs, counted from the shapes, and so how many images go at once.
 *
 * Letters: T tokens, D dimension, F mlp dimension, H heads, r rank. Kept of an image's block until its backward pass: the
 * inputs of both norms, norm1's output, q, k, v and the attended values, 7 T D; the hidden layer's slope, T F; the attention,
 * H T T. Besides, whatever the batch: the weights, W' of q and v of every block, and the process itself.
 */
import { tokenCount } from '#core/backbone';
import type { Backbone, BackboneConfiguration } from '#core/backbone';
import { UnavailableError } from '#core/errors';
import { imagesPerCallMax } from '../model-limits.ts';

const bytesPerNumber = 4;
/** Node, onnxruntime and its graph. */
const processBytes = 128 * 2 ** 20;
/** Values that live at the same time inside one block. */
const hiddenValuesAtOnce = 4;
const scoreValuesAtOnce = 3;
/** The rest is for other processes, images and the file cache. */
const shareForSteps = 0.5;
/** Packed weights save time from this width on, see docs/experiments.md; where they are larger than this, memory is dearer. */
const packedDimensionMin = 768;
const packedBytesMax = 1.5 * 2 ** 30;
/** Packed copies are of k, projection and MLP, forward and backward; what lies in the file is then hardly read. */
const packedShare = 0.85;

/**
 * Tell whether a step keeps its weights packed: once for the forward and once for the backward products.
 *
 * @param configuration - of the backbone
 * @param weightsBytes - of its weights in float32
 */
export function arePacked(
  { dimension }: Pick<BackboneConfiguration, 'dimension'>,
  weightsBytes: number,
): boolean {
  return dimension >= packedDimensionMin && weightsBytes <= packedBytesMax;
}

/** Bytes of a training step. */
export interface StepMemory {
  /** Whatever the batch. */
  readonly fixedBytes: number;
  /** More for each image. */
  readonly imageBytes: number;
}

/**
 * Estimate the memory of a training step.
 *
 * @param configuration - of the backbone
 * @param weightsBytes - of its weights in float32
 */
export function stepMemory(configuration: BackboneConfiguration, weightsBytes: number): StepMemory {
  const { dimension, mlpDimension, heads, blocks } = configuration;
  const tokens = tokenCount(configuration);
  const scores = heads * tokens ** 2;
  const hidden = tokens * mlpDimension;
  const kept = blocks * (7 * tokens * dimension + hidden + scores);
  const atOnce = hiddenValuesAtOnce * hidden + scoreValuesAtOnce * scores;
  const packed = arePacked(configuration, weightsBytes) ? packedShare * weightsBytes : 0;
  return {
    fixedBytes: processBytes + weightsBytes + packed + bytesPerNumber * 2 * blocks * dimension ** 2,
    imageBytes: bytesPerNumber * (kept + atOnce),
  };
}

/** Bytes of a backbone's weights in float32. */
export function weightsBytesOf({ tensors }: Pick<Backbone, 'tensors'>): number {
  let bytes = 0;
  for (const { shape } of tensors.values()) {
    bytes += bytesPerNumber * shape.reduce((product, size) => product * size, 1);
  }
  return bytes;
}

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/**
 * Tell how many images a step takes at once: larger batches are run in parts whose gradients are added.
 *
 * It follows from the memory that the machine has, not from what happens to be free, so that one machine gives the same bytes
 * every time.
 *
 * @param backbone - opened
 * @param memoryBytes - that this process may use
 * @returns 1 to 4,096
 * @throws UnavailableError ENGINE_UNAVAILABLE where a step of one image needs more than all of it
 */
export function imagesAtOnce(backbone: Backbone, memoryBytes: number): number {
  const { fixedBytes, imageBytes } = stepMemory(backbone.configuration, weightsBytesOf(backbone));
  const neededBytes = fixedBytes + imageBytes;
  if (neededBytes > memoryBytes) {
    throw new UnavailableError(
      'ENGINE_UNAVAILABLE',
      `backbone ${backbone.name}: expected ${gibibytes(neededBytes)} of memory for a training step of one image, ` +
        `this process may use ${gibibytes(memoryBytes)}; take a smaller backbone or a machine with more memory`,
      { neededBytes, memoryBytes },
    );
  }
  const fitting = Math.floor((shareForSteps * memoryBytes - fixedBytes) / imageBytes);
  return Math.min(imagesPerCallMax, Math.max(1, fitting));
}
