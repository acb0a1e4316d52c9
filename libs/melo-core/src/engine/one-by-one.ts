/** A per-example step made of steps of one image each: for engines whose derivative only comes summed, and to check others. */
import { ClippedSum } from './clip-examples.ts';
import { exampleLoss } from './loss-coefficients.ts';
import type { Batch, EngineModel, PerExampleOptions, PerExampleResult } from './types.ts';

/**
 * Run a step for each image that counts, and bound and add its gradient.
 *
 * A step of one image gives sum_c(w l) / sum_c(w); an image's own loss is sum_c(k l) with k = w or w / C, so both loss and
 * gradient are multiplied by sum_c(k). Images whose weights are all zero, masked ones among them, are not run.
 *
 * @param model - its layout and step
 * @param classes - C
 * @param batch - B images; B may be 0
 * @param adapter - (P)
 * @param options - see {@link PerExampleOptions}
 * @throws what `EngineModel.perExampleStep` throws
 */
export async function perExampleOneByOne(
  model: Pick<EngineModel, 'layout' | 'step'>,
  classes: number,
  batch: Batch,
  adapter: Float32Array,
  options: PerExampleOptions,
): Promise<PerExampleResult> {
  const { count, images, targets, weights } = batch;
  const sum = new ClippedSum(model.layout, options);
  const { coefficients, columns } = exampleLoss(batch, classes, options.rows);
  const losses = new Float32Array(count);
  const norms = new Float64Array(count);
  const pixels = images.length / count;
  for (let row = 0; row < count; row++) {
    const own = coefficients.subarray(row * columns, (row + 1) * columns);
    const factor = own.reduce((total, coefficient) => total + coefficient, 0);
    if (factor === 0) continue;
    const single = {
      ...batch,
      count: 1,
      images: images.subarray(row * pixels, (row + 1) * pixels),
      targets: targets.subarray(row * classes, (row + 1) * classes),
      ...(weights === undefined
        ? {}
        : { weights: weights.subarray(row * columns, (row + 1) * columns) }),
    };
    const { loss, gradients } = await model.step(single, adapter, options.part);
    losses[row] = factor * loss;
    norms[row] = sum.add(gradients.map((gradient) => factor * gradient));
  }
  return { losses, norms, clippedSum: sum.values() };
}
