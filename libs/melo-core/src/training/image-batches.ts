/** Loads the images of a batch side by side into one array. */
import { checkLength } from '#core/check';
import { assert } from '#core/errors';
import type { LabelledImages } from './types.ts';

/** Images of one batch and their classes. */
export interface LoadedBatch {
  /** (B,3,S,S), new. */
  readonly pixels: Float32Array;
  /** (B). */
  readonly labels: readonly number[];
}

/**
 * Load a batch; all images must have as many numbers as the first.
 *
 * @param images - where from
 * @param indices - which, one or more
 * @throws InputError UPDATE_SHAPE_MISMATCH if their sizes differ, and whatever `images.load` throws
 */
export async function loadBatch(
  images: LabelledImages,
  indices: readonly number[],
): Promise<LoadedBatch> {
  const loaded = await Promise.all(indices.map((index) => images.load(index)));
  const size = loaded[0]?.length ?? 0;
  assert(size > 0, 'image batch: expected one image or more');
  const pixels = new Float32Array(loaded.length * size);
  for (const [place, image] of loaded.entries()) {
    pixels.set(checkLength(image, size, 'image'), place * size);
  }
  const labels = indices.map((index) => images.labels[index] ?? -1);
  return { pixels, labels };
}

/**
 * Walk through batches, loading the next one while the present one is worked on.
 *
 * @param images - where from
 * @param batches - indices of each batch, in order; asked for one batch ahead
 */
export async function* loadedBatches(
  images: LabelledImages,
  batches: Iterable<readonly number[]>,
): AsyncGenerator<LoadedBatch> {
  const iterator = batches[Symbol.iterator]();
  const start = (): Promise<LoadedBatch> | undefined => {
    const next = iterator.next();
    if (next.done === true) return undefined;
    const loading = loadBatch(images, next.value);
    loading.catch(() => undefined); // awaited below; the walk may have been left by then
    return loading;
  };
  let ahead = start();
  while (ahead !== undefined) {
    const batch = await ahead;
    ahead = start();
    yield batch;
  }
}
