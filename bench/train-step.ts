/**
 * `npm run bench -- train-step --backbone vit_base [--peer torch-peft] [--pairs 5] [--batch 8] [--threads 2] [--alone] [--profile] [--json]`: milliseconds an
 * image of a MeLo step (forward, loss, backward, AdamW) at real shapes with random weights, beside PyTorch with PEFT.
 *
 * Every side is a process of its own that lives through all pairs and is idle while another computes; in each pair they take
 * their steps one after the other, so that other work on the machine meets all of them.
 */
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { loadBackbone } from '#core/engine';
import { profileSteps } from '#core/engine/onnx';
import { makeWorkDirectory } from '../test/support/package-root.ts';
import { median } from './round/median.ts';
import { backboneOption, readCommandLine } from './support/command-line.ts';
import { fastestPeer, ourFigures, peerFigures, type Pair } from './train-step/figures.ts';
import { stepFlops } from './train-step/flops.ts';
import {
  productsSchema,
  type Ready,
  type Shape,
  type SideOptions,
  type Turn,
} from './train-step/messages.ts';
import { bestRate, productChains, type ProductChain } from './train-step/products.ts';
import { writeRandomBackbone } from './train-step/random-weights.ts';
import { shapeOf } from './train-step/shapes.ts';
import { Side, SideError, startOwnSide, startPeerSide, type PeerMode } from './train-step/side.ts';

const rank = 4;
const classes = 2;
/** How often a turn runs each chain of products. */
const productRepeats = 3;
/** A side's turn should last so long at least: a single step of ViT-Ti is too short to be timed well. */
const turnSeconds = 1.5;
const stepsMax = 50;
const profiledSteps = 5;
const timeoutMs = 600_000;
/** torch.compile may take this long for its first step. */
const compileTimeoutMs = 300_000;
const peerModes: readonly PeerMode[] = ['eager', 'compile'];

const count = (maximum: number) => z.coerce.number().int().min(1).max(maximum);
const command = {
  name: 'train-step',
  about: `Milliseconds an image of a MeLo step (forward, loss, backward, AdamW) takes, alone or beside PyTorch with PEFT in the same
run. Shapes are real, weights random. Progress goes to standard error.`,
  options: z.strictObject({
    backbone: backboneOption.default('vit_tiny').describe('size of the backbone'),
    peer: z.literal('torch-peft').optional().describe('torch-peft: PyTorch with PEFT beside ours'),
    pairs: count(100).default(5).describe('how often the sides take turns'),
    batch: count(256).default(8).describe('images a step'),
    threads: count(256).default(2).describe('computing threads of either side'),
    alone: z.boolean().default(false).describe('our engine as on a machine that does nothing else'),
    profile: z.boolean().default(false).describe('where the time of our step goes, instead'),
    json: z.boolean().default(false).describe('the figures as one line of JSON'),
  }),
};
type Options = z.infer<typeof command.options>;

const say = (text: string): void => void process.stderr.write(`train-step: ${text}\n`);
const round4 = (value: number): number => Math.round(value * 10_000) / 10_000;

function peerInterpreter(): string {
  const interpreter = process.env['MELO_PYTHON'];
  if (interpreter !== undefined) return interpreter;
  throw new Error('MELO_PYTHON: expected a Python with PyTorch, transformers and PEFT');
}

/** Seconds of a side's first step; a side whose first step is too late is left out. */
async function warmUp(side: Side, limitMs: number): Promise<number | undefined> {
  try {
    const turn = await side.steps(1, limitMs);
    const seconds = turn.wallSeconds[0] ?? Number.NaN;
    say(`${side.name}: first step ${seconds.toFixed(1)} s`);
    return seconds;
  } catch (error) {
    if (!(error instanceof SideError)) throw error;
    say(`${error.message}; it is left out`);
    await side.stop();
    return undefined;
  }
}

interface Started {
  readonly ours: Side;
  readonly products: Side;
  readonly peers: Map<PeerMode, Side>;
  readonly ready: Ready;
  readonly firstStepSeconds: number;
  /** What PyTorch is, and seconds of its first step by mode. */
  readonly peerReady: Ready | undefined;
  readonly peerFirstSeconds: Readonly<Record<string, number>>;
}

/** Start the sides one after the other, so that none disturbs another's first step. */
async function start(options: Options, side: SideOptions, all: Side[]): Promise<Started> {
  const own = (program: 'our-side' | 'products-side'): Side => {
    const started = startOwnSide(program, side);
    all.push(started);
    return started;
  };
  const ours = own('our-side');
  const ready = await ours.ready(timeoutMs);
  const firstStepSeconds = (await warmUp(ours, timeoutMs)) ?? Number.NaN;
  const products = own('products-side');
  await products.ready(timeoutMs);
  await products.steps(productChains(side.shape, side.batch).length, timeoutMs);
  const peers = new Map<PeerMode, Side>();
  const peerFirstSeconds: Record<string, number> = {};
  let peerReady: Ready | undefined;
  for (const mode of options.peer === undefined ? [] : peerModes) {
    const peer = startPeerSide(peerInterpreter(), mode, side);
    all.push(peer);
    peerReady = await peer.ready(timeoutMs);
    const seconds = await warmUp(peer, mode === 'compile' ? compileTimeoutMs : timeoutMs);
    if (seconds === undefined) continue;
    peerFirstSeconds[mode] = round4(seconds);
    peers.set(mode, peer);
  }
  return { ours, products, peers, ready, firstStepSeconds, peerReady, peerFirstSeconds };
}

/** Best rate of products, ours and PyTorch's: operations a second. */
async function measureProducts(
  chains: readonly ProductChain[],
  { products, peers }: Started,
): Promise<number> {
  const { wallSeconds } = await products.steps(productRepeats * chains.length, timeoutMs);
  const rates = [bestRate(wallSeconds, chains)];
  const peer = peers.get('eager'); // both ways multiply with the same library
  if (peer !== undefined) {
    const answer = await peer.ask({ chains, repeats: productRepeats }, timeoutMs);
    rates.push(productsSchema.parse(answer).flopsPerSecond);
  }
  return Math.max(...rates);
}

async function measurePairs(options: Options, started: Started): Promise<Pair[]> {
  const { ours, peers } = started;
  const chains = productChains(shapeOf(options.backbone), options.batch);
  const probe = await ours.steps(2, timeoutMs);
  const steps = Math.min(stepsMax, Math.ceil(turnSeconds / Math.min(...probe.wallSeconds)));
  const startMs = performance.now();
  const pairs: Pair[] = [];
  for (let at = 0; at < options.pairs; at++) {
    const turns = new Map<string, Turn>();
    const sides = [...peers, ['ours', ours] as const];
    // Who comes first alternates: what one side leaves in the caches meets each of them.
    for (const [name, side] of at % 2 === 0 ? sides : sides.toReversed()) {
      turns.set(name, await side.steps(steps, timeoutMs));
    }
    const productRate = await measureProducts(chains, started);
    const ourTurn = turns.get('ours');
    if (ourTurn !== undefined) pairs.push({ ours: ourTurn, productRate, peers: turns });
    const leftSeconds =
      ((performance.now() - startMs) / 1000 / (at + 1)) * (options.pairs - at - 1);
    say(
      `pair ${at + 1} of ${options.pairs}, ${steps} steps each: ` +
        [...turns].map(([name, turn]) => `${name} ${msText(turn, options)}`).join(', ') +
        `; ${leftSeconds.toFixed(0)} s left`,
    );
  }
  return pairs;
}

const msText = ({ wallSeconds }: Turn, { batch }: Options): string =>
  `${((1000 * median(wallSeconds)) / batch).toFixed(1)} ms an image`;

function figuresOf(options: Options, shape: Shape, started: Started, pairs: readonly Pair[]) {
  const { batch, threads, alone, backbone } = options;
  const ours = ourFigures(pairs, shape, batch);
  const peers = [...started.peers.keys()].map((mode) => peerFigures(pairs, mode, batch));
  const best = fastestPeer(peers);
  if (ours.gemmShareFault !== undefined) say(`gemmShare: ${ours.gemmShareFault}`);
  const rounded = (figures: object): object =>
    Object.fromEntries(
      Object.entries(figures).map(([key, value]) => [
        key,
        typeof value === 'number' ? round4(value) : value,
      ]),
    );
  return {
    bench: 'train-step',
    ...{ backbone, batch, threads, alone, rank, pairs: pairs.length },
    ...rounded(ours),
    gigaflopPerImage: round4(stepFlops(shape) / 1e9),
    library: started.ready.library,
    startSeconds: round4(started.ready.startSeconds),
    firstStepSeconds: round4(started.firstStepSeconds),
    ...(best === undefined
      ? {}
      : {
          ...{ ratio: round4(best.ratio), processorRatio: round4(best.processorRatio) },
          memoryRatio: round4(best.memoryRatio),
          fastestPeer: best.mode,
          peers: peers.map(rounded),
          peerLibrary: started.peerReady?.library,
          peerFirstSeconds: started.peerFirstSeconds,
        }),
    loadAverage: round4(loadavg()[0] ?? Number.NaN),
  };
}

async function main(): Promise<void> {
  const options = readCommandLine(command);
  const shape = shapeOf(options.backbone);
  const work = await makeWorkDirectory('bench-train-step');
  const all: Side[] = [];
  try {
    const directory = join(work.path, 'backbone');
    await writeRandomBackbone(directory, shape);
    const { batch, threads, alone: isAlone } = options;
    const cacheDirectory = join(work.path, 'cache');
    const side = {
      shape,
      backbone: directory,
      cacheDirectory,
      rank,
      classes,
      batch,
      threads,
      isAlone,
    };
    if (options.profile) {
      const loaded = await loadBackbone(directory);
      const profile = await profileSteps({
        ...{
          backbone: loaded,
          rank,
          batch,
          threads,
          isAlone,
          steps: profiledSteps,
          directory: work.path,
        },
      });
      await loaded.close();
      const about = { backbone: options.backbone, batch, threads, alone: isAlone };
      const figures = { bench: 'train-step', ...about, profile };
      process.stdout.write(`${JSON.stringify(figures, null, options.json ? 0 : 2)}\n`);
      return;
    }
    const started = await start(options, side, all);
    const pairs = await measurePairs(options, started);
    const figures = figuresOf(options, shape, started, pairs);
    if (options.json) process.stdout.write(`${JSON.stringify(figures)}\n`);
    else process.stdout.write(`${JSON.stringify(figures, null, 2)}\n`);
  } finally {
    for (const side of all) await side.stop();
    await work.remove();
  }
}

await main();
