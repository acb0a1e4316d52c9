/**
 * `npm run bench -- switch --tasks 200 [--backbone vit_base] [--threads 2] --json`: milliseconds to switch to another task's adapter on one
 * loaded backbone, from its file (cold) and in memory (warm), beside PEFT in the same run.
 *
 * Switching ends where the adapter is ready to be fed: ours is read, its digest and every number checked; PEFT's is loaded and set.
 * No forward pass is in it; `answer` times a warm switch with one forward pass at batch 1. Real shapes, random weights. Every file
 * is new, was just written and is read once by its side, so both read from the page cache. The sides take turns of some tasks
 * each, and one is idle while the other works.
 */
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { makeWorkDirectory } from '../test/support/package-root.ts';
import { median, quantile } from './round/median.ts';
import { backboneOption, readCommandLine } from './support/command-line.ts';
import { OwnSide, PeftSide, rank, type SwitchOrder } from './switch/sides.ts';
import { shapeOf } from './train-step/shapes.ts';

/** Tasks of one turn. */
const turnTasks = 10;
const answersMax = 20;

const count = (minimum: number, maximum: number) =>
  z.coerce.number().int().min(minimum).max(maximum);
const command = {
  name: 'switch',
  about: `Milliseconds to switch to another task's adapter on one loaded backbone, from its file (cold) and in memory (warm),
beside PEFT in the same run. Shapes are real, weights random. Progress goes to standard error.`,
  options: z.strictObject({
    tasks: count(4, 2000).default(200).describe('how many adapters are switched between'),
    backbone: backboneOption.default('vit_base').describe('size of the backbone'),
    threads: count(1, 256).default(2).describe('computing threads of either side'),
    json: z.boolean().default(false).describe('the figures as one line of JSON'),
  }),
};
type Options = z.infer<typeof command.options>;

const say = (text: string): void => void process.stderr.write(`switch: ${text}\n`);
const round4 = (value: number): number => Math.round(value * 10_000) / 10_000;

/** What one order took on both sides, a number a task. */
interface Timed {
  readonly ours: number[];
  readonly peft: number[];
  /** PEFT's with `low_cpu_mem_usage`, every other turn; empty for other orders than `cold`. */
  readonly peftLowMemory: number[];
  /** How much resident memory grew over the order, bytes a task. */
  readonly oursBytes: number;
  readonly peftBytes: number;
}

/** Give an order for all tasks in turns, ours and PEFT's alternately; who begins alternates too. */
async function take(
  order: SwitchOrder,
  sides: { readonly ours: OwnSide; readonly peft: PeftSide },
  tasks: readonly number[],
): Promise<Timed> {
  const { ours, peft } = sides;
  const timed: Record<'ours' | 'peft' | 'peftLowMemory', number[]> = {
    ours: [],
    peft: [],
    peftLowMemory: [],
  };
  const none = { ours: await ours.ask(order, []), peft: await peft.ask(order, [], false) };
  let last = none;
  const startMs = performance.now();
  for (let at = 0; at < tasks.length; at += turnTasks) {
    const some = tasks.slice(at, at + turnTasks);
    const turn = at / turnTasks;
    const isLowMemory = order === 'cold' && turn % 2 === 1;
    const ask = {
      ours: async () => ({ ours: await ours.ask(order, some) }),
      peft: async () => ({ peft: await peft.ask(order, some, isLowMemory) }),
    };
    const first = turn % 4 < 2 ? await ask.ours() : await ask.peft();
    const second = 'ours' in first ? await ask.peft() : await ask.ours();
    last = { ...last, ...first, ...second };
    timed.ours.push(...last.ours.milliseconds);
    (isLowMemory ? timed.peftLowMemory : timed.peft).push(...last.peft.milliseconds);
    const done = at + some.length;
    const leftSeconds = ((performance.now() - startMs) / 1000) * (tasks.length / done - 1);
    if (turn % 5 === 4)
      say(`${order}: ${done} of ${tasks.length}, ${leftSeconds.toFixed(0)} s left`);
  }
  const grown = (side: 'ours' | 'peft'): number =>
    Math.round((last[side].residentBytes - none[side].residentBytes) / tasks.length);
  return { ...timed, oursBytes: grown('ours'), peftBytes: grown('peft') };
}

/** Medians of one order and how many times ours goes into the peer's best. */
function figuresOf({ ours, peft, peftLowMemory }: Timed) {
  const peftMs = Math.min(...[peft, peftLowMemory].filter((all) => all.length > 0).map(median));
  return {
    ratio: round4(peftMs / median(ours)),
    ms: round4(median(ours)),
    ms90: round4(quantile(ours, 0.9)),
    peftMs: round4(peftMs),
    peftMs90: round4(quantile(peft, 0.9)),
  };
}

async function measure(options: Options, directory: string) {
  const { tasks, threads, backbone } = options;
  const interpreter = process.env['MELO_PYTHON'];
  if (interpreter === undefined) {
    throw new Error('MELO_PYTHON: expected a Python with PyTorch, transformers and PEFT');
  }
  const shape = shapeOf(backbone);
  const peft = new PeftSide(interpreter, {
    ...{ shape, tasks, threads, directory: join(directory, 'peft') },
  });
  try {
    const peerLibrary = await peft.ready();
    say(`${peerLibrary} is ready`);
    const ours = await OwnSide.start({
      ...{ shape, tasks, threads, directory: join(directory, 'ours') },
    });
    say('ours is ready');
    const all = Array.from({ length: tasks }, (_, index) => index);
    const sides = { ours, peft };
    const cold = await take('cold', sides, all);
    // Back through the tasks: the one just loaded is not the one asked for next.
    const warm = await take('warm', sides, all.toReversed());
    const answer = await take('answer', sides, all.slice(0, answersMax));
    await ours.stop();
    return { peerLibrary, cold, warm, answer };
  } finally {
    await peft.stop();
  }
}

async function main(): Promise<void> {
  const options = readCommandLine(command);
  const work = await makeWorkDirectory('bench-switch');
  try {
    const { peerLibrary, cold, warm, answer } = await measure(options, work.path);
    const { tasks, backbone, threads } = options;
    const figures = {
      bench: 'switch',
      ...{ backbone, tasks, threads, rank },
      cold: {
        ...figuresOf(cold),
        peftPlainMs: round4(median(cold.peft)),
        peftLowMemoryMs: round4(median(cold.peftLowMemory)),
        peftFirstTasksMs: round4(median(cold.peft.slice(0, turnTasks))),
      },
      warm: figuresOf(warm),
      answer: figuresOf(answer),
      residentBytesPerTask: cold.oursBytes,
      peftResidentBytesPerTask: cold.peftBytes,
      peerLibrary,
      loadAverage: round4(loadavg()[0] ?? Number.NaN),
    };
    process.stdout.write(`${JSON.stringify(figures, null, options.json ? 0 : 2)}\n`);
  } finally {
    await work.remove();
  }
}

await main();
