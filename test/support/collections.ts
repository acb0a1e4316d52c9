/** Collections of images with the backbone that goes with them, and a federation whose sites hold shares of one. */
import { join } from 'node:path';
import { fingerprintBackbone } from '#core/backbone';
import { loadBackbone } from '#core/engine';
import type { TaskDefinitionInput } from '#core/protocol';
import { Federation, type AgentTask } from './federation.ts';
import { chestXrayGroup, shareImages, writeSiteFolder, type SiteShare } from './image-sites.ts';
import {
  drawnClassFolders,
  drawnClasses,
  drawnGroup,
  drawnShares,
  taskDefinition,
  writeDrawnImages,
  writeSmallBackbone,
  type BackboneFolder,
  type SmallBackboneOptions,
} from './small-federation.ts';

/** Images in a folder per class, who gets which, and the backbone. */
export interface Collection {
  readonly directory: string;
  readonly groupOf: (file: string) => string;
  readonly classFolders: Readonly<Record<string, string>>;
  readonly classes: readonly string[];
  readonly shares: readonly SiteShare[];
  readonly backbone: BackboneFolder;
}

/** Draw a small collection for the sites and make a small random ViT beside it. */
export async function drawnCollection(
  directory: string,
  sites: readonly string[],
  backbone: SmallBackboneOptions = {},
): Promise<Collection> {
  const images = join(directory, 'drawn');
  await writeDrawnImages(images, { count: 48, seed: 'drawn' });
  return {
    directory: images,
    groupOf: drawnGroup,
    classFolders: drawnClassFolders,
    classes: drawnClasses,
    shares: drawnShares(sites),
    backbone: await writeSmallBackbone(join(directory, 'backbone'), backbone),
  };
}

/** Open a backbone's folder and say of it what a task must. */
export async function describeBackbone(directory: string): Promise<BackboneFolder> {
  const backbone = await loadBackbone(directory);
  const { dimension, blocks, patchSize, imageSize } = backbone.configuration;
  const fingerprint = await fingerprintBackbone(backbone);
  await backbone.close();
  return {
    directory,
    configuration: backbone.configuration,
    reference: { name: backbone.name, fingerprint, dimension, blocks, patchSize, imageSize },
  };
}

/** The chest X-rays and ViT-Tiny of the shared folder, with the shares asked for. */
export async function chestXrayCollection(
  shared: string,
  shares: readonly SiteShare[],
): Promise<Collection> {
  return {
    directory: join(shared, 'data', 'chest-xray'),
    groupOf: chestXrayGroup,
    classFolders: { NORMAL: 'normal', PNEUMONIA: 'pneumonia' },
    classes: ['normal', 'pneumonia'],
    shares,
    backbone: await describeBackbone(join(shared, 'backbones', 'vit_tiny_patch16_224')),
  };
}

/** Lay out every site's images under a folder, by patient, and return what each agent's configuration says of them. */
export async function layOutSites(
  collection: Collection,
  directory: string,
  seed: string,
): Promise<Map<string, AgentTask>> {
  const shared = await shareImages({ ...collection, seed });
  const tasks = new Map<string, AgentTask>();
  for (const { site } of collection.shares) {
    const { images, manifest } = await writeSiteFolder({
      from: collection.directory,
      to: join(directory, site),
      images: shared.filter((image) => image.site === site),
    });
    tasks.set(site, { images, manifest, classFolders: collection.classFolders });
  }
  return tasks;
}

/** Write a task over a collection for these sites. */
export function collectionTask(
  collection: Collection,
  options: {
    readonly task: string;
    readonly members: readonly string[];
    readonly rounds: number;
    readonly overrides?: Partial<TaskDefinitionInput>;
    readonly learningRate?: number;
    readonly batchSize?: number;
    readonly seed?: number;
  },
): TaskDefinitionInput {
  const { mean, std } = collection.backbone.configuration;
  const { classes, backbone } = collection;
  return taskDefinition({ ...options, backbone: backbone.reference, mean, std, classes });
}

/** Enrol every site, each for all of the tasks named, over its own images. */
export async function enrollSites(options: {
  readonly federation: Federation;
  readonly collection: Collection;
  readonly sites: ReadonlyMap<string, AgentTask>;
  readonly tasks: readonly string[];
  readonly url?: string;
  /** Sites that let out the adapter that they trained alone. */
  readonly sharing?: readonly string[];
}): Promise<void> {
  for (const [site, images] of options.sites) {
    await options.federation.enroll(site, {
      backbone: options.collection.backbone.directory,
      tasks: Object.fromEntries(options.tasks.map((task) => [task, images])),
      threads: 1,
      ...(options.url === undefined ? {} : { url: options.url }),
      ...(options.sharing?.includes(site) === true ? { policy: { shareBaseline: true } } : {}),
    });
  }
}
