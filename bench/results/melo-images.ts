/** The two image sets of the table `melo`: split once a seed into training, validation and held-out images, and decoded. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Preprocessing } from '#core/protocol';
import type { LabelledImages } from '#core/training';
import { decodeImage } from '../../apps/site-agent/src/data/decode-image.ts';
import { normaliseImage } from '../../apps/site-agent/src/data/normalise.ts';
import { chestXrayGroup, shareImages, type SharedImage } from '../../test/support/image-sites.ts';

/** Images of each class by the name of its folder. */
type Counts = Readonly<Record<string, number>>;

/** An image set and how many images of it are used. */
export interface ImageSet {
  readonly name: string;
  readonly directory: string;
  /** Folders, in the order of the classes. */
  readonly folders: readonly string[];
  readonly training: Counts;
  readonly validation: Counts;
  readonly heldOut: Counts;
  /** What must not stand in two splits, for people. */
  readonly splitBy: string;
  readonly groupOf: (file: string) => string;
}

/** Decoded images of one split. */
export interface DecodedImages {
  /** Bytes (N,S,S,3). */
  readonly pixels: Uint8Array;
  readonly labels: readonly number[];
}

/** The three splits of one seed. */
export interface ImageSplits {
  readonly training: DecodedImages;
  readonly validation: DecodedImages;
  readonly heldOut: DecodedImages;
}

function scaled(counts: Counts, share: number): Counts {
  return Object.fromEntries(
    Object.entries(counts).map(([folder, count]) => [
      folder,
      Math.max(2, Math.round(count * share)),
    ]),
  );
}

/** SHA-256 of every file of some folders, by the file's name. */
async function contentHashes(
  directory: string,
  folders: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const hashes = new Map<string, string>();
  for (const folder of folders) {
    for (const file of await readdir(join(directory, folder))) {
      const bytes = await readFile(join(directory, folder, file));
      hashes.set(file, createHash('sha256').update(bytes).digest('hex'));
    }
  }
  return hashes;
}

/** The chest X-rays, by patient, and the breast ultrasounds, by content; `share` of the table's own sizes. */
export async function imageSets(shared: string, share: number): Promise<ImageSet[]> {
  const ultrasound = join(shared, 'data', 'breast-ultrasound');
  const ultrasoundFolders = ['benign', 'malignant', 'normal'];
  const hashes = await contentHashes(ultrasound, ultrasoundFolders);
  const sizes = (training: Counts, validation: Counts, heldOut: Counts) => ({
    training: scaled(training, share),
    validation: scaled(validation, share),
    heldOut: scaled(heldOut, share),
  });
  return [
    {
      name: 'chest X-ray',
      directory: join(shared, 'data', 'chest-xray'),
      folders: ['NORMAL', 'PNEUMONIA'],
      splitBy: 'patient',
      groupOf: chestXrayGroup,
      ...sizes(
        { NORMAL: 160, PNEUMONIA: 160 },
        { NORMAL: 40, PNEUMONIA: 40 },
        { NORMAL: 120, PNEUMONIA: 120 },
      ),
    },
    {
      name: 'breast ultrasound',
      directory: ultrasound,
      folders: ultrasoundFolders,
      splitBy: 'content hash',
      groupOf: (file) => hashes.get(file) ?? file,
      ...sizes(
        { benign: 170, malignant: 90, normal: 60 },
        { benign: 40, malignant: 25, normal: 15 },
        { benign: 100, malignant: 60, normal: 40 },
      ),
    },
  ];
}

async function decode(
  { directory, folders }: ImageSet,
  images: readonly SharedImage[],
  preprocessing: Preprocessing,
): Promise<DecodedImages> {
  const imageBytes = 3 * preprocessing.imageSize ** 2;
  const pixels = new Uint8Array(images.length * imageBytes);
  for (const [at, { folder, file }] of images.entries()) {
    pixels.set(await decodeImage(join(directory, folder, file), preprocessing), at * imageBytes);
  }
  return { pixels, labels: images.map(({ folder }) => folders.indexOf(folder)) };
}

/** Leave out what stands in an earlier split too: one ultrasound image is there under two classes. */
export function withoutRepeats(images: readonly SharedImage[]): SharedImage[] {
  const splits = new Map<string, string>();
  return images.filter(({ site, split, group }) => {
    const own = `${site}/${split}`;
    const first = splits.get(group) ?? own;
    splits.set(group, first);
    return first === own;
  });
}

/** Split an image set and decode it; no group stands in two splits. */
export async function splitImages(
  set: ImageSet,
  seed: number,
  preprocessing: Preprocessing,
): Promise<ImageSplits> {
  const shared = await shareImages({
    ...set,
    seed: `melo/${seed}`,
    shares: [
      { site: 'table', training: set.training, heldOut: set.heldOut },
      { site: 'search', training: {}, heldOut: set.validation },
    ],
  });
  const images = withoutRepeats(shared);
  const pick = (site: string, split: SharedImage['split']): Promise<DecodedImages> =>
    decode(
      set,
      images.filter((image) => image.site === site && image.split === split),
      preprocessing,
    );
  return {
    training: await pick('table', 'train'),
    validation: await pick('search', 'held-out'),
    heldOut: await pick('table', 'held-out'),
  };
}

/** Decoded images as the training loop takes them. */
export function labelledImages(
  { pixels, labels }: DecodedImages,
  preprocessing: Preprocessing,
): LabelledImages {
  const imageBytes = 3 * preprocessing.imageSize ** 2;
  return {
    count: labels.length,
    labels,
    load: async (index) =>
      normaliseImage(pixels.subarray(index * imageBytes, (index + 1) * imageBytes), preprocessing),
  };
}
