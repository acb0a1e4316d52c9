/** What a configuration amounts to, in a reader's words: its family, and in what it differs from the plain ViT. */
import type { BackboneConfiguration } from './types.ts';

/** T, tokens of one image, the CLS token counted. */
export function tokenCount({ imageSize, patchSize }: BackboneConfiguration): number {
  return (imageSize / patchSize) ** 2 + 1;
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
  _configuration: BackboneConfiguration,
): ArchitectureDescription {
  return { family: 'plain ViT', features: [] };
}
