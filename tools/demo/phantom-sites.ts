/**
 * Writes the demo's hospitals: PNG files in a folder for each class and a manifest of patients, as a site agent reads them.
 *
 * Each hospital has a scanner look of its own, and a label mix of its own among its training images. Held-out images come in
 * an even mix everywhere: a model that only tells the scanners apart gains nothing on them. Patients have one to three images,
 * and none stands in both splits. The same options give the same pixels.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { checkInteger, checkPositive } from '#core/check';
import { seededRng, type SeededRng } from '#core/rng';
import {
  drawPhantom,
  phantomClasses,
  phantomSide,
  projectPhantom,
  type PhantomClass,
} from '../../apps/site-agent/src/simulation/phantoms.ts';
import { expose, scannerLook } from '../../apps/site-agent/src/simulation/scanner-look.ts';

/** Where an image is used, as a site's manifest says it. */
export type PhantomSplit = 'train' | 'held-out';

/** One image of a hospital. */
export interface PhantomImage {
  /** Below the folder of images, with forward slashes. */
  readonly path: string;
  /** The phantom patient. */
  readonly group: string;
  readonly split: PhantomSplit;
  readonly class: PhantomClass;
  /** 8-bit grey, (64 * 64) row-major. */
  readonly pixels: Uint8Array;
}

/** What decides the images of the hospitals. */
export interface PhantomSitesOptions {
  /** How many hospitals, 1 to 64. */
  readonly sites: number;
  /** Training images of each hospital, 3 to 100,000. */
  readonly imagesPerSite: number;
  /** Held-out images of each hospital, 3 to 100,000. */
  readonly heldOutPerSite: number;
  readonly seed: number;
  /** How far the label mixes of the training images differ: 0 is even everywhere, 1 is one class prevailing at each. */
  readonly skew: number;
  /** Findings are smaller and fainter by this factor; 1 where it is left out. */
  readonly difficulty?: number;
}

/** A hospital's folder, ready for a site agent. */
export interface PhantomSite {
  /** `hospital-1` and so on. */
  readonly name: string;
  /** Folder with a folder of PNG files for each class. */
  readonly images: string;
  /** CSV with the columns path,group,split. */
  readonly manifest: string;
  /** Images by class in each split, in the order of `phantomClasses`. */
  readonly counts: Readonly<Record<PhantomSplit, readonly number[]>>;
}

const sitesMax = 64;
const imagesMax = 100_000;
const splits: readonly PhantomSplit[] = ['train', 'held-out'];

/** Shares of normal, opacity and effusion at full skew; hospitals past the third start again. */
const mixes: readonly (readonly number[])[] = [
  [0.8, 0.15, 0.05],
  [0.1, 0.75, 0.15],
  [0.1, 0.1, 0.8],
];

/** How many images of each class: the shares of the mix by largest remainder, one at least of each. */
function classCounts(site: number, total: number, skew: number): number[] {
  const mix = mixes[site % mixes.length] ?? [];
  const shares = mix.map((share) => (1 - skew) / phantomClasses.length + skew * share);
  const exact = shares.map((share) => share * (total - phantomClasses.length));
  const counts = exact.map((value) => 1 + Math.floor(value));
  const order = exact
    .map((value, index) => ({ index, rest: value % 1 }))
    .sort((a, b) => b.rest - a.rest || a.index - b.index);
  const missing = total - counts.reduce((a, b) => a + b, 0);
  for (const { index } of order.slice(0, missing)) counts[index] = (counts[index] ?? 0) + 1;
  return counts;
}

/** Deal out images of one class to patients of one to three images each. */
function patientSizes(images: number, rng: SeededRng): number[] {
  const sizes: number[] = [];
  for (let left = images; left > 0; left -= sizes.at(-1) ?? left) {
    sizes.push(Math.min(left, 1 + rng.nextInteger(3)));
  }
  return sizes;
}

function checkOptions({
  sites,
  imagesPerSite,
  heldOutPerSite,
  seed,
  skew,
  difficulty = 1,
}: PhantomSitesOptions): void {
  checkPositive(difficulty, 'difficulty');
  checkInteger(sites, 'sites', { minimum: 1, maximum: sitesMax });
  checkInteger(imagesPerSite, 'imagesPerSite', { minimum: 3, maximum: imagesMax });
  checkInteger(heldOutPerSite, 'heldOutPerSite', { minimum: 3, maximum: imagesMax });
  checkInteger(seed, 'seed', { minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
  if (!(skew >= 0 && skew <= 1)) {
    throw new RangeError(`skew: expected a number from 0 to 1, got ${skew}`);
  }
}

/**
 * Draw the images of hospital `site`, one after the other; patients of the classes come in a shuffled order.
 *
 * @throws RangeError if an option is out of range
 */
export function* drawPhantomSite(
  site: number,
  options: PhantomSitesOptions,
): Generator<PhantomImage, void> {
  checkOptions(options);
  checkInteger(site, 'site', { minimum: 0, maximum: options.sites - 1 });
  const root = `melo/demo/${options.seed}/${site}`;
  const look = scannerLook(site, seededRng(`${root}/scanner`));
  let patientNumber = 0;
  for (const split of splits) {
    const rng = seededRng(`${root}/${split}`);
    const counts =
      split === 'train'
        ? classCounts(site, options.imagesPerSite, options.skew)
        : classCounts(site, options.heldOutPerSite, 0);
    const patients = phantomClasses.flatMap((kind, index) =>
      patientSizes(counts[index] ?? 0, rng).map((images) => ({ kind, images })),
    );
    for (const { kind, images } of rng.shuffle(patients)) {
      patientNumber += 1;
      const group = `phantom-${String(patientNumber).padStart(5, '0')}`;
      const stream = seededRng(`${root}/${group}`);
      const phantom = drawPhantom(stream, kind, options.difficulty);
      for (let image = 1; image <= images; image++) {
        const pixels = expose(projectPhantom(phantom, stream), look, stream);
        yield { path: `${kind}/${group}-${image}.png`, group, split, class: kind, pixels };
      }
    }
  }
}

/**
 * Write the hospitals below `directory`: `hospital-N/images/CLASS/*.png` and `hospital-N/manifest.csv`.
 *
 * @param options.signal - stops between two images
 * @returns the hospitals in order
 * @throws RangeError if an option is out of range
 */
export async function drawPhantomSites(
  options: PhantomSitesOptions & {
    readonly directory: string;
    readonly signal?: AbortSignal;
    readonly onImage?: (done: number, total: number) => void;
  },
): Promise<readonly PhantomSite[]> {
  checkOptions(options);
  const total = options.sites * (options.imagesPerSite + options.heldOutPerSite);
  let done = 0;
  const written: PhantomSite[] = [];
  for (let index = 0; index < options.sites; index++) {
    const name = `hospital-${index + 1}`;
    const images = join(options.directory, name, 'images');
    const manifest = join(options.directory, name, 'manifest.csv');
    for (const kind of phantomClasses) await mkdir(join(images, kind), { recursive: true });
    const counts = { train: phantomClasses.map(() => 0), 'held-out': phantomClasses.map(() => 0) };
    const rows = ['path,group,split'];
    for (const image of drawPhantomSite(index, options)) {
      options.signal?.throwIfAborted();
      await writePng(join(images, image.path), image.pixels);
      rows.push(`${image.path},${image.group},${image.split}`);
      const place = phantomClasses.indexOf(image.class);
      counts[image.split][place] = (counts[image.split][place] ?? 0) + 1;
      done += 1;
      options.onImage?.(done, total);
    }
    await writeFile(manifest, rows.join('\n') + '\n');
    written.push({ name, images, manifest, counts });
  }
  return written;
}

async function writePng(path: string, pixels: Uint8Array): Promise<void> {
  const raw = { width: phantomSide, height: phantomSide, channels: 1 } as const;
  await sharp(pixels, { raw }).toColourspace('b-w').png({ compressionLevel: 6 }).toFile(path);
}
