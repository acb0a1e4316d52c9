/** A split of a dataset as the local loop takes it: decoded once, kept in the cache, normalised when a batch asks. */
import { InputError } from '#core/errors';
import type { Preprocessing } from '#core/protocol';
import { preprocessingDigest } from '#core/protocol';
import type { LabelledImages } from '#core/training';
import type { DatasetImage } from './dataset.ts';
import type { ImageStore } from './image-store.ts';
import { imageNormaliser } from './normalise.ts';

/** Decodes a file to (S,S,3) bytes; throws InputError IMAGE_UNREADABLE. */
export type DecodeImage = (file: string, preprocessing: Preprocessing) => Promise<Uint8Array>;

/** What preparing needs. */
export interface PrepareOptions {
  readonly store: ImageStore;
  readonly decode: DecodeImage;
  readonly preprocessing: Preprocessing;
  /** Images decoded side by side. */
  readonly concurrency: number;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Images that can be read, and those that cannot. */
export interface PreparedImages {
  readonly images: readonly DatasetImage[];
  readonly labelled: LabelledImages;
  /** Paths below the images' folder; they stay on this machine. */
  readonly unreadable: readonly string[];
}

/** Decode every image of a list into the cache; one that cannot be read is left out and named. */
export async function prepareImages(
  list: readonly DatasetImage[],
  options: PrepareOptions,
): Promise<PreparedImages> {
  const { store, decode, preprocessing } = options;
  const normalise = imageNormaliser(preprocessing);
  const suffix = preprocessingDigest(preprocessing).slice(0, 16);
  const keys = new Map<DatasetImage, string>();
  const pixelsOf = async (image: DatasetImage, key: string): Promise<Uint8Array> => {
    const cached = await store.get(key);
    if (cached !== null && cached.length === 3 * preprocessing.imageSize ** 2) return cached;
    const pixels = await decode(image.file, preprocessing);
    await store.put(key, pixels);
    return pixels;
  };

  const queue = [...list];
  let done = 0;
  const worker = async (): Promise<void> => {
    for (let image = queue.shift(); image !== undefined; image = queue.shift()) {
      options.signal?.throwIfAborted();
      const key = await keyOf(store, image, suffix);
      if (key !== null && (await isReadable(pixelsOf(image, key)))) keys.set(image, key);
      done += 1;
      options.onProgress?.(done, list.length);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, worker));

  const images = list.filter((image) => keys.has(image));
  const labelled: LabelledImages = {
    count: images.length,
    ...labelsOf(images),
    load: async (index) => {
      const image = images[index];
      const key = image === undefined ? undefined : keys.get(image);
      if (image === undefined || key === undefined)
        throw new RangeError(`image: no index ${index}`);
      return normalise(await pixelsOf(image, key));
    },
  };
  const unreadable = list.filter((image) => !keys.has(image)).map((image) => image.path);
  return { images, labelled, unreadable };
}

/** Classes of images, or their findings row by row; the images of one dataset all have the one or the other. */
function labelsOf(images: readonly DatasetImage[]): Pick<LabelledImages, 'labels' | 'findings'> {
  const labels = images.map(({ label }) => label);
  const rows = labels.filter((label) => typeof label !== 'number');
  if (rows.length === 0) return { labels: labels.filter((label) => typeof label === 'number') };
  return { labels: labels.map(() => -1), findings: Int8Array.from(rows.flat()) };
}

/** Name a cache entry by content and preprocessing; null where the file cannot be read at all. */
async function keyOf(
  store: ImageStore,
  image: DatasetImage,
  suffix: string,
): Promise<string | null> {
  try {
    return `${await store.hashOf(image.file)}-${suffix}`;
  } catch {
    return null; // counted and named as unreadable by the caller
  }
}

async function isReadable(pixels: Promise<Uint8Array>): Promise<boolean> {
  try {
    await pixels;
    return true;
  } catch (error) {
    if (error instanceof InputError && error.code === 'IMAGE_UNREADABLE') return false;
    throw error;
  }
}
