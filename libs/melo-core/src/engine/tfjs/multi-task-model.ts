/** A loaded backbone that takes every task's adapter as an input, run by TensorFlow.js: the tasks of a batch one after the other. */
import type { Backbone } from '#core/backbone';
import { checkInteger, checkLength } from '#core/check';
import { assert } from '#core/errors';
import { checkAdapter, imagesPerCallMax } from '../model-limits.ts';
import type { MultiTaskModel, TaskAdapter } from '../types.ts';
import type { TfjsRuntime } from './backends.ts';
import { loadContext, TfjsModel } from './tfjs-model.ts';
import type { VitContext } from './vit.ts';

/** What {@link loadTfjsMultiTaskModel} needs. */
export interface TfjsMultiTaskOptions {
  readonly runtime: TfjsRuntime;
  readonly backbone: Backbone;
}

/** The places of a batch that each adapter has. */
function rowsByAdapter(adapters: readonly TaskAdapter[]): ReadonlyMap<TaskAdapter, number[]> {
  const rows = new Map<TaskAdapter, number[]>();
  for (const [row, adapter] of adapters.entries()) {
    const places = rows.get(adapter);
    if (places === undefined) rows.set(adapter, [row]);
    else places.push(row);
  }
  return rows;
}

class TfjsMultiTaskModel implements MultiTaskModel {
  readonly #options: TfjsMultiTaskOptions;
  readonly #context: Omit<VitContext, 'scale'>;
  #isDisposed = false;

  constructor(options: TfjsMultiTaskOptions, context: Omit<VitContext, 'scale'>) {
    this.#options = options;
    this.#context = context;
  }

  async predict(images: Float32Array, adapters: readonly TaskAdapter[]): Promise<Float32Array[]> {
    assert(!this.#isDisposed, 'engine model: expected it in use, it was disposed of');
    if (adapters.length === 0) return [];
    checkInteger(adapters.length, 'images in a call', { minimum: 1, maximum: imagesPerCallMax });
    const imageNumbers = 3 * this.#context.configuration.imageSize ** 2;
    checkLength(images, adapters.length * imageNumbers, 'images');
    const logits = new Array<Float32Array>(adapters.length);
    for (const [adapter, rows] of rowsByAdapter(adapters)) {
      checkAdapter(this.#options.backbone, adapter);
      const { specification, values } = adapter;
      const { runtime } = this.#options;
      const { scale, pooling } = specification;
      const context = { ...this.#context, scale, pooling };
      const model = new TfjsModel({ runtime, specification }, context); // holds nothing of its own
      const own = new Float32Array(rows.length * imageNumbers);
      for (const [at, row] of rows.entries()) {
        own.set(images.subarray(row * imageNumbers, (row + 1) * imageNumbers), at * imageNumbers);
      }
      const predicted = await model.predict(own, rows.length, values);
      const classes = specification.classes.length;
      for (const [at, row] of rows.entries()) {
        logits[row] = predicted.slice(at * classes, (at + 1) * classes);
      }
    }
    return logits;
  }

  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    await this.#options.runtime.inTurn(() => this.#context.weights.dispose());
  }
}

/**
 * Load a backbone for adapters of any task.
 *
 * @param options - runtime and backbone; the backbone's weights are read here and not afterwards
 * @throws what reading the backbone throws
 */
export async function loadTfjsMultiTaskModel(
  options: TfjsMultiTaskOptions,
): Promise<MultiTaskModel> {
  return new TfjsMultiTaskModel(options, await loadContext(options.runtime, options.backbone));
}
