/**
 * Chest X-rays at three hospitals with different shares of pneumonia: what each gets alone, together with a linear probe,
 * together with MeLo, and what one model on all images would get.
 *
 * Every column is a task of a real federation of processes: `local` has one member, `pooled` a fourth site that holds all
 * images. All adapters are downloaded and measured in one process on the same images: the union of the sites' held-out.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { z } from 'zod';
import { decodeAdapterFile, type AdapterSpecification } from '#core/adapter';
import { createEngine, loadBackbone } from '#core/engine';
import { exactAuc } from '#core/evaluation';
import { preprocessingSchema, type Preprocessing } from '#core/protocol';
import { predictShares, type LabelledImages } from '#core/training';
import { decodeImage } from '../../apps/site-agent/src/data/decode-image.ts';
import { normaliseImage } from '../../apps/site-agent/src/data/normalise.ts';
import {
  chestXrayCollection,
  collectionTask,
  type Collection,
} from '../../test/support/collections.ts';
import { Federation, type AgentTask } from '../../test/support/federation.ts';
import {
  shareImages,
  writeSiteFolder,
  type SharedImage,
  type SiteShare,
} from '../../test/support/image-sites.ts';
import { remainingText, type ResultsContext, type ResultsTable } from './table.ts';

/** How large a run is; the table's own sizes are the default. */
export interface FirstRoundSizes {
  readonly trainingImages: number;
  readonly heldOutImages: number;
  readonly rounds: number;
}

const sizesOfTable: FirstRoundSizes = { trainingImages: 240, heldOutImages: 100, rounds: 3 };
const hospitals = ['hospital-1', 'hospital-2', 'hospital-3'];
/** Share of pneumonia among each hospital's training images. */
const pneumoniaShares = [0.85, 0.5, 0.2];
const pooledSite = 'all-images';
/** Folder of the union of the held-out images, which no agent has. */
const unionFolder = 'held-out';
/** Held-out images of each class that an agent reports on after every round; the table measures all of them. */
const reportedPerClass = 12;
/** Of every column: three short rounds are few steps, and at 2e-3 none of them gets far. */
const learningRate = 5e-3;
const batchSize = 16;

const localTask = (site: string): string => `local-${site}`;
const probeTask = 'head-only';
const tasksOf = (site: string): string[] =>
  site === pooledSite ? ['pooled'] : ['federated', probeTask, localTask(site)];

/** AUC of pneumonia, accuracy and balanced accuracy of one adapter. */
interface Figures {
  readonly auc: number;
  readonly accuracy: number;
  readonly balancedAccuracy: number;
}

function sharesOf(sizes: FirstRoundSizes): SiteShare[] {
  return hospitals.map((site, at) => {
    const pneumonia = Math.round(sizes.trainingImages * (pneumoniaShares[at] ?? 0.5));
    const half = Math.round(sizes.heldOutImages / 2);
    return {
      site,
      training: { NORMAL: sizes.trainingImages - pneumonia, PNEUMONIA: pneumonia },
      heldOut: { NORMAL: half, PNEUMONIA: half },
    };
  });
}

/** Leave out the held-out images beyond those that an agent reports on. */
function reported(images: readonly SharedImage[]): SharedImage[] {
  const counts = new Map<string, number>();
  return images.filter(({ site, split, folder }) => {
    if (split === 'train') return true;
    const key = `${site}/${folder}`;
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    return count <= reportedPerClass;
  });
}

/** Lay out the hospitals' images, all of them at the fourth site, and the union of the held-out for the table. */
async function layOut(
  collection: Collection,
  directory: string,
  seed: number,
): Promise<{ readonly folders: ReadonlyMap<string, AgentTask>; readonly union: AgentTask }> {
  const shared = await shareImages({ ...collection, seed: `first-round/${seed}` });
  const parts = new Map([
    ...hospitals.map((site): [string, SharedImage[]] => [
      site,
      shared.filter((image) => image.site === site),
    ]),
    [pooledSite, shared],
  ]);
  const folders = new Map<string, AgentTask>();
  const write = async (name: string, images: readonly SharedImage[]): Promise<AgentTask> => ({
    ...(await writeSiteFolder({ from: collection.directory, to: join(directory, name), images })),
    classFolders: collection.classFolders,
  });
  for (const [site, images] of parts) folders.set(site, await write(site, reported(images)));
  const union = await write(
    unionFolder,
    shared.filter(({ split }) => split === 'held-out'),
  );
  return { folders, union };
}

const manifestSchema = z.array(z.object({ path: z.string(), split: z.string() }));

/** The held-out images of a site's manifest, decoded as an agent decodes them. */
async function heldOutImages(
  { images, manifest = '' }: AgentTask,
  collection: Collection,
  preprocessing: Preprocessing,
): Promise<LabelledImages> {
  const rows = manifestSchema
    .parse(parse(await readFile(manifest, 'utf8'), { columns: true }))
    .filter(({ split }) => split === 'held-out');
  const labelOf = (path: string): number =>
    collection.classes.indexOf(collection.classFolders[path.split('/')[0] ?? ''] ?? '');
  return {
    count: rows.length,
    labels: rows.map(({ path }) => labelOf(path)),
    load: async (index) => {
      const file = join(images, rows[index]?.path ?? '');
      return normaliseImage(await decodeImage(file, preprocessing), preprocessing);
    },
  };
}

/** Compare shares (N,2) with labels: class 1 is pneumonia. */
function figuresOf(shares: Float32Array, labels: readonly number[]): Figures {
  const scores = labels.map((_label, at) => shares[2 * at + 1] ?? 0);
  const correct = labels.map((label, at) => ((scores[at] ?? 0) > 0.5 ? 1 : 0) === label);
  const recall = (label: number): number => {
    const of = correct.filter((_is, at) => labels[at] === label);
    return of.filter(Boolean).length / of.length;
  };
  const auc = exactAuc(
    scores,
    labels.map((label) => label === 1),
  );
  return {
    auc: auc ?? Number.NaN,
    accuracy: correct.filter(Boolean).length / correct.length,
    balancedAccuracy: (recall(0) + recall(1)) / 2,
  };
}

/** Measure downloaded adapters on the same images in this process. */
async function measure(options: {
  readonly adapters: ReadonlyMap<string, Uint8Array>;
  readonly images: LabelledImages;
  readonly collection: Collection;
  readonly cacheDirectory: string;
}): Promise<Map<string, Figures>> {
  const { images, collection, cacheDirectory } = options;
  const engine = await createEngine({ engine: 'onnx', cacheDirectory });
  const backbone = await loadBackbone(collection.backbone.directory);
  const figures = new Map<string, Figures>();
  const first = [...options.adapters.values()][0];
  if (first === undefined) return figures;
  const specification: AdapterSpecification = decodeAdapterFile(first).specification;
  const model = await engine.load(backbone, specification);
  try {
    for (const [task, bytes] of options.adapters) {
      const { values } = decodeAdapterFile(bytes);
      const shares = await predictShares({ model, images, adapter: values, classes: 2 });
      figures.set(task, figuresOf(shares, Array.from(images.labels)));
    }
  } finally {
    await model.dispose();
    await backbone.close();
  }
  return figures;
}

/** Start the coordinator and four agents, each knowing its own tasks alone. */
async function startFederation(
  directory: string,
  collection: Collection,
  folders: ReadonlyMap<string, AgentTask>,
): Promise<Federation> {
  const federation = new Federation(directory);
  await federation.startCoordinator();
  for (const [site, folder] of folders) {
    await federation.enroll(site, {
      backbone: collection.backbone.directory,
      tasks: Object.fromEntries(tasksOf(site).map((task) => [task, folder])),
      threads: site === pooledSite ? 2 : 1,
      isMeasured: true,
    });
    federation.startAgent(site);
  }
  return federation;
}

/** One seed's figures by task, and the wall seconds of the federated one. */
interface SeedResult {
  readonly figures: ReadonlyMap<string, Figures>;
  readonly seconds: number;
}

/** Train every task of one seed, the federated one first and alone on the machine. */
async function trainSeed(
  federation: Federation,
  collection: Collection,
  options: {
    readonly seed: number;
    readonly sizes: FirstRoundSizes;
    readonly onDone: (what: string) => void;
  },
): Promise<number> {
  const { seed, sizes, onDone } = options;
  const train = async (
    tasks: readonly { task: string; members: readonly string[]; head?: true }[],
  ): Promise<number> => {
    const startedAtMs = Date.now();
    for (const { task, members, head } of tasks) {
      const overrides = head === undefined ? {} : { trainedTensors: 'head' as const };
      await federation.createTask(
        collectionTask(collection, {
          task,
          members,
          rounds: sizes.rounds,
          seed,
          overrides,
          learningRate,
          batchSize,
        }),
      );
    }
    for (const { task } of tasks) await federation.waitForVersion(task, sizes.rounds, 3_600_000);
    const seconds = (Date.now() - startedAtMs) / 1000;
    for (const { task, members } of tasks)
      await federation.waitForEvaluations(task, sizes.rounds, members.length, 3_600_000);
    onDone(tasks.map(({ task }) => task).join(', '));
    return seconds;
  };
  const seconds = await train([{ task: 'federated', members: hospitals }]);
  await train(hospitals.map((site) => ({ task: localTask(site), members: [site] })));
  await train([{ task: probeTask, members: hospitals, head: true }]);
  await train([{ task: 'pooled', members: [pooledSite] }]);
  return seconds;
}

/** Lay out, train and measure one seed. */
async function runSeed(options: {
  readonly collection: Collection;
  readonly directory: string;
  readonly seed: number;
  readonly sizes: FirstRoundSizes;
  readonly onDone: (what: string) => void;
}): Promise<SeedResult> {
  const { collection, directory, seed, onDone } = options;
  const { folders, union } = await layOut(collection, join(directory, 'images'), seed);
  const federation = await startFederation(join(directory, 'federation'), collection, folders);
  const seconds = await trainSeed(federation, collection, options);
  const adapters = new Map<string, Uint8Array>();
  for (const task of ['federated', ...hospitals.map(localTask), probeTask, 'pooled'])
    adapters.set(task, await federation.download(task, options.sizes.rounds));
  await federation.stop();
  const task = collectionTask(collection, { task: 'any', members: hospitals, rounds: 1 });
  const preprocessing = preprocessingSchema.parse(task.preprocessing);
  const images = await heldOutImages(union, collection, preprocessing);
  const cacheDirectory = join(directory, 'engine');
  const figures = await measure({ adapters, images, collection, cacheDirectory });
  onDone('measured');
  return { figures, seconds };
}

const figureNames = {
  AUC: 'auc',
  accuracy: 'accuracy',
  'balanced accuracy': 'balancedAccuracy',
} as const satisfies Record<string, keyof Figures>;

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** The row's numbers: three local columns, their mean, the probe, pooled, federated, seconds. */
function numbersOf({ figures, seconds }: SeedResult, figure: keyof Figures): number[] {
  const value = (task: string): number => figures.get(task)?.[figure] ?? Number.NaN;
  const locals = hospitals.map((site) => value(localTask(site)));
  return [...locals, mean(locals), value(probeTask), value('pooled'), value('federated'), seconds];
}

function rowsOf(results: ReadonlyMap<number, SeedResult>): (string | number)[][] {
  const format = (numbers: readonly number[]): string[] =>
    numbers.map((value, at) => value.toFixed(at === numbers.length - 1 ? 0 : 4));
  return Object.entries(figureNames).flatMap(([name, figure]) => {
    const rows = [...results].map(([seed, result]) => ({ seed, row: numbersOf(result, figure) }));
    const means = (rows[0]?.row ?? []).map((_value, at) =>
      mean(rows.map(({ row }) => row[at] ?? 0)),
    );
    return [
      ...rows.map(({ seed, row }) => [name, seed, ...format(row)]),
      [name, 'mean', ...format(means)],
    ];
  });
}

/** Measure with other sizes than the table's, e.g. to try the whole in a minute. */
export async function runFirstRound(
  context: ResultsContext,
  sizes: FirstRoundSizes,
): Promise<ResultsTable> {
  const collection = await chestXrayCollection(context.sharedDirectory, sharesOf(sizes));
  const results = new Map<number, SeedResult>();
  const startedAtMs = Date.now();
  const stepsEach = 5;
  let stepsDone = 0;
  for (const seed of context.seeds) {
    const directory = join(context.workDirectory, `seed-${seed}`);
    const onDone = (what: string): void => {
      stepsDone += 1;
      const share = stepsDone / (stepsEach * context.seeds.length);
      const left = remainingText(startedAtMs, Date.now(), share);
      context.progress(`seed ${seed}: ${what}; ${left}`);
    };
    results.set(seed, await runSeed({ collection, directory, seed, sizes, onDone }));
  }
  const seeds = context.seeds.join(',');
  return {
    title: 'The first rounds: chest X-rays at three hospitals',
    command: `npm run results -- first-round --seeds ${seeds}`,
    columns: [
      'figure',
      'seed',
      'local 1',
      'local 2',
      'local 3',
      'local-only, mean',
      'head-only',
    ].concat(['pooled', 'federated', 'federated, wall seconds']),
    rows: rowsOf(results),
    notes: notesOf(sizes),
  };
}

function notesOf(sizes: FirstRoundSizes): string[] {
  const { trainingImages, heldOutImages: heldOut, rounds } = sizes;
  const percent = pneumoniaShares.map((share) => `${Math.round(100 * share)} %`).join(', ');
  return [
    `ViT-Tiny (ImageNet), MeLo at rank 4 on q and v and a head of two classes. Three hospitals of ${trainingImages} training ` +
      `images each, ${percent} of them pneumonia, and ${heldOut} held-out images each, half of them pneumonia; no patient ` +
      `stands in two splits or at two hospitals. ${rounds} rounds of one local epoch, batches of ${batchSize}, AdamW ` +
      `${learningRate} with a cosine over the rounds, weights by samples. Every column is a task of a real federation (a ` +
      'coordinator, agents, trainers, each a process); all are measured on the same images, the union of the held-out.',
    'local-only: one member, the same number of epochs. pooled: one member with all images. head-only: a linear probe trained ' +
      "by federation. AUC is exact, of pneumonia. Wall seconds: from the task's creation to its last version, the three " +
      `trainers with one thread each; agents report on ${2 * reportedPerClass} of their held-out images after every round.`,
  ];
}

/** Make the table. */
export function run(context: ResultsContext): Promise<ResultsTable> {
  return runFirstRound(context, sizesOfTable);
}
