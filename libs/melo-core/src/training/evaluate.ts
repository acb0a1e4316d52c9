/** Scores labelled images under an adapter: only counts and histograms come out, see evaluation/score-report.ts. */
import { checkInteger } from '#core/check';
import {
  addFindings,
  addScores,
  emptyScoreReport,
  oneAgainstAll,
  scoresOf,
} from '#core/evaluation';
import type { ScoreReport } from '#core/evaluation';
import type { EngineModel } from '#core/engine';
import type { Activation } from '#core/protocol';
import { loadedBatches, type LoadedBatch } from './image-batches.ts';
import type { LabelledImages } from './types.ts';

/** What an evaluation needs. */
export interface EvaluationOptions {
  readonly model: EngineModel;
  readonly images: LabelledImages;
  /** (P). */
  readonly adapter: Float32Array;
  /** C. */
  readonly classes: number;
  /** How logits become scores, by the loss the model is trained with; `softmax` where it is left out. */
  readonly activation?: Activation;
  /** Images of one call, 1 to 512; 16 where it is left out. Any size gives the same report within float32's rounding. */
  readonly batchSize?: number;
  readonly onProgress?: (progress: { readonly done: number; readonly count: number }) => void;
  readonly signal?: AbortSignal;
  /** Given every image's logits, (N,C), once all are there: they stay at the site. */
  readonly onScored?: (logits: Float32Array) => void;
}

const batchSizeDefault = 16;

function* inOrder(count: number, batchSize: number): Generator<readonly number[]> {
  for (let start = 0; start < count; start += batchSize) {
    const length = Math.min(batchSize, count - start);
    yield Array.from({ length }, (_, index) => start + index);
  }
}

/** Logits (B,C) of a batch and what is known of its images. */
type ScoredBatch = Omit<LoadedBatch, 'pixels'> & { readonly logits: Float32Array };

/** Run all images through the model in order. */
async function* predictions(options: EvaluationOptions): AsyncGenerator<ScoredBatch> {
  const { model, images, adapter, signal } = options;
  const batchSize = checkInteger(options.batchSize ?? batchSizeDefault, 'batchSize', {
    minimum: 1,
    maximum: 512,
  });
  let done = 0;
  for await (const batch of loadedBatches(images, inOrder(images.count, batchSize))) {
    signal?.throwIfAborted();
    const { pixels, ...known } = batch;
    const { length } = known.labels;
    yield { logits: await model.predict(pixels, length, adapter), ...known };
    done += length;
    options.onProgress?.({ done, count: images.count });
  }
}

/**
 * Evaluate an adapter on labelled images.
 *
 * By sigmoid, images without findings have their own class and no other.
 *
 * @param options - see {@link EvaluationOptions}
 * @returns the report; of no images where there are none
 * @throws InputError NON_FINITE_UPDATE if a logit is not finite, DATASET_INVALID if a label is not a class
 * @throws the signal's reason once it is aborted, between two batches
 */
export async function evaluate(options: EvaluationOptions): Promise<ScoreReport> {
  const { classes, activation = 'softmax' } = options;
  const report = emptyScoreReport(classes, activation);
  const all = new Float32Array(options.images.count * classes);
  let done = 0;
  for await (const { logits, labels, findings } of predictions(options)) {
    all.set(logits, done);
    done += logits.length;
    if (activation === 'softmax') addScores(report, logits, labels);
    else addFindings(report, logits, findings ?? oneAgainstAll(labels, classes));
  }
  options.onScored?.(all);
  return report;
}

/**
 * Predict scores of images, softmax shares or a sigmoid for each class; they stay at the site.
 *
 * @param options - labels are not used for the prediction
 * @returns (N,C), row-major, new, in the order of the images
 * @throws the signal's reason once it is aborted, between two batches
 */
export async function predictShares(options: EvaluationOptions): Promise<Float32Array> {
  const { classes, images, activation = 'softmax' } = options;
  const shares = new Float32Array(images.count * classes);
  let offset = 0;
  for await (const { logits } of predictions(options)) {
    for (let start = 0; start < logits.length; start += classes) {
      shares.set(scoresOf(logits.subarray(start, start + classes), activation), offset + start);
    }
    offset += logits.length;
  }
  return shares;
}
