/** Puts a backbone's frozen weights on a backend, each matrix in the form its products want. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { tensorShape } from '#core/backbone';
import type { Backbone } from '#core/backbone';
import { assert } from '#core/errors';
import type { TfjsRuntime } from './backends.ts';
import type { FrozenProduct, Products } from './products.ts';

/** Of one layer norm, (D) each. */
export interface NormWeights {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** One block: every product adds its bias. */
export interface BlockWeights {
  readonly norm1: NormWeights;
  readonly q: FrozenProduct;
  readonly k: FrozenProduct;
  readonly v: FrozenProduct;
  readonly proj: FrozenProduct;
  readonly norm2: NormWeights;
  readonly fc1: FrozenProduct;
  readonly fc2: FrozenProduct;
}

/** All that is frozen. */
export interface VitWeights {
  /** The patch embedding as a filter, (P,P,3,D). */
  readonly patchFilter: Tensor4D;
  readonly patchBias: Tensor;
  /** (1,1,D). */
  readonly classToken: Tensor;
  /** (1,T,D). */
  readonly positions: Tensor;
  readonly blocks: readonly BlockWeights[];
  readonly norm: NormWeights;
  /** Free every tensor; in the runtime's turn. */
  dispose(): void;
}

/**
 * Load all weights, a tensor at a time, so that no second copy of the backbone is held.
 *
 * @param runtime - where they go
 * @param products - how the backend multiplies
 * @param backbone - opened; read here and not afterwards
 * @throws what reading the backbone throws; nothing is left on the backend then
 */
export async function loadWeights(
  runtime: TfjsRuntime,
  products: Products,
  backbone: Backbone,
): Promise<VitWeights> {
  const loader = new WeightLoader(runtime, products, backbone);
  try {
    return await loader.load();
  } catch (error) {
    await runtime.inTurn(() => loader.dispose());
    throw error;
  }
}

class WeightLoader {
  readonly #runtime: TfjsRuntime;
  readonly #products: Products;
  readonly #backbone: Backbone;
  readonly #held: Tensor[] = [];

  constructor(runtime: TfjsRuntime, products: Products, backbone: Backbone) {
    this.#runtime = runtime;
    this.#products = products;
    this.#backbone = backbone;
  }

  async load(): Promise<VitWeights> {
    const blocks: BlockWeights[] = [];
    for (let n = 0; n < this.#backbone.configuration.blocks; n++) {
      blocks.push(await this.#block(`blocks.${n}`));
    }
    return {
      patchFilter: await this.#patchFilter(),
      patchBias: await this.#vector('patch_embed.proj.bias'),
      classToken: await this.#vector('cls_token'),
      positions: await this.#vector('pos_embed'),
      blocks,
      norm: await this.#norm('norm'),
      dispose: () => this.dispose(),
    };
  }

  dispose(): void {
    for (const tensor of this.#held.splice(0)) tensor.dispose();
  }

  async #block(prefix: string): Promise<BlockWeights> {
    return {
      norm1: await this.#norm(`${prefix}.norm1`),
      q: await this.#product(`${prefix}.attn.q`),
      k: await this.#product(`${prefix}.attn.k`),
      v: await this.#product(`${prefix}.attn.v`),
      proj: await this.#product(`${prefix}.attn.proj`),
      norm2: await this.#norm(`${prefix}.norm2`),
      fc1: await this.#product(`${prefix}.mlp.fc1`),
      fc2: await this.#product(`${prefix}.mlp.fc2`),
    };
  }

  async #norm(prefix: string): Promise<NormWeights> {
    return {
      weight: await this.#vector(`${prefix}.weight`),
      bias: await this.#vector(`${prefix}.bias`),
    };
  }

  async #product(prefix: string): Promise<FrozenProduct> {
    const { tf } = this.#runtime;
    const name = `${prefix}.weight`;
    const values = await this.#backbone.read(name);
    const [outputs, inputs] = this.#shape(name);
    assert(outputs !== undefined && inputs !== undefined, `${name}: expected a matrix`);
    const matrix = await this.#runtime.inTurn(() => {
      const frozen = this.#products.freeze(values, [outputs, inputs]);
      this.#held.push(...frozen.tensors);
      return frozen;
    });
    const bias = await this.#vector(`${prefix}.bias`);
    return (x) => tf.add(matrix.apply(x), bias);
  }

  /** A tensor of its own shape: vectors, the CLS token, positions. */
  async #vector(name: string): Promise<Tensor> {
    const values = await this.#backbone.read(name);
    const { tf, inTurn } = this.#runtime;
    return inTurn(() => this.#hold(tf.tensor(values, this.#shape(name))));
  }

  /** (D,3,P,P) to (P,P,3,D), as convolutions here want it. */
  async #patchFilter(): Promise<Tensor4D> {
    const name = 'patch_embed.proj.weight';
    const values = await this.#backbone.read(name);
    const { dimension, patchSize } = this.#backbone.configuration;
    const { tf, inTurn } = this.#runtime;
    return inTurn(() => {
      const stored = tf.tensor4d(values, [dimension, 3, patchSize, patchSize]);
      const filter: Tensor4D = tf.transpose(stored, [2, 3, 1, 0]);
      stored.dispose();
      return this.#hold(filter);
    });
  }

  #shape(name: string): number[] {
    return [...tensorShape(name, this.#backbone.configuration)];
  }

  #hold<T extends Tensor>(tensor: T): T {
    this.#held.push(tensor);
    return tensor;
  }
}
