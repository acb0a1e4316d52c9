/**
 * What a backbone's `config.json` says beyond its tensors, and what the readers of timm's and Hugging Face's share.
 *
 * An option that would change what is computed, and that the engines do not know, is refused by name.
 */
import { z } from 'zod';
import { InputError } from '#core/errors';
import { biasedParts } from './architecture.ts';
import { unsupported } from './tensor-names.ts';
import type {
  BackboneConfiguration,
  BackboneOptions,
  BackboneSize,
  ChannelTriple,
} from './types.ts';

/** What the configuration files contribute; null where they say nothing and the tensors decide. */
export interface StatedConfiguration {
  readonly name: string;
  readonly size: BackboneSize;
  readonly patchSize: number | null;
  readonly imageSize: number | null;
  readonly layerNormEpsilon: number;
  readonly activation: BackboneConfiguration['activation'];
  readonly pooling: BackboneConfiguration['pooling'];
  readonly options: BackboneOptions;
  readonly mean: ChannelTriple;
  readonly std: ChannelTriple;
}

/** A whole number of a configuration. */
export const countSchema = z.number().int().min(1).max(65_536);
/** A side, or two that must be the same. */
export const squareSchema = z.union([countSchema, z.tuple([countSchema, countSchema])]);
const tripleSchema = z.tuple([z.number(), z.number(), z.number()]);
/** Means of pixels between 0 and 1. */
export const meanSchema = tripleSchema.refine((mean) =>
  mean.every((value) => value >= 0 && value <= 1),
);
/** Standard deviations of them. */
export const stdSchema = tripleSchema.refine((std) =>
  std.every((value) => value > 0 && value <= 1),
);
/** Where nothing is stated. */
export const half: ChannelTriple = [0.5, 0.5, 0.5];

/**
 * Parse a part of another project's file.
 *
 * @param file - the file and part, for the message
 * @throws InputError BACKBONE_UNSUPPORTED naming the field that does not fit
 */
export function parsePart<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  file: string,
): z.infer<Schema> {
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

/**
 * Take the side of a square.
 *
 * @throws InputError BACKBONE_UNSUPPORTED where two sides differ
 */
export function sideOf(value: z.infer<typeof squareSchema>, field: string): number {
  if (typeof value === 'number') return value;
  if (value[0] !== value[1]) throw unsupported(`${field} is not square`, field);
  return value[0];
}

/** What a reader found, before what is as in the plain ViT is left out. */
export interface FoundOptions {
  readonly registers?: number;
  readonly hasLayerScale?: boolean;
  readonly hasNormBefore?: boolean;
  readonly positions?: 'learned' | 'patches' | 'rotary';
  readonly rotaryBase?: number;
  readonly withoutBias?: ReadonlySet<string>;
}

/** Leave out what is as in the plain ViT, so that the same backbone has the same fingerprint however it was described. */
export function normaliseOptions(found: FoundOptions): BackboneOptions {
  const { registers = 0, positions = 'learned', rotaryBase = 100 } = found;
  const withoutBias = biasedParts.filter((part) => found.withoutBias?.has(part) === true);
  return {
    ...(registers === 0 ? {} : { registers }),
    ...(found.hasLayerScale === true ? { hasLayerScale: true } : {}),
    ...(found.hasNormBefore === true ? { hasNormBefore: true } : {}),
    ...(positions === 'learned' ? {} : { positions }),
    ...(positions === 'rotary' ? { rotaryBase } : {}),
    ...(withoutBias.length === 0 ? {} : { withoutBias }),
  };
}
