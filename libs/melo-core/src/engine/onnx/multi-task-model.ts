/**
 * A loaded backbone that takes every task's adapter as an input, run by onnxruntime.
 *
 * Letters: B images, D dimension, r the largest rank of a batch, C its largest number of classes.
 */
import type { Backbone } from '#core/backbone';
import { checkLength } from '#core/check';
import { assert } from '#core/errors';
import type { Pooling } from '#core/protocol';
import { checkAdapter } from '../model-limits.ts';
import type { MultiTaskModel, TaskAdapter } from '../types.ts';
import { GraphSessions, takeOutput } from './sessions.ts';
import type { GraphInput, OnnxRuntime } from './sessions.ts';
import { buildTaskGraph } from './task-graphs.ts';
import type { TaskGraphKind } from './task-graphs.ts';
import { placeWeights } from './weights.ts';
import type { WeightsFolder } from './weights.ts';

/** What {@link loadOnnxMultiTaskModel} needs. */
export interface OnnxMultiTaskOptions {
  readonly runtime: OnnxRuntime;
  readonly backbone: Backbone;
  readonly cacheDirectory: string;
  /** Threads of one operator, one or more. */
  readonly threads: number;
  /** Whether nothing else is to compute on this machine meanwhile. */
  readonly isAlone: boolean;
}

type Inputs = Record<string, GraphInput>;

/** The inputs of the graph `task`: views of the adapter's own numbers, nothing is copied. */
function taskInputs({ specification, layout, values }: TaskAdapter): Inputs {
  const inputs: Inputs = { scale: { values: Float32Array.of(specification.scale), shape: [1, 1] } };
  for (const { name, shape, offset, size } of layout.tensors) {
    inputs[name] = { values: values.subarray(offset, offset + size), shape };
  }
  return inputs;
}

/**
 * Copy a matrix into a larger one whose other entries are zero.
 *
 * @param source - (rows,columns), row-major
 * @param target - of `width` columns or more rows, changed in place
 */
function copyPadded(
  source: Float32Array,
  columns: number,
  target: Float32Array,
  width: number,
): void {
  if (columns === width) {
    target.set(source);
    return;
  }
  for (let from = 0, to = 0; from < source.length; from += columns, to += width) {
    target.set(source.subarray(from, from + columns), to);
  }
}

/** The inputs of the graph `mixed`: every adapter's tensors one after the other, filled up with zeros. */
function mixedInputs(adapters: readonly TaskAdapter[], dimension: number): Inputs {
  const count = adapters.length;
  const rank = Math.max(...adapters.map(({ specification }) => specification.rank));
  const classes = Math.max(...adapters.map(({ specification }) => specification.classes.length));
  const scales = Float32Array.from(adapters, ({ specification }) => specification.scale);
  const inputs: Inputs = { scale: { values: scales, shape: [count, 1, 1] } };
  const [first] = adapters;
  assert(first !== undefined, 'adapters: expected one or more');
  for (const [index, { name }] of first.layout.tensors.entries()) {
    const shape = paddedShape(name, { rank, classes, dimension });
    const width = shape.at(-1) ?? 1;
    const size = shape.reduce((product, length) => product * length, 1);
    const values = new Float32Array(count * size); // (B,...)
    for (const [row, { layout, values: own }] of adapters.entries()) {
      const place = layout.tensors[index];
      assert(place?.name === name, `adapter tensor ${name}: expected it at the same place`);
      const source = own.subarray(place.offset, place.offset + place.size);
      const target = values.subarray(row * size, (row + 1) * size);
      copyPadded(source, place.shape.at(-1) ?? 1, target, width);
    }
    inputs[name] = { values, shape: [count, ...shape] };
  }
  return inputs;
}

function paddedShape(
  name: string,
  { rank, classes, dimension }: { rank: number; classes: number; dimension: number },
): readonly number[] {
  if (name === 'head.weight') return [classes, dimension];
  if (name === 'head.bias') return [1, classes];
  return name.endsWith('.lora_A') ? [rank, dimension] : [dimension, rank];
}

/** What an adapter's head reads. */
function poolingOf({ specification }: TaskAdapter): Pooling {
  return specification.pooling ?? 'cls';
}

/** Cut logits (B,C) into one row for each image, of its own task's classes. */
function cutRows(logits: Float32Array, adapters: readonly TaskAdapter[]): Float32Array[] {
  const width = logits.length / adapters.length;
  return adapters.map(({ specification }, row) =>
    logits.slice(row * width, row * width + specification.classes.length),
  );
}

class OnnxMultiTaskModel implements MultiTaskModel {
  readonly #backbone: Backbone;
  readonly #sessions: GraphSessions<TaskGraphKind>;

  constructor(options: OnnxMultiTaskOptions, weights: WeightsFolder) {
    const { runtime, backbone, threads, isAlone } = options;
    const { configuration } = backbone;
    const weightRange = weights.range;
    const build = (kind: TaskGraphKind): Uint8Array =>
      buildTaskGraph({ kind, configuration, weightRange });
    this.#backbone = backbone;
    this.#sessions = new GraphSessions({
      ...{ runtime, configuration, weights, threads, isAlone, build },
    });
  }

  predict(images: Float32Array, adapters: readonly TaskAdapter[]): Promise<Float32Array[]> {
    return this.#sessions.inTurn(async () => {
      for (const adapter of new Set(adapters)) checkAdapter(this.#backbone, adapter);
      const poolings = new Set(adapters.map(poolingOf));
      const [only] = poolings;
      if (only === undefined) return [];
      if (poolings.size === 1) return this.#predictAlike(images, adapters, only);
      checkLength(images, adapters.length * this.#imageNumbers, 'images');
      const logits = new Array<Float32Array>(adapters.length);
      for (const pooling of poolings) await this.#predictSome(images, adapters, pooling, logits);
      return logits;
    });
  }

  get #imageNumbers(): number {
    return 3 * this.#backbone.configuration.imageSize ** 2;
  }

  /** Predict the images whose head reads the same, and put their logits into their places. */
  async #predictSome(
    images: Float32Array,
    adapters: readonly TaskAdapter[],
    pooling: Pooling,
    logits: Float32Array[],
  ): Promise<void> {
    const size = this.#imageNumbers;
    const own = [...adapters.entries()].filter(([, adapter]) => poolingOf(adapter) === pooling);
    const pixels = new Float32Array(own.length * size);
    for (const [at, [row]] of own.entries()) {
      pixels.set(images.subarray(row * size, (row + 1) * size), at * size);
    }
    const some = own.map(([, adapter]) => adapter);
    const predicted = await this.#predictAlike(pixels, some, pooling);
    for (const [at, [row]] of own.entries()) logits[row] = predicted[at] ?? new Float32Array(0);
  }

  async #predictAlike(
    images: Float32Array,
    adapters: readonly TaskAdapter[],
    pooling: Pooling,
  ): Promise<Float32Array[]> {
    const [first] = adapters;
    assert(first !== undefined, 'adapters: expected one or more');
    const isOneTask = adapters.every(({ values }) => values === first.values);
    const { dimension } = this.#backbone.configuration;
    const outputs = await this.#sessions.run(
      isOneTask ? `task-${pooling}` : `mixed-${pooling}`,
      images,
      adapters.length,
      isOneTask ? taskInputs(first) : mixedInputs(adapters, dimension),
      ['logits'],
    );
    return cutRows(takeOutput(outputs, 'logits'), adapters);
  }

  dispose(): Promise<void> {
    return this.#sessions.dispose();
  }
}

/**
 * Load a backbone for adapters of any task.
 *
 * @param options - runtime, backbone and where to keep graphs and weights
 * @throws what {@link placeWeights} throws
 */
export async function loadOnnxMultiTaskModel(
  options: OnnxMultiTaskOptions,
): Promise<MultiTaskModel> {
  const weights = await placeWeights(options.backbone, options.cacheDirectory);
  return new OnnxMultiTaskModel(options, weights);
}
