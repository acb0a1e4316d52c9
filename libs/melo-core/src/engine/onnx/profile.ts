/**
 * Where a training step's time goes on this machine, from the events that onnxruntime's profiler writes.
 *
 * A step's time is that of its operators, of what onnxruntime does between them, and of what is done outside it: patches cut,
 * gradients copied.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { adapterLayout, adapterSpecification } from '#core/adapter';
import type { Backbone } from '#core/backbone';
import { assert } from '#core/errors';
import { seededRng } from '#core/rng';
import type { Batch } from '../types.ts';
import { createOnnxEngine } from './create.ts';

const eventSchema = z.object({
  cat: z.string(),
  name: z.string(),
  /** Microseconds. */
  ts: z.number(),
  /** Microseconds. */
  dur: z.number(),
  args: z.object({ op_name: z.string().optional() }).loose(),
});
type ProfilerEvent = z.infer<typeof eventSchema>;

const kindsOfOperators: Readonly<Record<string, readonly string[]>> = {
  products: ['Gemm', 'FusedMatMul', 'MatMul', 'FusedGemm'],
  norms: ['LayerNormalization', 'ReduceMean', 'ReduceSum'],
  softmax: ['Softmax', 'LogSoftmax'],
  moves: ['Transpose', 'Reshape', 'Slice', 'Concat', 'Split', 'Pad', 'Expand', 'Identity', 'Shape'],
};

/** Time of one operator or kind. */
export interface ProfileRow {
  readonly name: string;
  readonly msPerImage: number;
  /** Of a step's whole time. */
  readonly share: number;
  readonly callsPerStep: number;
}

/** Operators of a profile, and the kinds that they belong to, the slowest first. */
export interface StepProfile {
  /** A step's whole time. */
  readonly msPerImage: number;
  /** `products`, `norms`, `softmax`, `moves`, `elementwise`; `between` operators and `outside` onnxruntime. */
  readonly kinds: readonly ProfileRow[];
  readonly operators: readonly ProfileRow[];
}

/** `products`, `norms`, `softmax`, `moves`, and `elementwise` for all else. */
export function kindOf(operator: string): string {
  const found = Object.entries(kindsOfOperators).find(([, names]) => names.includes(operator));
  return found?.[0] ?? 'elementwise';
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/**
 * Sum up a profile.
 *
 * @param events - the parsed file
 * @param about - `steps`: the last so many runs are counted, the ones before only warm up; `batch`: images of a step;
 *   `wallMs`: how long these steps took as a whole
 * @throws InvariantError where there are fewer runs
 */
export function summariseProfile(
  events: unknown,
  about: { readonly steps: number; readonly batch: number; readonly wallMs: number },
): StepProfile {
  const { steps, batch, wallMs } = about;
  const known = z
    .array(z.unknown())
    .parse(events)
    .map((event) => eventSchema.safeParse(event).data)
    .filter((event) => event !== undefined);
  const runs = known
    .filter(({ cat, name }) => cat === 'Session' && name === 'model_run')
    .sort((a, b) => a.ts - b.ts)
    .slice(-steps);
  const first = runs[0];
  assert(first !== undefined && runs.length === steps, 'profile: expected a run for each step');
  const [operators, kinds] = sumKernels(known.filter(({ ts }) => ts >= first.ts));
  const runMs = sum(runs.map(({ dur }) => dur)) / 1000;
  const kernelMs = sum([...kinds.values()].flat()) / 1000;
  const row = (name: string, ms: number, calls: number): ProfileRow => ({
    name,
    msPerImage: ms / steps / batch,
    share: ms / wallMs,
    callsPerStep: calls / steps,
  });
  const rows = (sums: ReadonlyMap<string, readonly number[]>): ProfileRow[] =>
    [...sums]
      .map(([name, values]) => row(name, sum(values) / 1000, values.length))
      .sort((a, b) => b.msPerImage - a.msPerImage);
  return {
    msPerImage: wallMs / steps / batch,
    kinds: [
      ...rows(kinds),
      row('between', runMs - kernelMs, steps),
      row('outside', wallMs - runMs, steps),
    ],
    operators: rows(operators),
  };
}

/** Durations by operator and by kind, microseconds. */
function sumKernels(
  events: readonly ProfilerEvent[],
): readonly [Map<string, number[]>, Map<string, number[]>] {
  const [operators, kinds] = [new Map<string, number[]>(), new Map<string, number[]>()];
  const add = (sums: Map<string, number[]>, key: string, value: number): void => {
    const values = sums.get(key);
    if (values === undefined) sums.set(key, [value]);
    else values.push(value);
  };
  for (const { cat, name, dur, args } of events) {
    const operator = args.op_name;
    if (cat !== 'Node' || !name.endsWith('_kernel_time') || operator === undefined) continue;
    add(operators, operator, dur);
    add(kinds, kindOf(operator), dur);
  }
  return [operators, kinds];
}

/** What {@link profileSteps} needs. */
export interface ProfileOptions {
  readonly backbone: Backbone;
  readonly rank: number;
  /** Images of a step. */
  readonly batch: number;
  readonly threads: number;
  readonly isAlone: boolean;
  /** Steps that are counted, after one that is not. */
  readonly steps: number;
  /** An empty folder for graphs, copies of weights and the profiler's file; the caller removes it. */
  readonly directory: string;
}

/** Random images of two classes, and a random adapter, so that no gradient is zero. */
function randomStep(options: ProfileOptions) {
  const { dimension, blocks, imageSize } = options.backbone.configuration;
  const { batch: count, rank } = options;
  const rng = seededRng('profile');
  const classes = ['negative', 'positive'];
  const specification = adapterSpecification({ rank, alpha: rank, classes, dimension, blocks });
  const { size } = adapterLayout(specification);
  const batch: Batch = {
    count,
    images: new Float32Array(count * 3 * imageSize ** 2).map(() => rng.nextNormal()), // (B,3,S,S)
    targets: Float32Array.from({ length: 2 * count }, (_, at) =>
      Number(at % 4 === 0 || at % 4 === 3),
    ),
  };
  const adapter = new Float32Array(size).map(() => 0.02 * rng.nextNormal());
  return { specification, batch, adapter };
}

/**
 * Take training steps with onnxruntime's profiler on, which itself costs a few hundredths.
 *
 * @throws what loading a model and a step throw
 */
export async function profileSteps(options: ProfileOptions): Promise<StepProfile> {
  const { backbone, threads, isAlone, steps, directory } = options;
  const { specification, batch, adapter } = randomStep(options);
  const profilePrefix = join(directory, 'profile');
  const engine = await createOnnxEngine({
    ...{ threads, isAlone, profilePrefix, cacheDirectory: join(directory, 'cache') },
  });
  const model = await engine.load(backbone, specification);
  let wallMs: number;
  try {
    await model.step(batch, adapter, 'all'); // makes the session and takes its memory
    const startMs = performance.now();
    for (let at = 0; at < steps; at++) await model.step(batch, adapter, 'all');
    wallMs = performance.now() - startMs;
  } finally {
    await model.dispose();
  }
  const file = (await readdir(directory)).find((name) => name.startsWith('profile'));
  assert(file !== undefined, 'profile: expected a file of the profiler');
  const events: unknown = JSON.parse(await readFile(join(directory, file), 'utf8'));
  return summariseProfile(events, { steps, batch: batch.count, wallMs });
}
