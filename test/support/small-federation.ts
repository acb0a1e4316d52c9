/**
 * Small things made on the spot, for tests that need no collection: a random ViT, drawn images of three classes, and a
 * task over them. What is measured on them says nothing about medicine.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import {
  openBackbone,
  fingerprintBackbone,
  memorySource,
  randomBackboneFile,
} from '#core/backbone';
import { seededRng } from '#core/rng';
import type { BackboneReference, TaskDefinitionInput } from '#core/protocol';
import type { BackboneConfiguration } from '#core/backbone';
import type { SiteShare } from './image-sites.ts';

/** A backbone's folder and what a task says of it. */
export interface BackboneFolder {
  readonly directory: string;
  readonly reference: BackboneReference;
  readonly configuration: BackboneConfiguration;
}

/** Dimensions of a small ViT that may differ from the standard ones. */
export interface SmallBackboneOptions {
  readonly dimension?: number;
  readonly blocks?: number;
  readonly seed?: string;
}

/** Write a small random ViT (patch 8, image 32, 3 heads) into a folder, as timm would. */
export async function writeSmallBackbone(
  directory: string,
  options: SmallBackboneOptions = {},
): Promise<BackboneFolder> {
  const dimension = options.dimension ?? 48;
  const configuration: BackboneConfiguration = {
    dimension,
    blocks: options.blocks ?? 2,
    heads: 3,
    mlpDimension: 2 * dimension,
    patchSize: 8,
    imageSize: 32,
    channels: 3,
    layerNormEpsilon: 1e-6,
    activation: 'gelu',
    pooling: 'cls',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
  const { bytes, config } = randomBackboneFile({
    configuration,
    seed: options.seed ?? 'small backbone',
    spelling: 'timm',
  });
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'model.safetensors'), bytes);
  await writeFile(join(directory, 'config.json'), JSON.stringify(config));
  const backbone = await openBackbone({ source: memorySource(bytes), config, name: 'small' });
  const fingerprint = await fingerprintBackbone(backbone);
  const { blocks, patchSize, imageSize } = backbone.configuration;
  return {
    directory,
    configuration: backbone.configuration,
    reference: { name: 'small', fingerprint, dimension, blocks, patchSize, imageSize },
  };
}

/** Classes of the drawn images, each a folder. */
export const drawnClasses = ['disc', 'stripes', 'cross'] as const;
type DrawnClass = (typeof drawnClasses)[number];

const drawnSize = 48;

/** Whether a pixel belongs to the shape; x and y from the shape's middle, in units of its radius. */
function isInside(shape: DrawnClass, x: number, y: number): boolean {
  if (Math.max(Math.abs(x), Math.abs(y)) > 1) return false;
  switch (shape) {
    case 'disc':
      return x * x + y * y <= 1;
    case 'stripes':
      return Math.floor((x + 1) * 2.5) % 2 === 0;
    case 'cross':
      return Math.min(Math.abs(x), Math.abs(y)) < 0.25;
  }
}

/** Draw one image: bright shapes of random place and size on noise. */
async function drawImage(shapes: readonly DrawnClass[], seed: string): Promise<Buffer> {
  const rng = seededRng(seed);
  const drawn = shapes.map((shape) => {
    const radius = drawnSize * (0.2 + 0.2 * rng.nextFloat());
    const place = (): number => radius + (drawnSize - 2 * radius) * rng.nextFloat();
    return { shape, radius, left: place(), top: place() };
  });
  const pixels = new Uint8Array(drawnSize * drawnSize * 3);
  for (let index = 0; index < drawnSize * drawnSize; index++) {
    const isBright = drawn.some(({ shape, radius, left, top }) => {
      const x = ((index % drawnSize) - left) / radius;
      const y = (Math.floor(index / drawnSize) - top) / radius;
      return isInside(shape, x, y);
    });
    const word = rng.nextUint32(); // four bytes of noise: one for the grey level, one for each channel
    const level = (isBright ? 190 : 80) + ((word & 0xff) - 128) / 3;
    for (let channel = 0; channel < 3; channel++) {
      const tint = (((word >>> (8 * (channel + 1))) & 0xff) - 128) / 10;
      pixels[3 * index + channel] = Math.min(255, Math.max(0, level + tint));
    }
  }
  const raw = { width: drawnSize, height: drawnSize, channels: 3 } as const;
  return sharp(pixels, { raw }).png().toBuffer();
}

/** The findings that drawn images of several findings may have. */
export const drawnFindings = ['disc', 'stripes'] as const;

/** One drawn image of several findings: 1 drawn, 0 not, and what the manifest says of it, which may be nothing. */
export interface FindingImage {
  readonly file: string;
  readonly split: 'train' | 'held-out';
  readonly drawn: readonly number[];
  readonly told: readonly (number | null)[];
}

/**
 * Draw images with both findings, one or none, into one folder, and the manifest beside it with a column for each finding.
 *
 * @param options - every third image is held out; of each `unknownEvery`th image one finding is not told
 */
export async function writeFindingImages(
  directory: string,
  options: { readonly count: number; readonly seed: string; readonly unknownEvery: number },
): Promise<{ readonly images: string; readonly manifest: string; readonly list: FindingImage[] }> {
  const images = join(directory, 'images');
  await mkdir(images, { recursive: true });
  const list: FindingImage[] = [];
  for (let index = 0; index < options.count; index++) {
    const drawn = drawnFindings.map((_, c) => (Math.floor(index / 3) >> c) & 1);
    const isHidden = (c: number): boolean =>
      index % options.unknownEvery === 0 && (index / options.unknownEvery) % drawn.length === c;
    const file = join(images, `image-${index}.png`);
    const shapes = drawnFindings.filter((_, c) => drawn[c] === 1);
    await writeFile(file, await drawImage(shapes, `${options.seed}/${index}`));
    const told = drawn.map((value, c) => (isHidden(c) ? null : value));
    list.push({ file, split: index % 3 === 2 ? 'held-out' : 'train', drawn, told });
  }
  const rows = list.map(({ split, told }, index) =>
    [`image-${index}.png`, `patient-${index}`, split, ...told.map((value) => value ?? '')].join(
      ',',
    ),
  );
  const manifest = join(directory, 'manifest.csv');
  await writeFile(
    manifest,
    [['path,group,split', ...drawnFindings].join(','), ...rows, ''].join('\n'),
  );
  return { images, manifest, list };
}

/** Draw `count` images of each class into a folder per class; two images make one group (`patient`). */
export async function writeDrawnImages(
  directory: string,
  options: { readonly count: number; readonly seed: string },
): Promise<void> {
  for (const shape of drawnClasses) {
    await mkdir(join(directory, shape), { recursive: true });
    for (let index = 0; index < options.count; index++) {
      const name = `${shape}-patient${Math.floor(index / 2)}_${index % 2}.png`;
      const bytes = await drawImage([shape], `${options.seed}/${shape}/${index}`);
      await writeFile(join(directory, shape, name), bytes);
    }
  }
}

/** The patient that a drawn image's file name says. */
export function drawnGroup(file: string): string {
  return /[a-z]+-patient\d+/.exec(file)?.[0] ?? file;
}

/** Shares of drawn images for three sites, each with another class in the majority. */
export function drawnShares(sites: readonly string[]): SiteShare[] {
  return sites.map((site, at) => ({
    site,
    training: Object.fromEntries(drawnClasses.map((name, c) => [name, c === at % 3 ? 8 : 4])),
    heldOut: Object.fromEntries(drawnClasses.map((name) => [name, 4])),
  }));
}

/** Mapping of folders to classes where both have the same names. */
export const drawnClassFolders = Object.fromEntries(drawnClasses.map((name) => [name, name]));

/** A task over a backbone, as an administrator would write it. */
export function taskDefinition(options: {
  readonly task: string;
  readonly backbone: BackboneReference;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  readonly classes: readonly string[];
  readonly members: readonly string[];
  readonly rounds: number;
  readonly overrides?: Partial<TaskDefinitionInput>;
  readonly learningRate?: number;
  readonly batchSize?: number;
  readonly seed?: number;
}): TaskDefinitionInput {
  const seed = options.seed ?? 1;
  return {
    version: 1,
    task: options.task,
    title: options.task,
    mode: 'clear',
    backbone: options.backbone,
    preprocessing: {
      version: 1,
      imageSize: options.backbone.imageSize,
      resize: 'fill',
      crop: 'none',
      kernel: 'cubic',
      channels: 'rgb',
      mean: [...options.mean],
      std: [...options.std],
    },
    classes: [...options.classes],
    rank: 4,
    alpha: 4,
    publicSeed: seed.toString(16).padStart(64, '0'),
    plan: {
      version: 1,
      optimiser: { name: 'adamw', learningRate: options.learningRate ?? 2e-3 },
      schedule: { name: 'cosine', totalRounds: options.rounds },
      duration: { unit: 'epochs', count: 1 },
      batchSize: options.batchSize ?? 8,
      loss: { name: 'cross-entropy' },
      augmentation: { name: 'none' },
      seed,
    },
    aggregation: {},
    rounds: options.rounds,
    rules: { quorumSites: options.members.length, deadlineMs: 1_200_000 },
    members: [...options.members],
    ...options.overrides,
  };
}
