/** Lays out the images of the demo's hospitals, and one site beside them that holds all images for the pooled column. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import type { AgentTask } from '../../test/support/federation.ts';
import { writeSiteFolder } from '../../test/support/image-sites.ts';
import { listFolderImages, shareFolderImages } from './folder-sites.ts';
import type { DemoOptions } from './options.ts';
import { drawPhantomSites } from './phantom-sites.ts';
import { phantomClasses } from '../../apps/site-agent/src/simulation/phantoms.ts';
import { demoPlan } from './plan.ts';

/** One hospital's images. */
export interface Hospital {
  readonly name: string;
  /** What the agent's configuration says of them. */
  readonly images: AgentTask;
  readonly trainingImages: number;
  readonly heldOutImages: number;
  /** Training images by class. */
  readonly classCounts: readonly number[];
}

/** One image of the union. */
export interface HeldOutImage {
  readonly file: string;
  readonly label: number;
}

/** Everything laid out. */
export interface Hospitals {
  readonly classes: readonly string[];
  readonly hospitals: readonly Hospital[];
  /** All images in one place: for the pooled column, which no hospital could train. */
  readonly pooled: AgentTask;
  /** The held-out images of all hospitals. */
  readonly union: readonly HeldOutImage[];
  /** What the images are, plainly. */
  readonly note: string;
}

interface LaidOutSite {
  readonly name: string;
  readonly images: string;
  readonly manifest: string;
}

const rowsSchema = z.array(
  z.object({ path: z.string(), group: z.string(), split: z.enum(['train', 'held-out']) }),
);
type Row = z.infer<typeof rowsSchema>[number];

/** Held-out images that go with so many training images, in the plan's proportion. */
export function heldOutPerSite(imagesPerSite: number): number {
  const share = demoPlan.heldOutPerSite / demoPlan.imagesPerSite;
  return Math.max(6, Math.round(share * imagesPerSite));
}

async function readRows(manifest: string): Promise<Row[]> {
  return rowsSchema.parse(parse(await readFile(manifest, 'utf8'), { columns: true }));
}

const folderOf = ({ path }: Row): string => path.split('/')[0] ?? '';
const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

/** Describe the sites, and write a manifest of all of them. */
async function describeSites(
  directory: string,
  sites: readonly LaidOutSite[],
  classes: readonly string[],
): Promise<Pick<Hospitals, 'hospitals' | 'pooled' | 'union'>> {
  const hospitals: Hospital[] = [];
  const union: HeldOutImage[] = [];
  const lines = ['path,group,split'];
  const folders: Record<string, string> = {};
  for (const { name, images, manifest } of sites) {
    const rows = await readRows(manifest);
    const training = rows.filter(({ split }) => split === 'train');
    for (const row of rows) {
      if (row.split === 'held-out')
        union.push({ file: join(images, row.path), label: classes.indexOf(folderOf(row)) });
      lines.push(
        [`${name}/images/${row.path}`, `${name}/${row.group}`, row.split].map(quoted).join(),
      );
    }
    for (const each of classes) folders[`${name}/images/${each}`] = each;
    hospitals.push({
      name,
      images: { images, manifest, classFolders: Object.fromEntries(classes.map((c) => [c, c])) },
      trainingImages: training.length,
      heldOutImages: rows.length - training.length,
      classCounts: classes.map((each) => training.filter((row) => folderOf(row) === each).length),
    });
  }
  const manifest = join(directory, 'all-images.csv');
  await writeFile(manifest, `${lines.join('\n')}\n`);
  return { hospitals, union, pooled: { images: directory, manifest, classFolders: folders } };
}

async function layOutFolder(
  data: string,
  directory: string,
  options: DemoOptions,
): Promise<{ sites: LaidOutSite[]; classes: string[] }> {
  const found = await listFolderImages(data);
  const names = Array.from({ length: options.sites }, (_, index) => `hospital-${index + 1}`);
  const shared = shareFolderImages(found, {
    ...options,
    sites: names,
    heldOutPerSite: heldOutPerSite(options.imagesPerSite),
  });
  const sites: LaidOutSite[] = [];
  for (const name of names) {
    const images = shared.filter(({ site }) => site === name);
    const to = join(directory, name);
    sites.push({ name, ...(await writeSiteFolder({ from: data, to, images })) });
  }
  return { sites, classes: [...new Set(found.map(({ folder }) => folder))].sort() };
}

/** Draw or share out the images of every hospital below `directory`. */
export async function layOutHospitals(
  directory: string,
  options: DemoOptions,
  control: {
    readonly signal: AbortSignal;
    readonly onImage: (done: number, total: number) => void;
  },
): Promise<Hospitals> {
  await mkdir(directory, { recursive: true });
  if (options.data !== undefined) {
    const { sites, classes } = await layOutFolder(options.data, directory, options);
    const note = `The images are those of ${options.data}, shared out to made-up hospitals.`;
    return { classes, note, ...(await describeSites(directory, sites, classes)) };
  }
  const { sites, imagesPerSite, seed, skew } = options;
  const drawn = await drawPhantomSites({
    sites,
    imagesPerSite,
    seed,
    skew,
    heldOutPerSite: heldOutPerSite(imagesPerSite),
    directory,
    ...control,
  });
  const note =
    'The images are phantoms: drawn by formula, no pixel comes from a person, and the figures say nothing about medicine.';
  return {
    classes: phantomClasses,
    note,
    ...(await describeSites(directory, drawn, phantomClasses)),
  };
}
