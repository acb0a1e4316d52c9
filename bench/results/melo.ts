/**
 * What MeLo is for: as good as training every weight, at a fraction of the numbers, of the file and of the time to switch.
 *
 * Full fine-tuning (PyTorch), the head alone and MeLo (our engine), with one budget, on the same pixels. Of each way's two learning
 * rates the better one on validation images of the first seed is taken for all seeds; the table measures other images.
 *
 * @see Zhu et al. 2023, MeLo, https://arxiv.org/abs/2311.08236
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createEngine, loadBackbone } from '#core/engine';
import { exactAuc } from '#core/evaluation';
import { preprocessingSchema } from '#core/protocol';
import { describeBackbone } from '../../test/support/collections.ts';
import { taskDefinition } from '../../test/support/small-federation.ts';
import { imageSets, splitImages, type DecodedImages, type ImageSet } from './melo-images.ts';
import {
  budget,
  learn,
  methodNames,
  methods,
  type Bench,
  type Method,
  type Outcome,
} from './melo-methods.ts';
import { remainingText, type ResultsContext, type ResultsTable } from './table.ts';

/** Area under the curve (the mean of one class against the others where there are three) and accuracy. */
export interface MeloFigures {
  readonly auc: number;
  readonly accuracy: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Compare shares (N,C) with labels. */
export function figuresOf(shares: Float32Array, labels: readonly number[]): MeloFigures {
  const classes = shares.length / labels.length;
  const column = (c: number): number[] => labels.map((_label, at) => shares[at * classes + c] ?? 0);
  const aucOf = (c: number): number =>
    exactAuc(
      column(c),
      labels.map((label) => label === c),
    ) ?? Number.NaN;
  const isRight = labels.map((label, at) => {
    const row = shares.subarray(at * classes, (at + 1) * classes);
    return row.indexOf(Math.max(...row)) === label;
  });
  const of = classes === 2 ? [1] : Array.from({ length: classes }, (_, c) => c);
  return { auc: mean(of.map(aucOf)), accuracy: isRight.filter(Boolean).length / labels.length };
}

/** One way on one image set: its rate and what each seed gave. */
interface MethodResult {
  readonly learningRate: number;
  readonly outcomes: readonly Outcome[];
  readonly figures: readonly MeloFigures[];
}

interface Progress {
  /** One training is done. */
  readonly step: (what: string) => void;
}

/** Take the rate with the larger AUC on validation images. */
async function searchRate(
  bench: Bench,
  method: Method,
  images: { readonly training: DecodedImages; readonly validation: DecodedImages },
  { seed, progress }: { readonly seed: number; readonly progress: Progress },
): Promise<number> {
  let best = { rate: Number.NaN, auc: -1 };
  for (const rate of methods[method]) {
    const { training, validation: measured } = images;
    const { shares } = await learn(bench, method, { learningRate: rate, seed, training, measured });
    const { auc } = figuresOf(shares, measured.labels);
    if (auc > best.auc) best = { rate, auc };
    progress.step(`${method}, rate ${rate}: AUC ${auc.toFixed(4)} on validation`);
  }
  return best.rate;
}

async function runSet(
  bench: Bench,
  set: ImageSet,
  seeds: readonly number[],
  progress: Progress,
): Promise<Map<Method, MethodResult>> {
  const { mean: means, std } = bench.description.configuration;
  const { classes, description } = bench;
  const names = { task: 'melo', backbone: description.reference, mean: means, std, classes };
  const { preprocessing } = taskDefinition({ ...names, members: ['a', 'b'], rounds: 1 });
  const parsed = preprocessingSchema.parse(preprocessing);
  const results = new Map<
    Method,
    { learningRate: number; outcomes: Outcome[]; figures: MeloFigures[] }
  >();
  for (const [at, seed] of seeds.entries()) {
    const { training, validation, heldOut } = await splitImages(set, seed, parsed);
    for (const method of methodNames) {
      const learningRate =
        results.get(method)?.learningRate ??
        (await searchRate(bench, method, { training, validation }, { seed, progress }));
      const run = { learningRate, seed, training, measured: heldOut };
      const outcome = await learn(bench, method, run);
      const figures = figuresOf(outcome.shares, heldOut.labels);
      const result = results.get(method) ?? { learningRate, outcomes: [], figures: [] };
      result.outcomes.push(outcome);
      result.figures.push(figures);
      results.set(method, result);
      progress.step(
        `${set.name}, seed ${at + 1} of ${seeds.length}, ${method}: AUC ${figures.auc.toFixed(4)}, ` +
          `accuracy ${figures.accuracy.toFixed(4)}`,
      );
    }
  }
  return results;
}

/** Mean and, in brackets, the smallest and the largest. */
function spread(values: readonly number[], digits: number): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const text = mean(values).toFixed(digits);
  return values.length === 1 ? text : `${text} (${low.toFixed(digits)} to ${high.toFixed(digits)})`;
}

function rowsOf(set: ImageSet, results: ReadonlyMap<Method, MethodResult>): (string | number)[][] {
  return [...results].map(([method, { learningRate, outcomes, figures }]) => [
    ...[set.name, method, learningRate],
    ...[outcomes[0]?.parameters ?? 0, outcomes[0]?.fileBytes ?? 0],
    mean(outcomes.map(({ switchMs }) => switchMs)).toFixed(1),
    mean(outcomes.map(({ seconds }) => seconds)).toFixed(0),
    spread(
      figures.map(({ auc }) => auc),
      4,
    ),
    spread(
      figures.map(({ accuracy }) => accuracy),
      4,
    ),
  ]);
}

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

function notesOf(sets: readonly ImageSet[]): string[] {
  const sizes = sets.map(
    ({ name, training, validation, heldOut, splitBy }) =>
      `${name}: ${total(training)} training, ${total(validation)} validation and ${total(heldOut)} held-out images, split by ${splitBy}`,
  );
  const searched = methodNames.map((name) => `${name} ${methods[name].join(' and ')}`);
  return [
    `ViT-Tiny (ImageNet). ${sizes.join('; ')}. One budget for all: ${budget.epochs} epochs, batches of ${budget.batch}, AdamW with a ` +
      `cosine, weight decay 1e-4, no augmentation, heads that start at zero, ${budget.threads} threads, and two learning rates searched on the first seed's ` +
      `validation images (${searched.join('; ')}). MeLo has rank ${budget.rank} at q and v of every block.`,
    'AUC and accuracy: mean over the seeds (smallest to largest) on the held-out images; AUC is exact, of pneumonia, and for ultrasound the mean of each ' +
      'class against the others. Parameters are those that are trained. Bytes are of the file that a task is kept as; head-only is kept as an adapter whose B is zero. ' +
      'Switch: from that file to a model that is ready, without a forward pass: PyTorch reads a whole model into one in memory, ours reads and checks an adapter.',
  ];
}

/** Make the table with a share of its own sizes, e.g. to try the whole in a minute. */
export async function runMelo(context: ResultsContext, share: number): Promise<ResultsTable> {
  const { sharedDirectory, workDirectory, seeds } = context;
  const sets = await imageSets(sharedDirectory, share);
  const description = await describeBackbone(
    join(sharedDirectory, 'backbones', 'vit_tiny_patch16_224'),
  );
  const { threads } = budget;
  const engine = await createEngine({
    ...{ engine: 'onnx', threads, cacheDirectory: join(workDirectory, 'engine') },
  });
  const backbone = await loadBackbone(description.directory);
  const steps = sets.length * (seeds.length * methodNames.length + 2 * methodNames.length);
  const startedAtMs = Date.now();
  let done = 0;
  const step = (what: string): void => {
    done += 1;
    context.progress(`${what}; ${remainingText(startedAtMs, Date.now(), done / steps)}`);
  };
  const rows: (string | number)[][] = [];
  try {
    for (const set of sets) {
      const directory = join(workDirectory, set.folders.join('-'));
      await mkdir(directory, { recursive: true });
      const classes = set.folders.map((folder) => folder.toLowerCase());
      const bench = { engine, backbone, description, classes, directory };
      rows.push(...rowsOf(set, await runSet(bench, set, seeds, { step })));
    }
  } finally {
    await backbone.close();
  }
  return {
    title: 'MeLo beside full fine-tuning and the head alone',
    command: `npm run results -- melo --seeds ${seeds.join(',')}`,
    columns: [
      'images',
      'method',
      'learning rate',
      'parameters',
      'file, bytes',
      'switch, ms',
    ].concat(['training, s', 'AUC', 'accuracy']),
    rows,
    notes: notesOf(sets),
  };
}

/** Make the table of docs/results.md. */
export function run(context: ResultsContext): Promise<ResultsTable> {
  return runMelo(context, 1);
}
