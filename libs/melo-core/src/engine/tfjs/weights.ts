/** Puts a backbone's frozen weights on a backend, each matrix in the form its products want. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import {
  classTokenCount,
  hasBias,
  patchCount,
  rotaryTable,
  tensorShape,
  tokenCount,
} from '#core/backbone';
import type { Backbone } from '#core/backbone';
import { assert } from '#core/errors';
import type { TfjsRuntime } from './backends.ts';
import type { FrozenProduct, Products } from './products.ts';

/** Of one layer norm, (D) each. */
export interface NormWeights {
  readonly weight: Tensor;
  readonly bias: Tensor;
}

/** One block: every product adds its bias, where it has one. */
export interface BlockWeights {
  readonly norm1: NormWeights;
  readonly q: FrozenProduct;
  readonly k: FrozenProduct;
  readonly v: FrozenProduct;
  readonly proj: FrozenProduct;
  readonly norm2: NormWeights;
  readonly fc1: FrozenProduct;
  readonly fc2: FrozenProduct;
  /** Layer scales (D) of attention and MLP; null where the backbone has none. */
  readonly ls1: Tensor | null;
  readonly ls2: Tensor | null;
}

/** Numbers that a step multiplies by over and over, scalars: made anew each time, each would be copied to a GPU that is waited for. */
export interface Constants {
  readonly one: Tensor;
  readonly half: Tensor;
  readonly minusHalf: Tensor;
  /** 1 / sqrt 2. */
  readonly rootHalf: Tensor;
  /** 1 / sqrt(2 pi). */
  readonly density: Tensor;
  /** Of a layer norm. */
  readonly epsilon: Tensor;
  /** 1 / sqrt(D/H). */
  readonly attention: Tensor;
}

/** All that is frozen. */
export interface VitWeights {
  readonly constants: Constants;
  /** The patch embedding as a filter, (P,P,3,D). */
  readonly patchFilter: Tensor4D;
  readonly patchBias: Tensor | null;
  /** The tokens before the patches, with their positions, (1,G,D). */
  readonly prefix: Tensor;
  /** (1,N,D); null where positions are rotary. */
  readonly patchPositions: Tensor | null;
  /** What turns q and k, (T,K) each; null where positions are learned. */
  readonly rotary: { readonly cosines: Tensor; readonly sines: Tensor } | null;
  /** CLIP's norm before the first block. */
  readonly normBefore: NormWeights | null;
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
    const { configuration } = this.#backbone;
    return {
      constants: await this.#constants(),
      patchFilter: await this.#patchFilter(),
      patchBias: hasBias(configuration, 'patch_embed')
        ? await this.#vector('patch_embed.proj.bias')
        : null,
      ...(await this.#places()),
      rotary: configuration.positions === 'rotary' ? await this.#rotary() : null,
      normBefore: configuration.hasNormBefore === true ? await this.#norm('norm_pre') : null,
      blocks,
      norm: await this.#norm('norm'),
      dispose: () => this.dispose(),
    };
  }

  dispose(): void {
    for (const tensor of this.#held.splice(0)) tensor.dispose();
  }

  #constants(): Promise<Constants> {
    const { tf, inTurn } = this.#runtime;
    const { dimension, heads, layerNormEpsilon } = this.#backbone.configuration;
    const scalar = (value: number): Tensor => this.#hold(tf.scalar(value));
    return inTurn(() => ({
      one: scalar(1),
      half: scalar(0.5),
      minusHalf: scalar(-0.5),
      rootHalf: scalar(Math.SQRT1_2),
      density: scalar(1 / Math.sqrt(2 * Math.PI)),
      epsilon: scalar(layerNormEpsilon),
      attention: scalar(1 / Math.sqrt(dimension / heads)),
    }));
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
      ls1: await this.#layerScale(`${prefix}.ls1`),
      ls2: await this.#layerScale(`${prefix}.ls2`),
    };
  }

  async #layerScale(prefix: string): Promise<Tensor | null> {
    const { hasLayerScale } = this.#backbone.configuration;
    return hasLayerScale === true ? this.#vector(`${prefix}.gamma`) : null;
  }

  /** The tokens before the patches with what positions they have, and the positions of the patches. */
  async #places(): Promise<Pick<VitWeights, 'prefix' | 'patchPositions'>> {
    const { configuration } = this.#backbone;
    const { dimension, positions } = configuration;
    const names = ['cls_token'];
    if (configuration.pooling === 'cls-distillation') names.push('dist_token');
    const tokens = await this.#vector(...names); // (1,1 or 2,D)
    const count = positions === 'patches' ? 0 : classTokenCount(configuration); // rows of the table that are theirs
    const { tf, inTurn } = this.#runtime;
    const table = positions === 'rotary' ? null : await this.#vector('pos_embed');
    const registers =
      configuration.registers === undefined ? null : await this.#vector('reg_token');
    return inTurn(() => {
      const placed =
        table === null || count === 0
          ? tokens
          : this.#hold(
              tf.tidy(() => tf.add(tokens, tf.slice(table, [0, 0, 0], [1, count, dimension]))),
            );
      const prefix = registers === null ? placed : this.#hold(tf.concat([placed, registers], 1));
      const size = [1, patchCount(configuration), dimension];
      const patchPositions =
        table === null ? null : this.#hold(tf.slice(table, [0, count, 0], size));
      return { prefix, patchPositions };
    });
  }

  async #rotary(): Promise<VitWeights['rotary']> {
    const { configuration } = this.#backbone;
    const { cosines, sines } = rotaryTable(configuration);
    const shape = [tokenCount(configuration), configuration.dimension / configuration.heads];
    const { tf, inTurn } = this.#runtime;
    return inTurn(() => ({
      cosines: this.#hold(tf.tensor(cosines, shape)),
      sines: this.#hold(tf.tensor(sines, shape)),
    }));
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
    if (!hasBias(this.#backbone.configuration, prefix.split('.').at(-1) ?? '')) {
      return matrix.apply;
    }
    const bias = await this.#vector(`${prefix}.bias`);
    return (x) => tf.add(matrix.apply(x), bias);
  }

  /** A tensor of its own shape: vectors, tokens, positions; several tokens (1,n,D) one after the other. */
  async #vector(...names: readonly string[]): Promise<Tensor> {
    const parts: { readonly values: Float32Array; readonly shape: number[] }[] = [];
    for (const name of names) {
      parts.push({ values: await this.#backbone.read(name), shape: this.#shape(name) });
    }
    const { tf, inTurn } = this.#runtime;
    return inTurn(() => {
      const tensors = parts.map(({ values, shape }) => tf.tensor(values, shape));
      const [only] = tensors;
      if (tensors.length === 1 && only !== undefined) return this.#hold(only);
      const joined = tf.concat(tensors, 1);
      for (const tensor of tensors) tensor.dispose();
      return this.#hold(joined);
    });
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
