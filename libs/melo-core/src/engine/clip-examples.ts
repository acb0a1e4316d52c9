/**
 * Bounds the gradients of single images and adds them up, outside every engine's graph and in float64.
 *
 * Letters: B images, P numbers of the adapter. Length and sum run over the numbers that count, all taken as one vector.
 */
import { resolveTrainedTensors } from '#core/adapter';
import type { AdapterLayout, TensorPlace } from '#core/adapter';
import { checkLength } from '#core/check';
import { InputError } from '#core/errors';
import type { PerExampleOptions } from './types.ts';

/** A sum of bounded gradients that more images can be added to. */
export class ClippedSum {
  readonly #sum: Float64Array;
  readonly #places: readonly TensorPlace[];
  readonly #clipNorm: number;

  /**
   * Start with a sum of zeros.
   *
   * @throws RangeError if the bound is not above 0, InputError LAYOUT_MISMATCH on a tensor that the layout lacks
   */
  constructor(layout: AdapterLayout, options: PerExampleOptions) {
    const { clipNorm, part, trainedTensors } = options;
    if (!(clipNorm > 0))
      throw new RangeError(`clipNorm: expected a number above 0, got ${clipNorm}`);
    const trained = new Set(resolveTrainedTensors(trainedTensors ?? part, layout));
    this.#sum = new Float64Array(layout.size);
    this.#places = layout.tensors.filter(({ name }) => trained.has(name));
    this.#clipNorm = clipNorm;
  }

  /**
   * Add one image's gradient g min(1, C / length(g)).
   *
   * @param gradient - (P)
   * @returns its length before it was bounded
   * @throws InputError NON_FINITE_UPDATE where the length is not finite: no bound would hold
   */
  add(gradient: Float32Array): number {
    checkLength(gradient, this.#sum.length, 'gradient of an image');
    let square = 0;
    for (const { offset, size } of this.#places) {
      for (let index = offset; index < offset + size; index++)
        square += (gradient[index] ?? 0) ** 2;
    }
    const length = Math.sqrt(square);
    if (!Number.isFinite(length)) {
      throw new InputError(
        'NON_FINITE_UPDATE',
        'gradient of an image: expected finite numbers, got one that is not; lower the learning rate of the plan, or check the images of this site',
      );
    }
    const factor = length > this.#clipNorm ? this.#clipNorm / length : 1;
    for (const { offset, size } of this.#places) {
      for (let index = offset; index < offset + size; index++) {
        this.#sum[index] = (this.#sum[index] ?? 0) + factor * (gradient[index] ?? 0);
      }
    }
    return length;
  }

  /** The sum so far, (P), new, rounded to float32 once. */
  values(): Float32Array {
    return Float32Array.from(this.#sum);
  }
}
