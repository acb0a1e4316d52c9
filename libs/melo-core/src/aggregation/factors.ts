/** The pairs of low-rank factors among the tensors of a layout. */
import type { TensorPlace } from '#core/adapter';

/** One A (r,D) and its B (D,r). */
export interface FactorPair {
  readonly a: TensorPlace;
  readonly b: TensorPlace;
  /** r. */
  readonly rank: number;
  /** D. */
  readonly dimension: number;
}

/** Find the pairs of which both factors are among these tensors, in their order. */
export function factorPairs(places: readonly TensorPlace[]): FactorPair[] {
  const byName = new Map(places.map((place) => [place.name, place]));
  return places.flatMap((a) => {
    if (!a.name.endsWith('.lora_A')) return [];
    const b = byName.get(a.name.replace(/A$/, 'B'));
    const [rank, dimension] = a.shape;
    if (b === undefined || rank === undefined || dimension === undefined) return [];
    return [{ a, b, rank, dimension }];
  });
}
