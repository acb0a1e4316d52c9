/**
 * Shares a folder of real images, a folder for each class, out to hospitals: by patient where a preset knows the file
 * names, else by content; with label mixes that differ by `skew`. No group stands at two hospitals or in two splits.
 */
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { seededRng } from '#core/rng';
import { contentHash, groupRule } from '../../apps/site-agent/src/data/groups.ts';
import type { SharedImage } from '../../test/support/image-sites.ts';

/** An image of the folder. */
export interface FolderImage {
  readonly folder: string;
  readonly file: string;
  readonly group: string;
}

/** How the images are shared out. */
export interface FolderShareOptions {
  readonly sites: readonly string[];
  /** Wanted at each hospital; fewer where the folder has too few. */
  readonly imagesPerSite: number;
  readonly heldOutPerSite: number;
  /** 0: every hospital has the same mix; 1: one class prevails at each, with one image at least of every other. */
  readonly skew: number;
  readonly seed: number;
}

const imageEndings = new Set(['.jpg', '.jpeg', '.png', '.webp', '.tif', '.tiff']);
const classesMax = 64;
const imagesMax = 200_000;
/** Of the images of one class, so many are left for groups that are cut short. */
const usableShare = 0.95;

/**
 * List the images below a folder with the group of each.
 *
 * @throws RangeError where there are not two class folders at least, or too much of anything
 */
export async function listFolderImages(directory: string): Promise<FolderImage[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  if (folders.length < 2 || folders.length > classesMax) {
    throw new RangeError(
      `--data ${directory}: expected a folder for each of 2 to ${classesMax} classes, got ${folders.length}`,
    );
  }
  const groupOf = groupRule('chest-xray');
  const images: FolderImage[] = [];
  for (const folder of folders.map(({ name }) => name).sort()) {
    for (const file of (await readdir(join(directory, folder))).sort()) {
      if (!imageEndings.has(extname(file).toLowerCase())) continue;
      const group = groupOf(file) ?? `content-${await contentHash(join(directory, folder, file))}`;
      images.push({ folder, file, group });
      if (images.length > imagesMax)
        throw new RangeError(`--data ${directory}: expected ${imagesMax} images at most`);
    }
  }
  return images;
}

/** How many images of each class: `total` by the mix of hospital `site`, one at least of each class. */
export function mixCounts(
  site: number,
  options: { readonly classes: number; readonly total: number; readonly skew: number },
): number[] {
  const { classes, total, skew } = options;
  const spare = Math.max(0, total - classes);
  return Array.from({ length: classes }, (_, index) => {
    const share = (1 - skew) / classes + (index === site % classes ? skew : 0);
    return 1 + Math.floor(share * spare + 1e-9);
  });
}

/** Groups of images, each under the class of its first image, shuffled class by class. */
function groupsByFolder(
  images: readonly FolderImage[],
  seed: number,
): Map<string, (readonly FolderImage[])[]> {
  const groups = new Map<string, FolderImage[]>();
  for (const image of images) {
    const members = groups.get(image.group);
    if (members === undefined) groups.set(image.group, [image]);
    else members.push(image);
  }
  const byFolder = new Map<string, (readonly FolderImage[])[]>();
  for (const members of groups.values()) {
    const folder = members[0]?.folder ?? '';
    // A patient with images of two classes counts with the first alone: a group goes to one place as a whole.
    const alike = members.filter((image) => image.folder === folder);
    byFolder.set(folder, [...(byFolder.get(folder) ?? []), alike]);
  }
  for (const [folder, list] of byFolder) seededRng(`melo/demo/${seed}/${folder}`).shuffle(list);
  return byFolder;
}

/** The wanted counts by site, split and class, scaled down together until every class has enough images. */
function fittingCounts(
  available: readonly number[],
  options: FolderShareOptions,
): { training: number[]; heldOut: number[] }[] {
  const classes = available.length;
  const countsAt = (scale: number): { training: number[]; heldOut: number[] }[] =>
    options.sites.map((_site, at) => ({
      training: mixCounts(at, {
        classes,
        total: Math.floor(scale * options.imagesPerSite),
        skew: options.skew,
      }),
      heldOut: mixCounts(at, {
        classes,
        total: Math.floor(scale * options.heldOutPerSite),
        skew: 0,
      }),
    }));
  for (let scale = 1; scale > 0.01; scale *= 0.95) {
    const counts = countsAt(scale);
    const isEnough = available.every(
      (count, index) =>
        counts.reduce((sum, { training, heldOut }) => {
          return sum + (training[index] ?? 0) + (heldOut[index] ?? 0);
        }, 0) <=
        usableShare * count,
    );
    if (isEnough) return counts;
  }
  throw new RangeError(
    `--data: expected more images, got ${available.join(', ')} by class; name a larger folder or fewer --sites`,
  );
}

/**
 * Share the images out.
 *
 * @throws RangeError where a class has too few images for one at each hospital in each split
 */
export function shareFolderImages(
  images: readonly FolderImage[],
  options: FolderShareOptions,
): SharedImage[] {
  const byFolder = groupsByFolder(images, options.seed);
  const folders = [...byFolder.keys()].sort();
  const available = folders.map((folder) => (byFolder.get(folder) ?? []).flat().length);
  const counts = fittingCounts(available, options);
  const shared: SharedImage[] = [];
  for (const [index, folder] of folders.entries()) {
    const groups = byFolder.get(folder) ?? [];
    for (const split of ['held-out', 'train'] as const) {
      for (const [at, site] of options.sites.entries()) {
        const wanted = split === 'train' ? counts[at]?.training : counts[at]?.heldOut;
        for (let left = wanted?.[index] ?? 0; left > 0;) {
          const next = groups.shift();
          if (next === undefined) {
            throw new RangeError(
              `--data: expected more patients in ${folder}, they do not suffice for ${site}; lower --images-per-site`,
            );
          }
          const taken = next.slice(0, left);
          for (const { file, group } of taken) shared.push({ site, split, folder, file, group });
          left -= taken.length;
        }
      }
    }
  }
  return shared;
}
