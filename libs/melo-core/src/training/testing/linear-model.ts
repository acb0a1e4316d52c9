/** An engine model that is linear in its pixels: a fake that is quick, deterministic and has every kind of tensor. */
import { adapterLayout, adapterSpecification } from '#core/adapter';
import { lossAtLogits, meanLoss, perExampleOneByOne } from '#core/engine';
import type { Batch, EngineModel, StepResult, TrainedPart } from '#core/engine';
import { seededRng } from '#core/rng';
import type { LabelledImages } from '../types.ts';

/** D, also the numbers of one image. */
export const pixelNumbers = 12;
/** C. */
export const classNames = ['a', 'b', 'c'];

/** What a linear model did. */
export interface LinearModel extends EngineModel {
  /** The part and the batch size of every step. */
  readonly calls: { readonly part: TrainedPart; readonly count: number }[];
  /** Every first pixel of every image of every step, in order: which images stood where. */
  readonly seen: number[];
}

/** Logits = head.weight x + head.bias; A and B get a gradient that depends on them and on the batch. */
export function linearModel(): LinearModel {
  const layout = adapterLayout(
    adapterSpecification({
      rank: 1,
      alpha: 1,
      classes: classNames,
      dimension: pixelNumbers,
      blocks: 1,
    }),
  );
  const classes = classNames.length;
  const headOffset = layout.size - classes * (pixelNumbers + 1);
  const calls: LinearModel['calls'] = [];
  const seen: number[] = [];

  const logits = (images: Float32Array, count: number, adapter: Float32Array): Float32Array => {
    const out = new Float32Array(count * classes);
    for (let b = 0; b < count; b++) {
      for (let c = 0; c < classes; c++) {
        let sum = adapter[headOffset + classes * pixelNumbers + c] ?? 0;
        for (let d = 0; d < pixelNumbers; d++) {
          const weight = adapter[headOffset + c * pixelNumbers + d] ?? 0;
          sum += weight * (images[b * pixelNumbers + d] ?? 0);
        }
        out[b * classes + c] = sum;
      }
    }
    return out;
  };
  const step = (batch: Batch, adapter: Float32Array, part: TrainedPart): Promise<StepResult> => {
    const { images, count } = batch;
    calls.push({ part, count });
    const rows = logits(images, count, adapter);
    const gradients = new Float32Array(layout.size);
    const { losses, dLogits } = lossAtLogits(rows, meanLoss(batch, classes), classes);
    const loss = losses.reduce((sum, value) => sum + value, 0);
    for (let b = 0; b < count; b++) {
      seen.push(images[b * pixelNumbers] ?? 0);
      for (let c = 0; c < classes; c++) {
        const dLogit = dLogits[b * classes + c] ?? 0;
        const bias = headOffset + classes * pixelNumbers + c;
        gradients[bias] = (gradients[bias] ?? 0) + dLogit;
        for (let d = 0; d < pixelNumbers; d++) {
          const at = headOffset + c * pixelNumbers + d;
          gradients[at] = (gradients[at] ?? 0) + dLogit * (images[b * pixelNumbers + d] ?? 0);
        }
      }
    }
    if (part === 'all') {
      for (let index = 0; index < headOffset; index++) {
        gradients[index] =
          0.1 * (adapter[index] ?? 0) + 0.01 * (images[index % images.length] ?? 0);
      }
    }
    return Promise.resolve({ loss, gradients });
  };
  return {
    layout,
    calls,
    seen,
    step,
    perExampleStep: (batch, adapter, options) =>
      perExampleOneByOne({ layout, step }, classes, batch, adapter, options),
    predict: (images, count, adapter) => Promise.resolve(logits(images, count, adapter)),
    dispose: () => Promise.resolve(),
  };
}

/** Images whose class shows in their pixels; the first pixel is the image's index. */
export function linearImages(count: number): LabelledImages {
  return {
    count,
    labels: Array.from({ length: count }, (_, index) => index % classNames.length),
    load: (index) => {
      const rng = seededRng(`image/${index}`);
      const values = Float32Array.from({ length: pixelNumbers }, () => rng.nextNormal());
      values[0] = index;
      values[1 + (index % classNames.length)] = 3;
      return Promise.resolve(values);
    },
  };
}
