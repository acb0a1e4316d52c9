/**
 * What a backbone's `config.json` says beyond its tensors: heads, layer norm, activation, pooling, mean and std.
 *
 * timm: `architecture` must be one of the seven plain sizes; `model_args` may change its numbers. Hugging Face: ViTConfig, and
 * the preprocessor's `image_mean` and `image_std`. An option that would change what is computed is refused by name.
 */
import { z } from 'zod';
import { InputError } from '#core/errors';
import { unsupported } from './tensor-names.ts';
import { backboneSizes, type BackboneSize, type ChannelTriple } from './types.ts';

/** What the configuration files contribute; null where they say nothing and the tensors decide. */
export interface StatedConfiguration {
  readonly name: string;
  readonly size: BackboneSize;
  readonly patchSize: number | null;
  readonly imageSize: number | null;
  readonly layerNormEpsilon: number;
  readonly mean: ChannelTriple;
  readonly std: ChannelTriple;
}

const count = z.number().int().min(1).max(65_536);
const square = z.union([count, z.tuple([count, count])]);
const tripleSchema = z.tuple([z.number(), z.number(), z.number()]);
const meanSchema = tripleSchema.refine((mean) => mean.every((value) => value >= 0 && value <= 1));
const stdSchema = tripleSchema.refine((std) => std.every((value) => value > 0 && value <= 1));
const half: ChannelTriple = [0.5, 0.5, 0.5];

// Other people's files: keys that say nothing about the computation are let through, so these are not strict objects.
const timmSchema = z.object({
  architecture: z.string().min(1).max(128),
  num_features: count.optional(),
  global_pool: z.string().optional(),
  model_args: z.record(z.string(), z.unknown()).optional(),
  pretrained_cfg: z
    .object({
      input_size: z.tuple([count, count, count]).optional(),
      mean: meanSchema.optional(),
      std: stdSchema.optional(),
    })
    .optional(),
});

const timmArgumentsSchema = z.object({
  img_size: square.optional(),
  patch_size: square.optional(),
  embed_dim: count.optional(),
  depth: count.optional(),
  num_heads: count.optional(),
  mlp_ratio: z.number().positive().max(64).optional(),
});

const huggingFaceSchema = z.object({
  model_type: z.string().max(64).optional(),
  hidden_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  intermediate_size: count,
  hidden_act: z.string().max(64).default('gelu'),
  layer_norm_eps: z.number().positive().max(1).default(1e-12),
  image_size: square.default(224),
  patch_size: square.default(16),
  num_channels: z.number().int().default(3),
  qkv_bias: z.boolean().default(true),
});

const preprocessorSchema = z.object({
  image_mean: meanSchema.optional(),
  image_std: stdSchema.optional(),
  do_normalize: z.boolean().default(true),
  do_rescale: z.boolean().default(true),
  rescale_factor: z.number().default(1 / 255),
});

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, file: string) {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') || 'the file';
  throw new InputError(
    'BACKBONE_UNSUPPORTED',
    `backbone: ${file}: expected the configuration of a ViT, ${field} is missing or does not fit; use the file that came with the weights`,
    { field },
    { cause: parsed.error },
  );
}

function side(value: z.infer<typeof square>, field: string): number {
  if (typeof value === 'number') return value;
  if (value[0] !== value[1]) throw unsupported(`${field} is not square`, field);
  return value[0];
}

/** The plain architectures: a size, patch and image, then at most a tag. `_miil`, `_gap_` and the like differ inside. */
const plainArchitecture =
  /^(?:vit|deit)_(tiny|small|base|large|huge|giant|gigantic)_patch(\d+)_(\d+)(?:_in21k|_dino|_sam|_mae)?(?:\..*)?$/;

/** Options of timm's VisionTransformer at which it is the plain ViT. */
const plainArguments: Readonly<Record<string, readonly unknown[]>> = {
  in_chans: [3],
  num_classes: [],
  class_token: [true],
  global_pool: ['token'],
  qkv_bias: [true],
  qk_norm: [false],
  proj_bias: [true],
  init_values: [null],
  no_embed_class: [false],
  reg_tokens: [0],
  pre_norm: [false],
  final_norm: [true],
  fc_norm: [null, false],
  dynamic_img_size: [false],
};

/** Read a timm `config.json`. */
export function readTimmConfiguration(config: unknown): StatedConfiguration {
  const parsed = parse(timmSchema, config, 'config.json');
  const match = plainArchitecture.exec(parsed.architecture);
  if (match === null) {
    throw unsupported(`architecture ${parsed.architecture} is not known to be one`, 'architecture');
  }
  if (parsed.global_pool !== undefined && parsed.global_pool !== 'token') {
    throw unsupported(`it pools by ${parsed.global_pool}`, 'global_pool');
  }
  const given = parsed.model_args ?? {};
  const numbers = parse(timmArgumentsSchema, given, 'config.json, model_args');
  checkPlainArguments(given, Object.keys(timmArgumentsSchema.shape));
  const stated = parsed.pretrained_cfg?.input_size;
  if (stated !== undefined && (stated[0] !== 3 || stated[1] !== stated[2])) {
    throw unsupported('its input is not a square of three channels', 'input_size');
  }
  const size = timmSize(match[1] ?? '', numbers);
  const imageSize =
    numbers.img_size === undefined ? (stated?.[1] ?? null) : side(numbers.img_size, 'img_size');
  return {
    name: parsed.architecture,
    size,
    patchSize:
      numbers.patch_size === undefined ? Number(match[2]) : side(numbers.patch_size, 'patch_size'),
    imageSize,
    layerNormEpsilon: 1e-6, // timm's VisionTransformer, whatever the size
    mean: parsed.pretrained_cfg?.mean ?? half,
    std: parsed.pretrained_cfg?.std ?? half,
  };
}

function timmSize(
  sizeName: string,
  numbers: z.infer<typeof timmArgumentsSchema>,
): StatedConfiguration['size'] {
  const sizes: Readonly<Record<string, BackboneSize>> = backboneSizes;
  const base = sizes[`vit_${sizeName}`];
  if (base === undefined) throw unsupported(`size ${sizeName} is not known`, 'architecture');
  const dimension = numbers.embed_dim ?? base.dimension;
  const ratio = numbers.mlp_ratio ?? base.mlpDimension / base.dimension;
  return {
    dimension,
    blocks: numbers.depth ?? base.blocks,
    heads: numbers.num_heads ?? base.heads,
    mlpDimension: Math.floor(dimension * ratio + 1e-6), // timm: int(dim * mlp_ratio), e.g. 48/11 for giant
  };
}

function checkPlainArguments(
  given: Readonly<Record<string, unknown>>,
  numeric: readonly string[],
): void {
  for (const [name, value] of Object.entries(given)) {
    if (numeric.includes(name) || name === 'num_classes') continue;
    const allowed = Object.hasOwn(plainArguments, name) ? plainArguments[name] : undefined;
    if (allowed?.includes(value)) continue;
    throw unsupported(`its model_args set ${name.slice(0, 80)}`, name);
  }
}

/** Read a Hugging Face `config.json` of a ViT and, where there is one, its `preprocessor_config.json`. */
export function readHuggingFaceConfiguration(
  config: unknown,
  preprocessor: unknown,
): StatedConfiguration {
  const parsed = parse(huggingFaceSchema, config, 'config.json');
  if (parsed.model_type !== undefined && parsed.model_type !== 'vit') {
    throw unsupported(`model_type is ${parsed.model_type}`, 'model_type');
  }
  if (parsed.hidden_act !== 'gelu') {
    throw unsupported(`its activation is ${parsed.hidden_act}`, 'hidden_act');
  }
  if (parsed.num_channels !== 3) throw unsupported('it has not three channels', 'num_channels');
  if (!parsed.qkv_bias) throw unsupported('q, k and v have no bias', 'qkv_bias');
  const { mean, std } = readPreprocessor(preprocessor);
  return {
    name: `vit-hugging-face-${parsed.hidden_size}x${parsed.num_hidden_layers}`,
    size: {
      dimension: parsed.hidden_size,
      blocks: parsed.num_hidden_layers,
      heads: parsed.num_attention_heads,
      mlpDimension: parsed.intermediate_size,
    },
    patchSize: side(parsed.patch_size, 'patch_size'),
    imageSize: side(parsed.image_size, 'image_size'),
    layerNormEpsilon: parsed.layer_norm_eps,
    mean,
    std,
  };
}

function readPreprocessor(preprocessor: unknown): { mean: ChannelTriple; std: ChannelTriple } {
  if (preprocessor === undefined || preprocessor === null) return { mean: half, std: half };
  const parsed = parse(preprocessorSchema, preprocessor, 'preprocessor_config.json');
  const isRescaled = parsed.do_rescale && Math.abs(parsed.rescale_factor * 255 - 1) < 1e-9;
  if (!parsed.do_normalize || !isRescaled) {
    throw unsupported('its images are not scaled by 1/255 and normalised', 'preprocessor');
  }
  return { mean: parsed.image_mean ?? half, std: parsed.image_std ?? half };
}
