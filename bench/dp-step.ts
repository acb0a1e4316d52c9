/**
 * `npm run bench -- dp-step [--backbone vit_tiny] [--pairs 5] [--batch 8] [--threads 2] [--json]`: what bounding each image's own
 * gradient costs: `ratio` is the time of such a step over that of a plain one, at real shapes with random weights.
 *
 * Both run in one process on one model, in turn, so that other work on the machine meets both. A step with differential
 * privacy adds noise as well, once a step whatever the batch; that is not measured here.
 */
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { adapterSpecification, initialAdapter } from '#core/adapter';
import { createEngine, loadBackbone, type Batch, type EngineModel } from '#core/engine';
import { seededRng } from '#core/rng';
import { makeWorkDirectory } from '../test/support/package-root.ts';
import { median } from './round/median.ts';
import { backboneOption, readCommandLine } from './support/command-line.ts';
import { writeRandomBackbone } from './train-step/random-weights.ts';
import { shapeOf } from './train-step/shapes.ts';

const rank = 4;
const classes = ['negative', 'positive'];
const clipNorm = 1;
/** A turn should last so long at least: a single step of ViT-Ti is too short to be timed well. */
const turnSeconds = 1;
const stepsMax = 20;

const count = (maximum: number) => z.coerce.number().int().min(1).max(maximum);
const command = {
  name: 'dp-step',
  about: `What bounding the gradient of every image costs: the time of such a step over that of a plain one, in turn in one process.
Shapes are real, weights random. Progress goes to standard error.`,
  options: z.strictObject({
    backbone: backboneOption.default('vit_tiny').describe('size of the backbone'),
    pairs: count(100).default(5).describe('how often the two steps take turns'),
    batch: count(256).default(8).describe('images a step'),
    threads: count(256).default(2).describe('computing threads'),
    json: z.boolean().default(false).describe('the figures as one line of JSON'),
  }),
};
type Options = z.infer<typeof command.options>;

const say = (text: string): void => void process.stderr.write(`dp-step: ${text}\n`);
const round4 = (value: number): number => Math.round(value * 10_000) / 10_000;

/** Seconds of one step: by the clock, and of all processors. */
interface Turn {
  readonly wall: number;
  readonly cpu: number;
}

async function time(steps: number, step: () => Promise<unknown>): Promise<Turn> {
  const before = process.cpuUsage();
  const startMs = performance.now();
  for (let at = 0; at < steps; at++) await step();
  const wall = (performance.now() - startMs) / 1000 / steps;
  const { user, system } = process.cpuUsage(before);
  return { wall, cpu: (user + system) / 1e6 / steps };
}

interface Pair {
  readonly plain: Turn;
  readonly bounded: Turn;
}

/** Normal pixels, and classes in turn. */
function makeBatch(size: number, imageSize: number): Batch {
  const rng = seededRng('dp-step');
  const images = new Float32Array(size * 3 * imageSize ** 2).map(() => rng.nextNormal());
  const targets = new Float32Array(size * classes.length);
  for (let b = 0; b < size; b++) targets[b * classes.length + (b % classes.length)] = 1;
  return { count: size, images, targets };
}

async function measure(
  model: EngineModel,
  batch: Batch,
  adapter: Float32Array,
  { pairs }: Options,
): Promise<Pair[]> {
  const plain = (): Promise<unknown> => model.step(batch, adapter, 'all');
  const bounded = (): Promise<unknown> =>
    model.perExampleStep(batch, adapter, { part: 'all', clipNorm });
  await time(1, plain); // makes the sessions
  await time(1, bounded);
  const probe = await time(2, plain);
  const steps = Math.min(stepsMax, Math.ceil(turnSeconds / probe.wall));
  const measured: Pair[] = [];
  for (let at = 0; at < pairs; at++) {
    // Which comes first alternates: what one leaves in the caches meets the other.
    const first = at % 2 === 0 ? await time(steps, plain) : await time(steps, bounded);
    const second = at % 2 === 0 ? await time(steps, bounded) : await time(steps, plain);
    const pair =
      at % 2 === 0 ? { plain: first, bounded: second } : { plain: second, bounded: first };
    measured.push(pair);
    const ratio = pair.bounded.wall / pair.plain.wall;
    say(`pair ${at + 1} of ${pairs}, ${steps} steps each: ratio ${ratio.toFixed(3)}`);
  }
  return measured;
}

function figures(pairs: readonly Pair[], options: Options): object {
  const { backbone, batch, threads } = options;
  const msPerImage = (seconds: readonly number[]): number =>
    round4((1000 * median(seconds)) / batch);
  return {
    backbone,
    batch,
    threads,
    rank,
    pairs: pairs.length,
    ratio: round4(median(pairs.map(({ plain, bounded }) => bounded.wall / plain.wall))),
    cpuRatio: round4(median(pairs.map(({ plain, bounded }) => bounded.cpu / plain.cpu))),
    plainMsPerImage: msPerImage(pairs.map(({ plain }) => plain.wall)),
    boundedMsPerImage: msPerImage(pairs.map(({ bounded }) => bounded.wall)),
    plainCpuMsPerImage: msPerImage(pairs.map(({ plain }) => plain.cpu)),
    boundedCpuMsPerImage: msPerImage(pairs.map(({ bounded }) => bounded.cpu)),
    load: loadavg().map(round4),
  };
}

async function main(): Promise<void> {
  const options = readCommandLine(command);
  const work = await makeWorkDirectory('bench-dp-step');
  try {
    const shape = shapeOf(options.backbone);
    const directory = join(work.path, 'backbone');
    say(`${shape.name}: writing random weights`);
    await writeRandomBackbone(directory, shape);
    const { threads } = options;
    const cacheDirectory = join(work.path, 'cache');
    const engine = await createEngine({ engine: 'onnx', device: 'cpu', threads, cacheDirectory });
    const backbone = await loadBackbone(directory);
    const { dimension, blocks } = shape;
    const specification = adapterSpecification({ rank, alpha: rank, classes, dimension, blocks });
    const model = await engine.load(backbone, specification);
    const batch = makeBatch(options.batch, shape.imageSize);
    const adapter = initialAdapter(specification, '00'.repeat(32));
    const result = figures(await measure(model, batch, adapter, options), options);
    await model.dispose();
    await backbone.close();
    process.stdout.write(`${JSON.stringify(result, null, options.json ? 0 : 2)}\n`);
  } finally {
    await work.remove();
  }
}

await main();
