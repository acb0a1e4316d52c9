/**
 * Reads Hugging Face's `config.json` and `preprocessor_config.json`: ViT, DeiT, DINOv2 with and without registers, DINOv3 and
 * CLIP's image tower.
 *
 * The defaults are those of transformers 5.24; a file says nothing about what is at its default.
 */
import { z } from 'zod';
import {
  countSchema,
  half,
  meanSchema,
  normaliseOptions,
  parsePart,
  sideOf,
  squareSchema,
  stdSchema,
  type FoundOptions,
  type StatedConfiguration,
} from './read-configuration.ts';
import { unsupported, type Spelling } from './tensor-names.ts';
import type { ChannelTriple } from './types.ts';

const activationSchema = z.string().max(64);
const epsilonSchema = z.number().positive().max(1);

// Other people's files: keys that say nothing about the computation are let through, so these are not strict objects.
const vitSchema = z.object({
  hidden_size: countSchema,
  num_hidden_layers: countSchema,
  num_attention_heads: countSchema,
  intermediate_size: countSchema,
  hidden_act: activationSchema.default('gelu'),
  layer_norm_eps: epsilonSchema.default(1e-12),
  image_size: squareSchema.default(224),
  patch_size: squareSchema.default(16),
  num_channels: z.number().int().default(3),
  qkv_bias: z.boolean().default(true),
});
const dinov2Schema = vitSchema.omit({ intermediate_size: true }).extend({
  mlp_ratio: z.number().positive().max(64).default(4),
  layer_norm_eps: epsilonSchema.default(1e-6),
  num_register_tokens: z.number().int().min(0).max(64).default(4),
  use_swiglu_ffn: z.boolean().default(false),
});
const dinov3Schema = vitSchema.omit({ qkv_bias: true }).extend({
  layer_norm_eps: epsilonSchema.default(1e-5),
  num_register_tokens: z.number().int().min(0).max(64).default(0),
  rope_theta: z.number().positive().max(1e6).default(100),
  query_bias: z.boolean().default(true),
  key_bias: z.boolean().default(false),
  value_bias: z.boolean().default(true),
  proj_bias: z.literal(true).default(true),
  mlp_bias: z.literal(true).default(true),
  use_gated_mlp: z.boolean().default(false),
});
const clipSchema = vitSchema.omit({ qkv_bias: true }).extend({
  hidden_size: countSchema.default(768),
  num_hidden_layers: countSchema.default(12),
  num_attention_heads: countSchema.default(12),
  intermediate_size: countSchema.default(3072),
  hidden_act: activationSchema.default('quick_gelu'),
  layer_norm_eps: epsilonSchema.default(1e-5),
  patch_size: squareSchema.default(32),
});

const configSchema = z.object({
  model_type: z.string().max(64).default('vit'),
  vision_config: z.unknown().optional(),
});
const preprocessorSchema = z.object({
  image_mean: meanSchema.optional(),
  image_std: stdSchema.optional(),
  do_normalize: z.boolean().default(true),
  do_rescale: z.boolean().default(true),
  rescale_factor: z.number().default(1 / 255),
});

type Common = Omit<z.infer<typeof vitSchema>, 'qkv_bias'>;
type Read = (config: unknown) => {
  readonly common: Common;
  readonly found: FoundOptions;
  readonly pooling?: StatedConfiguration['pooling'];
};

const file = 'config.json';
const without = (parts: Readonly<Record<string, boolean>>): ReadonlySet<string> =>
  new Set(Object.keys(parts).filter((part) => parts[part] === false));
const qkv = (bias: boolean): ReadonlySet<string> => without({ q: bias, k: bias, v: bias });

const readVit: Read = (config) => {
  const common = parsePart(vitSchema, config, file);
  return { common, found: { withoutBias: qkv(common.qkv_bias) } };
};

const readDinov2 =
  (hasRegisters: boolean): Read =>
  (config) => {
    const parsed = parsePart(dinov2Schema, config, file);
    if (parsed.use_swiglu_ffn) throw unsupported('it has a gated MLP', 'use_swiglu_ffn');
    const { mlp_ratio: ratio, hidden_size: dimension, qkv_bias: bias } = parsed;
    return {
      common: { ...parsed, intermediate_size: Math.floor(dimension * ratio + 1e-6) },
      found: {
        hasLayerScale: true,
        withoutBias: qkv(bias),
        ...(hasRegisters ? { registers: parsed.num_register_tokens } : {}),
      },
    };
  };

const readDinov3: Read = (config) => {
  const common = parsePart(dinov3Schema, config, file);
  if (common.use_gated_mlp) throw unsupported('it has a gated MLP', 'use_gated_mlp');
  const { query_bias: q, key_bias: k, value_bias: v } = common;
  return {
    common,
    found: {
      hasLayerScale: true,
      registers: common.num_register_tokens,
      positions: 'rotary',
      rotaryBase: common.rope_theta,
      withoutBias: without({ q, k, v }),
    },
  };
};

const readClip: Read = (config) => ({
  common: parsePart(clipSchema, config, file),
  found: { hasNormBefore: true, withoutBias: new Set(['patch_embed']) },
});

/** How each `model_type` is read, and the names that its files have. */
const readers: Readonly<Record<string, readonly [Read, readonly Spelling[]]>> = {
  vit: [readVit, ['hugging-face-query', 'hugging-face-q_proj']],
  deit: [
    (config) => ({ ...readVit(config), pooling: 'cls-distillation' }),
    ['hugging-face-query', 'hugging-face-q_proj'],
  ],
  dinov2: [readDinov2(false), ['hugging-face-dinov2']],
  dinov2_with_registers: [readDinov2(true), ['hugging-face-dinov2']],
  dinov3_vit: [readDinov3, ['hugging-face-dinov3']],
  clip_vision_model: [readClip, ['hugging-face-clip']],
};

/**
 * Read a Hugging Face `config.json` and, where there is one, its `preprocessor_config.json`.
 *
 * @param config - parsed JSON
 * @param preprocessor - parsed JSON, or nothing: mean and std are then 0.5
 * @param spelling - of the file's names, which must be those of the model type
 * @throws InputError BACKBONE_UNSUPPORTED naming the type or option that is not known to be run exactly
 */
export function readHuggingFaceConfiguration(
  config: unknown,
  preprocessor: unknown,
  spelling: Spelling,
): StatedConfiguration {
  const outer = parsePart(configSchema, config, file);
  const isClip = outer.model_type === 'clip'; // both towers in one file: the image tower's part counts
  const type = isClip ? 'clip_vision_model' : outer.model_type;
  const known = Object.hasOwn(readers, type) ? readers[type] : undefined;
  if (known === undefined) throw unsupported(`model_type is ${type}`, 'model_type');
  const [read, spellings] = known;
  const { common, found, pooling = 'cls' } = read(isClip ? (outer.vision_config ?? {}) : config);
  if (!spellings.includes(spelling)) {
    throw unsupported(`model_type is ${type}, and the file's names are of another`, 'model_type');
  }
  if (common.num_channels !== 3) throw unsupported('it has not three channels', 'num_channels');
  const { mean, std } = readPreprocessor(preprocessor);
  return {
    name: `${type}-hugging-face-${common.hidden_size}x${common.num_hidden_layers}`,
    size: {
      dimension: common.hidden_size,
      blocks: common.num_hidden_layers,
      heads: common.num_attention_heads,
      mlpDimension: common.intermediate_size,
    },
    patchSize: sideOf(common.patch_size, 'patch_size'),
    imageSize: sideOf(common.image_size, 'image_size'),
    layerNormEpsilon: common.layer_norm_eps,
    activation: activationOf(common.hidden_act),
    pooling,
    options: normaliseOptions(found),
    mean,
    std,
  };
}

function activationOf(name: string): StatedConfiguration['activation'] {
  if (name === 'gelu' || name === 'quick_gelu') return name;
  throw unsupported(`its activation is ${name}`, 'hidden_act');
}

function readPreprocessor(preprocessor: unknown): { mean: ChannelTriple; std: ChannelTriple } {
  if (preprocessor === undefined || preprocessor === null) return { mean: half, std: half };
  const parsed = parsePart(preprocessorSchema, preprocessor, 'preprocessor_config.json');
  const isRescaled = parsed.do_rescale && Math.abs(parsed.rescale_factor * 255 - 1) < 1e-9;
  if (!parsed.do_normalize || !isRescaled) {
    throw unsupported('its images are not scaled by 1/255 and normalised', 'preprocessor');
  }
  return { mean: parsed.image_mean ?? half, std: parsed.image_std ?? half };
}
