/** All images of a simulation before they are shared out: found, labelled, grouped and split as a site's agent does it. */
import { seededRng } from '#core/rng';
import type { Activation } from '#core/protocol';
import type { TaskConfig } from '../config/agent-config.ts';
import { findDataset, labelText, type Dataset, type DatasetImage } from '../data/dataset.ts';
import type { Split } from '../data/groups.ts';
import type { ImageGroup } from './partition.ts';
import { phantomGroupRegex } from './phantom-pool.ts';
import { phantomClasses } from './phantoms.ts';
import type { ImageFolder, Partition, SimulationPlan } from './plan.ts';

/** Digests a file's content. */
type HashFile = (path: string) => Promise<string>;

/** The images of one seed. */
export interface ImagePool {
  readonly training: readonly DatasetImage[];
  readonly heldOut: readonly DatasetImage[];
}

/** Where the images are, and what is said of them. */
export interface ImageSource {
  readonly classes: readonly string[];
  readonly imagesMax: number | null;
  /** As a site's configuration would have it, but for the seed of the split. */
  readonly task: Omit<TaskConfig, 'splitSeed'>;
}

function folderSource({ folder, classes, imagesMax, ...rest }: ImageFolder): ImageSource {
  return { classes, imagesMax: imagesMax ?? null, task: { images: folder, ...rest } };
}

/** The classes of a plan's images, which are known before any is drawn. */
export function classesOf({ images }: SimulationPlan): readonly string[] {
  return images?.classes ?? phantomClasses;
}

/**
 * Describe the images of a plan.
 *
 * @param phantoms - the folder of drawn phantoms, where the plan asks for them
 */
export function imageSource(plan: SimulationPlan, phantoms: string | null): ImageSource {
  if (plan.images !== undefined) return folderSource(plan.images);
  const heldOutShare = plan.phantoms?.heldOutShare ?? 0.3;
  const task = { images: phantoms ?? '', groupRegex: phantomGroupRegex, heldOutShare };
  return { classes: phantomClasses, imagesMax: null, task };
}

/** Leave groups out until no more images than a maximum are left; which, the seed decides. */
function limited({ training, heldOut }: Dataset, imagesMax: number, seed: string): ImagePool {
  const sizes = new Map<string, number>();
  for (const { group } of [...training, ...heldOut]) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const kept = new Set<string>();
  let total = 0;
  for (const group of seededRng(`${seed}/limit`).shuffle([...sizes.keys()].sort())) {
    const size = sizes.get(group) ?? 0;
    if (total + size > imagesMax) continue;
    total += size;
    kept.add(group);
  }
  const isKept = ({ group }: DatasetImage): boolean => kept.has(group);
  return { training: training.filter(isKept), heldOut: heldOut.filter(isKept) };
}

/**
 * Find the images and split them by group.
 *
 * @throws InputError of the agent's data reading: DATASET_INVALID, DATASET_UNMAPPED_FOLDER, DATASET_CLASS_EMPTY
 */
export async function findPool(
  source: ImageSource,
  about: { readonly activation: Activation; readonly seed: number; readonly hashOf: HashFile },
): Promise<ImagePool> {
  const { classes, imagesMax, task } = source;
  const seed = `melo/simulation/${about.seed}`;
  const asked = { classes, activation: about.activation };
  const dataset = await findDataset({ ...task, splitSeed: seed }, asked, about.hashOf);
  return imagesMax === null ? dataset : limited(dataset, imagesMax, seed);
}

/** The groups of a pool, for a partition. */
export function groupsOf(pool: ImagePool, partition: Partition): ImageGroup[] {
  const pattern =
    partition.name === 'group' && partition.regex !== undefined
      ? new RegExp(partition.regex, 'u')
      : null;
  const groups = new Map<string, ImageGroup>();
  const add = (split: Split, { group, label, path }: DatasetImage): void => {
    const known = groups.get(group);
    const match = pattern?.exec(path) ?? null;
    const origin = pattern === null ? group : (match?.[1] ?? match?.[0] ?? 'elsewhere');
    const first = known ?? { name: group, split, label: labelText(label), size: 0, origin };
    groups.set(group, { ...first, size: first.size + 1 });
  };
  for (const image of pool.training) add('train', image);
  for (const image of pool.heldOut) add('held-out', image);
  return [...groups.values()];
}
