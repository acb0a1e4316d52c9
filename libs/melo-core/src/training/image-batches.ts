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
  /** (B,C), where the images have findings. */
  readonly findings?: Float32Array;
}

/** Changes one image as it enters a batch: pixels (3,S,S), its index, and the batch's number from 0. */
export type ChangePixels = (pixels: Float32Array, index: number, batch: number) => Float32Array;

/**
 * Load a batch; all images must have as many numbers as the first.
 *
 * @param images - where from
 * @param indices - which, one or more
 * @param change - applied to each image's pixels
 * @throws InputError UPDATE_SHAPE_MISMATCH if their sizes differ, and whatever `images.load` throws
 */
export async function loadBatch(
  images: LabelledImages,
  indices: readonly number[],
  change: (pixels: Float32Array, index: number) => Float32Array = (pixels) => pixels,
): Promise<LoadedBatch> {
  const loaded = await Promise.all(
    indices.map(async (index) => change(await images.load(index), index)),
  );
  const size = loaded[0]?.length ?? 0;
  assert(size > 0, 'image batch: expected one image or more');
  const pixels = new Float32Array(loaded.length * size);
  for (const [place, image] of loaded.entries()) {
    pixels.set(checkLength(image, size, 'image'), place * size);
  }
  const labels = indices.map((index) => images.labels[index] ?? -1);
  return { pixels, labels, ...findingsOf(images, indices) };
}

/** Take the findings of some images, (B,C), where there are any. */
function findingsOf(
  { findings, count }: LabelledImages,
  indices: readonly number[],
): Pick<LoadedBatch, 'findings'> {
  if (findings === undefined) return {};
  const classes = findings.length / count;
  const rows = new Float32Array(indices.length * classes);
  for (const [place, index] of indices.entries()) {
    rows.set(findings.subarray(index * classes, (index + 1) * classes), place * classes);
  }
  return { findings: rows };
}

/**
 * Walk through batches, loading the next one while the present one is worked on.
 *
 * @param images - where from
 * @param batches - indices of each batch, in order; asked for one batch ahead
 * @param change - applied to each image's pixels; none where it is left out
 */
export async function* loadedBatches(
  images: LabelledImages,
  batches: Iterable<readonly number[]>,
  change: ChangePixels = (pixels) => pixels,
): AsyncGenerator<LoadedBatch> {
  const iterator = batches[Symbol.iterator]();
  let batch = 0;
  const start = (): Promise<LoadedBatch> | undefined => {
    const next = iterator.next();
    if (next.done === true) return undefined;
    const number = batch++;
    const loading = loadBatch(images, next.value, (pixels, index) => change(pixels, index, number));
    loading.catch(() => undefined); // awaited below; the walk may have been left by then
    return loading;
  };
  let ahead = start();
  while (ahead !== undefined) {
    const loaded = await ahead;
    ahead = start();
    yield loaded;
  }
}
