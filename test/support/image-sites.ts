/**
 * Share out a folder-per-class collection of images to sites: by patient or group, skewed by label, seeded.
 *
 * No group stands in two splits or at two sites: of a group that would overfill a share, the rest is left out.
 */
import { link, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRng } from '#core/rng';

/** How many images of each class a site gets, for training and held out. */
export interface SiteShare {
  readonly site: string;
  readonly training: Readonly<Record<string, number>>;
  readonly heldOut: Readonly<Record<string, number>>;
}

/** One image given to a site. */
export interface SharedImage {
  readonly site: string;
  readonly split: 'train' | 'held-out';
  readonly folder: string;
  readonly file: string;
  readonly group: string;
}

/** The patient or examination that a file name of the chest X-rays belongs to. */
export function chestXrayGroup(file: string): string {
  const person = /person(\d+)_/.exec(file);
  if (person !== null) return `person-${person[1] ?? ''}`;
  const examination = /IM-(\d+)-/.exec(file);
  return examination === null ? file : `examination-${examination[1] ?? ''}`;
}

async function shuffledGroups(options: {
  readonly directory: string;
  readonly folder: string;
  readonly seed: string;
  readonly groupOf: (file: string) => string;
}): Promise<{ group: string; files: string[] }[]> {
  const files = (await readdir(join(options.directory, options.folder))).sort();
  const groups = new Map<string, string[]>();
  for (const file of files) {
    const group = options.groupOf(file);
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [file]);
    else members.push(file);
  }
  const list = [...groups].map(([group, members]) => ({ group, files: members }));
  return seededRng(`${options.seed}/${options.folder}`).shuffle(list);
}

/**
 * Share the images out.
 *
 * @throws RangeError naming the class that has too few images
 */
export async function shareImages(options: {
  readonly directory: string;
  readonly shares: readonly SiteShare[];
  readonly seed: string;
  readonly groupOf: (file: string) => string;
}): Promise<SharedImage[]> {
  const shared: SharedImage[] = [];
  const folders = new Set(options.shares.flatMap((share) => Object.keys(share.training)));
  for (const folder of folders) {
    const groups = await shuffledGroups({ ...options, folder });
    for (const { site, training, heldOut } of options.shares) {
      for (const [split, count] of [
        ['held-out', heldOut[folder] ?? 0],
        ['train', training[folder] ?? 0],
      ] as const) {
        let left = count;
        while (left > 0) {
          const next = groups.shift();
          if (next === undefined)
            throw new RangeError(`${folder}: too few images for ${site} (${split})`);
          for (const file of next.files.slice(0, left))
            shared.push({ site, split, folder, file, group: next.group });
          left -= Math.min(left, next.files.length);
        }
      }
    }
  }
  return shared;
}

/** Lay one site's images into a folder per class, with a manifest of groups and splits beside them. */
export async function writeSiteFolder(options: {
  readonly from: string;
  readonly to: string;
  readonly images: readonly SharedImage[];
}): Promise<{ images: string; manifest: string }> {
  const images = join(options.to, 'images');
  const rows = ['path,group,split'];
  for (const image of options.images) {
    await mkdir(join(images, image.folder), { recursive: true });
    const source = join(options.from, image.folder, image.file);
    const target = join(images, image.folder, image.file);
    await link(source, target).catch(() => copyFile(source, target));
    rows.push(`"${image.folder}/${image.file}",${image.group},${image.split}`);
  }
  const manifest = join(options.to, 'manifest.csv');
  await writeFile(manifest, `${rows.join('\n')}\n`);
  return { images, manifest };
}
