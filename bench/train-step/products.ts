/**
 * Chains of products that show how fast a machine multiplies matrices at its best: those of a block at a step's own shapes, and
 * square ones, which lose least at their edges.
 */
import { tokensOf } from './flops.ts';
import type { Shape } from './messages.ts';

/** x (rows, w0) times W (w0, w1) times W (w1, w2) and so on: one run, so that its start is spread over all of them. */
export interface ProductChain {
  readonly rows: number;
  readonly widths: readonly number[];
}

/** The chains of a shape; each benchmark side measures all of them, and the best counts. */
export function productChains(shape: Shape, batch: number): readonly ProductChain[] {
  const { dimension, mlpDimension } = shape;
  const rows = batch * tokensOf(shape);
  const square = (size: number): ProductChain => ({
    rows: size,
    widths: Array.from({ length: 4 }, () => size),
  });
  return [
    { rows, widths: [dimension, dimension, dimension, dimension, dimension] },
    { rows, widths: [dimension, mlpDimension, dimension, mlpDimension, dimension] },
    ...[768, 1024, 1536, 2048].map(square),
  ];
}

/** Operations of a chain, two for a multiplication with its addition. */
export function chainFlops({ rows, widths }: ProductChain): number {
  let products = 0;
  for (let at = 1; at < widths.length; at++) {
    products += (widths[at - 1] ?? 0) * (widths[at] ?? 0);
  }
  return 2 * rows * products;
}

/** Best rate of a turn that ran the chains one after the other, again and again: operations a second. */
export function bestRate(wallSeconds: readonly number[], chains: readonly ProductChain[]): number {
  const flops = chains.map(chainFlops);
  return Math.max(...wallSeconds.map((seconds, at) => (flops[at % flops.length] ?? 0) / seconds));
}
