/** Small ViTs with random weights, in every spelling: for tests and for a demo without pretrained weights. */
import { encodeFloats, encodeSafetensorsBytes, shapeSize, type FloatDtype } from '#core/adapter';
import { concatBytes } from '#core/bytes';
import { assert } from '#core/errors';
import { seededRng } from '#core/rng';
import { memorySource } from './memory-source.ts';
import { tensorShape } from './open.ts';
import { canonicalNames, spelledName, type Spelling } from './tensor-names.ts';
import type { Backbone, BackboneConfiguration } from './types.ts';

/** A backbone as files: what a folder of weights would hold, parsed. */
export interface BackboneFiles {
  /** `model.safetensors`. */
  readonly bytes: Uint8Array;
  /** `config.json`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** `preprocessor_config.json`; null for timm, which keeps mean and std in `config.json`. */
  readonly preprocessor: Readonly<Record<string, unknown>> | null;
}

/**
 * Make a backbone whose weights follow from the seed alone; the spelling changes names and order, never a value.
 *
 * Matrices are uniform with variance 1 / inputs, so that activations keep their size; biases, tokens and positions are small;
 * norms are near one.
 *
 * @param options - `configuration`: timm fixes the layer norm's epsilon at 1e-6, so its spelling needs that;
 *   `seed`: text;
 *   `dtype`: how the file stores the weights, F32 by default
 * @throws RangeError where the timm spelling is asked for with another epsilon
 */
export function randomBackboneFile(options: {
  readonly configuration: BackboneConfiguration;
  readonly seed: string;
  readonly spelling: Spelling;
  readonly dtype?: FloatDtype;
}): BackboneFiles {
  const { configuration, seed, spelling, dtype = 'F32' } = options;
  const parts = new Map<string, { shape: number[]; data: Uint8Array }>();
  for (const name of canonicalNames(configuration)) {
    const shape = tensorShape(name, configuration);
    const data = encodeFloats(randomValues(name, shape, seed), dtype);
    const stored = spelledName(name, spelling);
    const before = parts.get(stored); // q, then k, then v of a fused qkv: rows one below the other
    if (before === undefined) parts.set(stored, { shape, data });
    else {
      const [rows = 0, ...rest] = before.shape;
      const joined = [rows + (shape[0] ?? 0), ...rest];
      parts.set(stored, { shape: joined, data: concatBytes(before.data, data) });
    }
  }
  const tensors = [...parts].map(([name, part]) => ({ name, dtype, ...part }));
  return {
    bytes: encodeSafetensorsBytes({ tensors, metadata: { format: 'pt' } }),
    ...(spelling === 'timm' ? timmConfig(configuration) : huggingFaceConfig(configuration)),
  };
}

/**
 * Make a backbone of any configuration in memory, without the files of a library: the same values for the same seed.
 *
 * @param options - `configuration`: with any options; `seed`: text
 */
export function randomBackbone(options: {
  readonly configuration: BackboneConfiguration;
  readonly seed: string;
}): Backbone {
  const { configuration, seed } = options;
  const values = new Map(
    canonicalNames(configuration).map((name): [string, Float32Array] => [
      name,
      randomValues(name, tensorShape(name, configuration), seed),
    ]),
  );
  const source = memorySource(
    concatBytes(...[...values.values()].map((v) => encodeFloats(v, 'F32'))),
  );
  let offset = 0;
  const tensors = [...values].map(([name, { length }]) => {
    const place = { shape: tensorShape(name, configuration), dtype: 'F32', offset } as const;
    offset += 4 * length;
    return [name, { ...place, length: 4 * length }] as const;
  });
  const read = (name: string): Promise<Float32Array> => {
    const found = values.get(name);
    assert(found !== undefined, `backbone: there is no tensor ${name}`);
    return Promise.resolve(found.slice());
  };
  return { name: `random-${seed}`, configuration, tensors: new Map(tensors), source, read };
}

function randomValues(name: string, shape: readonly number[], seed: string): Float32Array {
  const rng = seededRng(`random-backbone/${seed}/${name}`);
  const isMatrix = name.endsWith('.weight') && shape.length > 1;
  const isScale = /\.(?:weight|gamma)$/.test(name) && shape.length === 1; // of a norm or a layer
  const bound = isMatrix ? Math.sqrt(3 / shapeSize(shape.slice(1))) : 0.1;
  const values = new Float32Array(shapeSize(shape));
  for (let index = 0; index < values.length; index++) {
    values[index] = (isScale ? 1 : 0) + bound * (2 * rng.nextFloat() - 1);
  }
  return values;
}

function timmConfig(configuration: BackboneConfiguration): Omit<BackboneFiles, 'bytes'> {
  if (configuration.layerNormEpsilon !== 1e-6) {
    throw new RangeError('layerNormEpsilon: expected 1e-6, which timm fixes');
  }
  return { config: timmPlainConfig('vit_tiny', configuration), preprocessor: null };
}

/**
 * Make the `config.json` that timm would write for a plain ViT.
 *
 * @param name - of timm's architecture before its patch and image size, e.g. `vit_tiny`
 * @param size - widths, depth, sizes, and mean and std of the pixels
 */
export function timmPlainConfig(
  name: string,
  size: Pick<
    BackboneConfiguration,
    'dimension' | 'blocks' | 'heads' | 'mlpDimension' | 'patchSize' | 'imageSize' | 'mean' | 'std'
  >,
): Record<string, unknown> {
  const { dimension, blocks, heads, mlpDimension, patchSize, imageSize } = size;
  return {
    architecture: `${name}_patch${patchSize}_${imageSize}`,
    num_classes: 0,
    num_features: dimension,
    model_args: {
      img_size: imageSize,
      patch_size: patchSize,
      embed_dim: dimension,
      depth: blocks,
      num_heads: heads,
      mlp_ratio: mlpDimension / dimension,
    },
    pretrained_cfg: {
      input_size: [3, imageSize, imageSize],
      mean: [...size.mean],
      std: [...size.std],
    },
  };
}

function huggingFaceConfig(configuration: BackboneConfiguration): Omit<BackboneFiles, 'bytes'> {
  return {
    config: {
      model_type: 'vit',
      hidden_size: configuration.dimension,
      num_hidden_layers: configuration.blocks,
      num_attention_heads: configuration.heads,
      intermediate_size: configuration.mlpDimension,
      hidden_act: 'gelu',
      layer_norm_eps: configuration.layerNormEpsilon,
      image_size: configuration.imageSize,
      patch_size: configuration.patchSize,
      num_channels: 3,
      qkv_bias: true,
    },
    preprocessor: {
      image_mean: [...configuration.mean],
      image_std: [...configuration.std],
    },
  };
}
