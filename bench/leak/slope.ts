/** How fast a quantity grows, and a heap without garbage to look at. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { median } from '../round/median.ts';

/**
 * The median of the slopes between all pairs of points: a single jump, as of a page cache or an arena, does not move it.
 *
 * @param points - (x, y), two or more of different x
 * @see Sen 1968, https://doi.org/10.1080/01621459.1968.10480934
 */
export function slope(points: readonly (readonly [number, number])[]): number {
  const slopes = points.flatMap(([x, y], at) =>
    points.slice(at + 1).map(([otherX, otherY]) => (otherY - y) / (otherX - x)),
  );
  return median(slopes);
}

/** Collect all garbage, without a flag on the command line. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc()');
}
