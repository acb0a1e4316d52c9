/** Adapters of a wanted size with made-up updates. */
import { adapterLayout, adapterSpecification, type AdapterLayout } from '#core/adapter';
import type { SiteUpdate } from '#core/aggregation';

const rank = 4;
const blocksTried = [48, 40, 32, 24, 12, 8, 6, 4, 3, 2, 1];
const dimensionMax = 8192;

/**
 * Lay out an adapter with so many numbers in A and B: 4 L D r at rank 4, as those of a ViT. 1,277,952 is that of ViT-G.
 *
 * @throws Error where no ViT has it
 */
export function layoutOfSize(params: number): AdapterLayout {
  for (const blocks of blocksTried) {
    const dimension = params / (4 * blocks * rank);
    if (!Number.isInteger(dimension) || dimension > dimensionMax) continue;
    return adapterLayout(
      adapterSpecification({ rank, alpha: rank, classes: ['a', 'b'], dimension, blocks }),
    );
  }
  throw new Error(`params: expected 4 L D r of a ViT at rank ${rank}, got ${params}`);
}

/** Numbers in [-scale, scale) of a linear congruential generator: quick, and the same in every run. */
export function madeUpValues(size: number, seed: number, scale: number): Float32Array {
  const values = new Float32Array(size);
  let state = seed >>> 0;
  for (let index = 0; index < size; index++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    values[index] = scale * (state / 2 ** 31 - 1);
  }
  return values;
}

/** Updates of so many sites, with unequal weights. */
export function madeUpUpdates(size: number, sites: number): SiteUpdate[] {
  return Array.from({ length: sites }, (_, at) => ({
    site: `site-${String(at).padStart(4, '0')}`,
    weight: 20 + ((at * 37) % 997),
    delta: madeUpValues(size, at + 1, 0.01),
  }));
}
