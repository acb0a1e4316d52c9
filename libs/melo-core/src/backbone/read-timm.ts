/**
 * Reads timm's `config.json`: `architecture` names one of the families, `model_args` may change its numbers and options.
 *
 * The defaults of each family are those of timm 1.0.31; an interop spec holds them against timm itself.
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
import { unsupported } from './tensor-names.ts';
import { backboneSizes, type BackboneSize } from './types.ts';

// Other people's files: keys that say nothing about the computation are let through, so these are not strict objects.
const configSchema = z.object({
  architecture: z.string().min(1).max(128),
  num_features: countSchema.optional(),
  global_pool: z.string().max(64).optional(),
  model_args: z.record(z.string(), z.unknown()).optional(),
  pretrained_cfg: z
    .object({
      input_size: z.tuple([countSchema, countSchema, countSchema]).optional(),
      mean: meanSchema.optional(),
      std: stdSchema.optional(),
    })
    .optional(),
});

/** Arguments that are understood: the numbers, and the options that the engines know. */
const argumentsSchema = z.object({
  img_size: squareSchema.optional(),
  patch_size: squareSchema.optional(),
  embed_dim: countSchema.optional(),
  depth: countSchema.optional(),
  num_heads: countSchema.optional(),
  mlp_ratio: z.number().positive().max(64).optional(),
  init_values: z.number().nullable().optional(),
  no_embed_class: z.boolean().optional(),
  reg_tokens: z.number().int().min(0).max(64).optional(),
  pre_norm: z.boolean().optional(),
  qkv_bias: z.boolean().optional(),
  act_layer: z.enum(['gelu', 'quick_gelu']).nullable().optional(),
});
type Arguments = z.infer<typeof argumentsSchema>;

/** Arguments of timm's VisionTransformer that must be as in the plain ViT where they are given. */
const fixedArguments: Readonly<Record<string, readonly unknown[]>> = {
  in_chans: [3],
  class_token: [true],
  global_pool: ['token'],
  qk_norm: [false],
  proj_bias: [true],
  final_norm: [true],
  fc_norm: [null, false],
  dynamic_img_size: [false, true], // one size alone is run: that of the positions
};

/** A family of architectures. */
interface Family {
  /** Groups `size` and `patch`; the rest of the name is image size and tag. */
  readonly pattern: RegExp;
  readonly defaults: Arguments;
  readonly layerNormEpsilon: number;
  readonly found: FoundOptions;
  readonly pooling: StatedConfiguration['pooling'];
  readonly pools: readonly string[];
}

const family = (pattern: RegExp, other: Partial<Omit<Family, 'pattern'>> = {}): Family => ({
  ...{ pattern, defaults: {}, layerNormEpsilon: 1e-6, found: {}, pooling: 'cls' },
  pools: ['token'],
  ...other,
});

const dinov3 = {
  layerNormEpsilon: 1e-5,
  pools: ['token', 'avg'], // features are those of the CLS token, as DINOv3's authors use them
} as const;
const dinov3Found = { registers: 4, hasLayerScale: true, positions: 'rotary' } as const;

const families: readonly Family[] = [
  // A size, patch and image, then at most a tag: `_miil`, `_gap_` and the like differ inside.
  family(
    /^(?:vit|deit)_(?<size>tiny|small|base|large|huge|giant|gigantic)_patch(?<patch>\d+)_\d+(?:_in21k|_dino|_sam|_mae)?(?:\..*)?$/,
  ),
  family(/^deit_(?<size>tiny|small|base)_distilled_patch(?<patch>\d+)_\d+(?:\..*)?$/, {
    pooling: 'cls-distillation',
  }),
  family(/^deit3_(?<size>small|base|large|huge)_patch(?<patch>\d+)_\d+(?:\..*)?$/, {
    defaults: { init_values: 1e-6, no_embed_class: true },
  }),
  family(/^vit_(?<size>small|base|large)_patch(?<patch>\d+)_dinov2(?:\..*)?$/, {
    defaults: { init_values: 1e-5 },
  }),
  family(/^vit_(?<size>small|base|large)_patch(?<patch>\d+)_reg4_dinov2(?:\..*)?$/, {
    defaults: { init_values: 1e-5, no_embed_class: true, reg_tokens: 4 },
  }),
  family(/^vit_(?<size>small|base|large)_patch(?<patch>\d+)_dinov3(?:\..*)?$/, {
    ...dinov3,
    found: { ...dinov3Found, withoutBias: new Set(['q', 'k', 'v']) },
  }),
  family(/^vit_(?<size>small|base|large)_patch(?<patch>\d+)_dinov3_qkvb(?:\..*)?$/, {
    ...dinov3,
    found: { ...dinov3Found, withoutBias: new Set(['k']) }, // q and v alone: timm's Eva has no bias of k
  }),
  family(/^vit_(?<size>base|large|huge|giant|gigantic)_patch(?<patch>\d+)_clip_\d+(?:\..*)?$/, {
    defaults: { pre_norm: true },
    layerNormEpsilon: 1e-5,
  }),
  family(
    /^vit_(?<size>base|large|huge|giant|gigantic)_patch(?<patch>\d+)_clip_quickgelu_\d+(?:\..*)?$/,
    { defaults: { pre_norm: true, act_layer: 'quick_gelu' }, layerNormEpsilon: 1e-5 },
  ),
];

/**
 * Read a timm `config.json`.
 *
 * @param config - parsed JSON
 * @throws InputError BACKBONE_UNSUPPORTED naming the architecture or argument that is not known to be run exactly
 */
export function readTimmConfiguration(config: unknown): StatedConfiguration {
  const parsed = parsePart(configSchema, config, 'config.json');
  const { known, size, patchSize } = findFamily(parsed.architecture);
  const given = parsed.model_args ?? {};
  const pool = parsed.global_pool ?? 'token';
  if (!known.pools.includes(pool)) throw unsupported(`it pools by ${pool}`, 'global_pool');
  checkFixedArguments(given, known);
  const values = {
    ...known.defaults,
    ...parsePart(argumentsSchema, given, 'config.json, model_args'),
  };
  const stated = parsed.pretrained_cfg?.input_size;
  if (stated !== undefined && (stated[0] !== 3 || stated[1] !== stated[2])) {
    throw unsupported('its input is not a square of three channels', 'input_size');
  }
  return {
    name: parsed.architecture,
    size: sizeOf(size, values),
    patchSize:
      values.patch_size === undefined ? patchSize : sideOf(values.patch_size, 'patch_size'),
    imageSize: imageSizeOf(values, stated?.[1], known),
    layerNormEpsilon: known.layerNormEpsilon,
    activation: values.act_layer ?? 'gelu',
    pooling: known.pooling,
    options: optionsOf(values, known),
    mean: parsed.pretrained_cfg?.mean ?? half,
    std: parsed.pretrained_cfg?.std ?? half,
  };
}

function findFamily(architecture: string): {
  readonly known: Family;
  readonly size: BackboneSize;
  readonly patchSize: number;
} {
  const sizes: Readonly<Record<string, BackboneSize>> = backboneSizes;
  for (const known of families) {
    const groups = known.pattern.exec(architecture)?.groups;
    const size = sizes[`vit_${groups?.['size'] ?? ''}`];
    if (groups !== undefined && size !== undefined) {
      return { known, size, patchSize: Number(groups['patch']) };
    }
  }
  throw unsupported(`architecture ${architecture} is not known to be one`, 'architecture');
}

function sizeOf(base: BackboneSize, values: Arguments): BackboneSize {
  const dimension = values.embed_dim ?? base.dimension;
  const ratio = values.mlp_ratio ?? base.mlpDimension / base.dimension;
  return {
    dimension,
    blocks: values.depth ?? base.blocks,
    heads: values.num_heads ?? base.heads,
    mlpDimension: Math.floor(dimension * ratio + 1e-6), // timm: int(dim * mlp_ratio), e.g. 48/11 for giant
  };
}

/** What the file says; where it says nothing the table of positions does, or for rotary ones the size it was trained at. */
function imageSizeOf(values: Arguments, stated: number | undefined, known: Family): number | null {
  if (values.img_size !== undefined) return sideOf(values.img_size, 'img_size');
  return stated ?? (known.found.positions === 'rotary' ? 256 : null);
}

function optionsOf(values: Arguments, { found }: Family): StatedConfiguration['options'] {
  const isPreNorm = values.pre_norm === true;
  const registers = values.reg_tokens ?? found.registers ?? 0;
  if (values.reg_tokens !== undefined && registers > 0 && values.no_embed_class !== true) {
    throw unsupported('its registers have positions', 'reg_tokens');
  }
  const withoutBias = new Set(found.withoutBias);
  if (isPreNorm) withoutBias.add('patch_embed'); // timm: bias=not pre_norm
  if (values.qkv_bias === false) for (const part of ['q', 'k', 'v']) withoutBias.add(part);
  return normaliseOptions({
    ...found,
    registers,
    hasLayerScale: found.hasLayerScale ?? typeof values.init_values === 'number',
    hasNormBefore: isPreNorm,
    positions: found.positions ?? (values.no_embed_class === true ? 'patches' : 'learned'),
    withoutBias,
  });
}

function checkFixedArguments(given: Readonly<Record<string, unknown>>, known: Family): void {
  const understood = Object.keys(argumentsSchema.shape);
  for (const [name, value] of Object.entries(given)) {
    if (understood.includes(name) || name === 'num_classes') continue;
    const allowed = Object.hasOwn(fixedArguments, name) ? fixedArguments[name] : undefined;
    const isPool = name === 'global_pool' && known.pools.some((pool) => pool === value);
    if (isPool || allowed?.includes(value) === true) continue;
    throw unsupported(`its model_args set ${name.slice(0, 80)}`, name);
  }
}
