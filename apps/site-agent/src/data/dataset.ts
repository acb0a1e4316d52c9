/** A task's images at this site: every image has a label, a group and a split; no group stands in two splits. */
import { basename, join } from 'node:path';
import { toHex, utf8 } from '#core/bytes';
import { blake2b256, encodePieces } from '#core/crypto';
import { InputError } from '#core/errors';
import { finding, type Finding } from '#core/evaluation';
import type { Activation } from '#core/protocol';
import type { TaskConfig } from '../config/agent-config.ts';
import { listImages, scanFolders } from './folders.ts';
import { contentHash, groupRule, splitOfGroup, type Split } from './groups.ts';
import { readManifest, type ManifestRow } from './manifest.ts';

/** What is known of an image: the index of its one class, or a finding for each class of the task, (C). */
export type ImageLabel = number | readonly Finding[];

/** One image of a task at this site. */
export interface DatasetImage {
  /** Absolute. */
  readonly file: string;
  /** Below the images' folder; never leaves this machine. */
  readonly path: string;
  readonly label: ImageLabel;
  readonly group: string;
}

/** What of a task decides which labels its images have. */
export interface DatasetTask {
  readonly classes: readonly string[];
  /** By sigmoid, a manifest's columns of the classes are read. */
  readonly activation: Activation;
}

/** All of a task's images at this site. */
export interface Dataset {
  readonly training: readonly DatasetImage[];
  readonly heldOut: readonly DatasetImage[];
  /** Files that are no images, or that the manifest does not list. */
  readonly ignored: number;
  /** Digest of paths, labels and splits: a checkpoint belongs to one. Local, never sent. */
  readonly digest: string;
}

/** Digests a file's content: SHA-256 in hexadecimal. */
export type HashFile = (path: string) => Promise<string>;

interface Labelled {
  readonly path: string;
  readonly label: ImageLabel;
}

interface Placed extends Labelled {
  readonly group: string;
  readonly split: Split;
}

interface Placing {
  readonly placed: Placed[];
  /** Files found, images that are not placed among them. */
  readonly files: number;
}

/** Images by the classes of their folders. */
async function labelByFolder(
  task: TaskConfig,
  classes: readonly string[],
): Promise<{ readonly images: readonly Labelled[]; readonly ignored: number }> {
  const { images: directory, classFolders } = task;
  const { images, ignored } = await scanFolders({ directory, classes, classFolders });
  return { images: images.map(({ path, classIndex }) => ({ path, label: classIndex })), ignored };
}

async function placeByManifest(
  task: TaskConfig,
  manifest: string,
  { classes, activation }: DatasetTask,
): Promise<Placing> {
  const rows = await readManifest(manifest, activation === 'sigmoid' ? classes : []);
  const labels = await manifestLabels(task, rows, classes);
  const placed: Placed[] = [];
  for (const [path, { group, split }] of rows) {
    const label = labels.found.get(path);
    if (label === undefined) {
      throw new InputError(
        'DATASET_INVALID',
        `${manifest}: expected every image it lists below ${task.images}, ${path} is not there; correct the manifest`,
      );
    }
    const ownSplit = split ?? splitOfGroup(group, task.splitSeed, task.heldOutShare);
    placed.push({ path, label, group, split: ownSplit });
  }
  return { placed, files: labels.files };
}

/** Labels of the images that are there: the manifest's findings, whatever their folders, or else the folders' classes. */
async function manifestLabels(
  task: TaskConfig,
  rows: ReadonlyMap<string, ManifestRow>,
  classes: readonly string[],
): Promise<{ readonly found: ReadonlyMap<string, ImageLabel>; readonly files: number }> {
  const hasFindings = [...rows.values()].some(({ findings }) => findings !== null);
  if (!hasFindings) {
    const { images, ignored } = await labelByFolder(task, classes);
    const found = new Map(images.map(({ path, label }) => [path, label]));
    return { found, files: images.length + ignored };
  }
  const { paths, ignored } = await listImages(task.images);
  const found = new Map<string, ImageLabel>();
  for (const path of paths) {
    const findings = rows.get(path)?.findings ?? null;
    if (findings !== null) found.set(path, findings);
  }
  return { found, files: paths.length + ignored };
}

async function placeByRule(
  task: TaskConfig,
  classes: readonly string[],
  hashOf: HashFile,
): Promise<Placing> {
  const groupOf = task.groupRegex === undefined ? () => null : groupRule(task.groupRegex);
  const { images, ignored } = await labelByFolder(task, classes);
  const placed: Placed[] = [];
  for (const { path, label } of images) {
    const group = groupOf(basename(path)) ?? `content-${await hashOf(join(task.images, path))}`;
    const split = splitOfGroup(group, task.splitSeed, task.heldOutShare);
    placed.push({ path, label, group, split });
  }
  return { placed, files: images.length + ignored };
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
 * A class of which a manifest knows nothing is none: another site may know it. But something must be known.
 *
 * @throws InputError DATASET_CLASS_EMPTY naming the class
 */
export function checkClasses(
  training: readonly { readonly label: ImageLabel }[],
  classes: readonly string[],
): void {
  const known = training.map(({ label }) => label);
  const isKnown = (label: ImageLabel, index: number): boolean =>
    typeof label === 'number' ? label === index : label.some((each) => each !== finding.unknown);
  const empty = classes.filter((_, index) => !known.some((label) => isKnown(label, index)));
  if (empty.length === 0) return;
  throw new InputError(
    'DATASET_CLASS_EMPTY',
    `training images: expected at least one of every class, there is none of ${empty.join(', ')}; add images, map their folder under classFolders, or fill in the manifest's columns`,
    { classes: empty },
  );
}

/** Write a label as text, for digests. */
export function labelText(label: ImageLabel): string {
  return typeof label === 'number' ? String(label) : label.join(',');
}

function datasetDigest(images: readonly Placed[]): string {
  const pieces = images.flatMap(({ path, label, split }) => [
    utf8(path),
    utf8(labelText(label)),
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
  about: DatasetTask,
  hashOf: HashFile = contentHash,
): Promise<Dataset> {
  const { classes } = about;
  const { placed, files } = await (task.manifest === undefined
    ? placeByRule(task, classes, hashOf)
    : placeByManifest(task, task.manifest, about));
  placed.sort((a, b) => (a.path < b.path ? -1 : 1)); // the order of training follows from it
  checkGroups(placed);
  const select = (wanted: Split): DatasetImage[] =>
    placed
      .filter(({ split }) => split === wanted)
      .map(({ path, label, group }) => ({ file: join(task.images, path), path, label, group }));
  const training = select('train');
  checkClasses(training, classes);
  return {
    training,
    heldOut: select('held-out'),
    ignored: files - placed.length,
    digest: datasetDigest(placed),
  };
}
