/** A task's images at this site: every image has a class, a group and a split; no group stands in two splits. */
import { basename, join } from 'node:path';
import { toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces } from '#core/crypto';
import { InputError } from '#core/errors';
import type { TaskConfig } from '../config/agent-config.ts';
import { scanFolders, type FoundImage } from './folders.ts';
import { contentHash, groupRule, splitOfGroup, type Split } from './groups.ts';
import { readManifest } from './manifest.ts';

/** One image of a task at this site. */
export interface DatasetImage {
  /** Absolute. */
  readonly file: string;
  /** Below the images' folder; never leaves this machine. */
  readonly path: string;
  readonly classIndex: number;
  readonly group: string;
}

/** All of a task's images at this site. */
export interface Dataset {
  readonly training: readonly DatasetImage[];
  readonly heldOut: readonly DatasetImage[];
  /** Files that are no images, or that the manifest does not list. */
  readonly ignored: number;
  /** Digest of paths, classes and splits: a checkpoint belongs to one. Local, never sent. */
  readonly digest: string;
}

/** Digests a file's content: SHA-256 in hexadecimal. */
export type HashFile = (path: string) => Promise<string>;

interface Placed extends FoundImage {
  readonly group: string;
  readonly split: Split;
}

async function placeByManifest(
  images: readonly FoundImage[],
  task: TaskConfig,
  manifest: string,
): Promise<Placed[]> {
  const rows = await readManifest(manifest);
  const found = new Map(images.map((image) => [image.path, image]));
  const placed: Placed[] = [];
  for (const [path, { group, split }] of rows) {
    const image = found.get(path);
    if (image === undefined) {
      throw new InputError(
        'DATASET_INVALID',
        `${manifest}: expected every image it lists below ${task.images}, ${path} is not there; correct the manifest`,
      );
    }
    placed.push({
      ...image,
      group,
      split: split ?? splitOfGroup(group, task.splitSeed, task.heldOutShare),
    });
  }
  return placed;
}

async function placeByRule(
  images: readonly FoundImage[],
  task: TaskConfig,
  hashOf: HashFile,
): Promise<Placed[]> {
  const groupOf = task.groupRegex === undefined ? () => null : groupRule(task.groupRegex);
  const placed: Placed[] = [];
  for (const image of images) {
    const group =
      groupOf(basename(image.path)) ?? `content-${await hashOf(join(task.images, image.path))}`;
    placed.push({
      ...image,
      group,
      split: splitOfGroup(group, task.splitSeed, task.heldOutShare),
    });
  }
  return placed;
}

function checkGroups(images: readonly Placed[]): void {
  const splits = new Map<string, Split>();
  for (const { group, split, path } of images) {
    const known = splits.get(group);
    if (known !== undefined && known !== split) {
      throw new InputError(
        'DATASET_GROUP_LEAK',
        `${path}: expected its group in one split, it stands in train and in held-out; give all images of a patient the same split in the manifest`,
      );
    }
    splits.set(group, split);
  }
}

/**
 * Refuse a class without training images: a head row that no image of this site ever moves is a mistake of the folders.
 *
 * @throws InputError DATASET_CLASS_EMPTY naming the class
 */
export function checkClasses(
  training: readonly { readonly classIndex: number }[],
  classes: readonly string[],
): void {
  const present = new Set(training.map((image) => image.classIndex));
  const empty = classes.filter((_, index) => !present.has(index));
  if (empty.length === 0) return;
  throw new InputError(
    'DATASET_CLASS_EMPTY',
    `training images: expected at least one of every class, there is none of ${empty.join(', ')}; add images, or map their folder under classFolders`,
    { classes: empty },
  );
}

function datasetDigest(images: readonly Placed[]): string {
  const pieces = images.flatMap(({ path, classIndex, split }) => [
    utf8(path),
    utf8(String(classIndex)),
    utf8(split),
  ]);
  return toHex(blake2b256(encodePieces(pieces)));
}

/**
 * Find a task's images and place each in its split.
 *
 * @throws InputError DATASET_UNMAPPED_FOLDER, DATASET_CLASS_EMPTY, DATASET_GROUP_LEAK or DATASET_INVALID; the messages may
 *   name files and stay on this machine
 */
export async function findDataset(
  task: TaskConfig,
  classes: readonly string[],
  hashOf: HashFile = contentHash,
): Promise<Dataset> {
  const scan = await scanFolders({
    directory: task.images,
    classes,
    classFolders: task.classFolders,
  });
  const placed = await (task.manifest === undefined
    ? placeByRule(scan.images, task, hashOf)
    : placeByManifest(scan.images, task, task.manifest));
  placed.sort((a, b) => (a.path < b.path ? -1 : 1)); // the order of training follows from it
  checkGroups(placed);
  const select = (wanted: Split): DatasetImage[] =>
    placed
      .filter(({ split }) => split === wanted)
      .map(({ path, classIndex, group }) => ({
        file: join(task.images, path),
        path,
        classIndex,
        group,
      }));
  const training = select('train');
  checkClasses(training, classes);
  return {
    training,
    heldOut: select('held-out'),
    ignored: scan.ignored + scan.images.length - placed.length,
    digest: datasetDigest(placed),
  };
}
