/** What every engine asks of a backbone, a specification and a call. */
import type { AdapterSpecification } from '#core/adapter';
import type { Backbone } from '#core/backbone';
import { checkLength } from '#core/check';
import { InputError } from '#core/errors';
import type { TaskAdapter } from './types.ts';

/** Most images in one call: far above any batch, low enough that a slip cannot ask for all of memory. */
export const imagesPerCallMax = 4096;

/** Images in one run of a per-example step: memory stays that of so many, however many Poisson sampling draws. */
export const examplesPerRun = 32;

/**
 * Refuse a specification that is not of this backbone's width and depth.
 *
 * @throws InputError ADAPTER_SPEC_INVALID naming both
 */
export function checkFits(backbone: Backbone, specification: AdapterSpecification): void {
  const { dimension, blocks } = backbone.configuration;
  if (specification.dimension === dimension && specification.blocks === blocks) return;
  throw new InputError(
    'ADAPTER_SPEC_INVALID',
    `adapter specification: expected dimension ${dimension} and ${blocks} blocks as ${backbone.name} has, ` +
      `got ${specification.dimension} and ${specification.blocks}; use the backbone that the task names`,
    { dimension: specification.dimension, blocks: specification.blocks },
  );
}

/**
 * Refuse an adapter that is not of this backbone's width and depth, or not of its own layout's length.
 *
 * @throws InputError ADAPTER_SPEC_INVALID or UPDATE_SHAPE_MISMATCH
 */
export function checkAdapter(
  backbone: Backbone,
  { specification, layout, values }: TaskAdapter,
): void {
  checkFits(backbone, specification);
  checkLength(values, layout.size, 'adapter');
}
