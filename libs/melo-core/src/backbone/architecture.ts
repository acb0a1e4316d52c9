/** What a configuration amounts to: how many tokens of which kind, and its options in a reader's words. */
import type { BackboneConfiguration, BackboneOptions, BiasedPart } from './types.ts';

/** What decides which tokens stand before the patches. */
type PrefixOptions = Pick<BackboneConfiguration, 'pooling' | 'registers'>;

/** Tokens that belong to the image as a whole: 1, or 2 with a distillation token. */
export function classTokenCount({ pooling }: Pick<BackboneConfiguration, 'pooling'>): number {
  return pooling === 'cls-distillation' ? 2 : 1;
}

/** Tokens before the patches: CLS, distillation token, registers. */
export function prefixTokenCount(options: PrefixOptions): number {
  return classTokenCount(options) + (options.registers ?? 0);
}

/** N, patches of one image. */
export function patchCount({
  imageSize,
  patchSize,
}: Pick<BackboneConfiguration, 'imageSize' | 'patchSize'>): number {
  return (imageSize / patchSize) ** 2;
}

/** T, tokens of one image: those before the patches, and the patches. */
export function tokenCount(configuration: BackboneConfiguration): number {
  return prefixTokenCount(configuration) + patchCount(configuration);
}

/** Rows of the learned table of positions: 0 where positions are rotary. */
export function positionCount(configuration: BackboneConfiguration): number {
  const patches = patchCount(configuration);
  if (configuration.positions === 'rotary') return 0;
  return configuration.positions === 'patches' ? patches : classTokenCount(configuration) + patches;
}

/** Tell whether a projection has a bias. */
export function hasBias({ withoutBias }: BackboneOptions, part: string): boolean {
  return withoutBias?.some((without) => without === part) !== true;
}

/** The order in which `withoutBias` names its parts. */
export const biasedParts: readonly BiasedPart[] = ['patch_embed', 'q', 'k', 'v'];

/**
 * Cosines and sines that turn q and k, of DINOv3's rotary positions.
 *
 * The centre of a patch lies at (y, x) in [-1, 1]; with K = D / H and periods b^(4 i / K), i from 0 to K / 4 - 1, its angles are
 * 2 pi y / period for all i, then 2 pi x / period for all i, and the same K / 2 angles once more. A row is turned by
 * `x cos + (-x2, x1) sin`, x1 and x2 its halves. Tokens before the patches are not turned: cosine 1, sine 0.
 *
 * @param configuration - K is a multiple of 4
 * @returns `cosines` and `sines`, (T,K) each, row-major, new
 * @see Siméoni et al. 2025 (DINOv3), https://arxiv.org/abs/2508.10104, section 3
 */
export function rotaryTable(configuration: BackboneConfiguration): {
  readonly cosines: Float32Array;
  readonly sines: Float32Array;
} {
  const { dimension, heads, imageSize, patchSize, rotaryBase = 100 } = configuration;
  const width = dimension / heads; // K
  const perSide = imageSize / patchSize;
  const before = prefixTokenCount(configuration);
  const tokens = tokenCount(configuration);
  const cosines = new Float32Array(tokens * width).fill(1, 0, before * width);
  const sines = new Float32Array(tokens * width);
  for (let token = before; token < tokens; token++) {
    const patch = token - before;
    const places = [Math.floor(patch / perSide), patch % perSide]; // row, column
    for (let index = 0; index < width; index++) {
      const angleIndex = index % (width / 2);
      const place = places[Math.floor(angleIndex / (width / 4))] ?? 0;
      const coordinate = (2 * (place + 0.5)) / perSide - 1;
      const period = rotaryBase ** ((4 * (angleIndex % (width / 4))) / width);
      const angle = (2 * Math.PI * coordinate) / period;
      cosines[token * width + index] = Math.cos(angle);
      sines[token * width + index] = Math.sin(angle);
    }
  }
  return { cosines, sines };
}

/** A family's name and what is special about it. */
export interface ArchitectureDescription {
  /** Of the kind of computation: files of several publishers may share one. */
  readonly family: string;
  /** In what it differs from the plain ViT. */
  readonly features: readonly string[];
}

/**
 * Describe a configuration.
 *
 * @param configuration - of an opened backbone
 */
export function describeArchitecture(
  configuration: BackboneConfiguration,
): ArchitectureDescription {
  const { activation, pooling, registers, hasLayerScale, hasNormBefore, positions, withoutBias } =
    configuration;
  const features = [
    pooling === 'cls-distillation' ? 'a distillation token' : null,
    registers === undefined ? null : `${registers} registers`,
    hasLayerScale === undefined ? null : 'layer scale',
    hasNormBefore === undefined ? null : 'a norm before the blocks',
    positions === undefined
      ? null
      : positions === 'rotary'
        ? 'rotary positions'
        : 'positions of patches alone',
    activation === 'gelu' ? null : 'quick GELU',
    withoutBias === undefined ? null : `no bias at ${withoutBias.join(', ')}`,
  ].filter((feature) => feature !== null);
  return { family: features.length === 0 ? 'plain ViT' : 'ViT', features };
}
