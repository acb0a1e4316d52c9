/**
 * x sigmoid(1.702 x), which stands for GELU in CLIP, between the two products of the MLP, and its derivative.
 *
 * Letters: F mlp dimension; u = x W1^T + b1, (rows,F); w = 1.702 u, scaled in the product; s = sigmoid(w):
 *   quick_gelu(u)  = w s / 1.702
 *   quick_gelu'(u) = s + w s (1 - s)
 */
import type { Activation } from './gelu.ts';
import type { GraphBuilder, Value } from './graph-builder.ts';

const steepness = 1.702;

/**
 * Add the hidden layer: one operator where no backward pass follows.
 *
 * @param graph - under construction
 * @param linear - x (rows,D), W1 (F,D) and b1 (F)
 * @param isSlopeNeeded - whether a backward pass follows
 */
export function addQuickGelu(
  graph: GraphBuilder,
  linear: { readonly x: Value; readonly weight: Value; readonly bias: Value },
  isSlopeNeeded: boolean,
): Activation {
  const inputs = [linear.x, linear.weight, linear.bias];
  const transB = { int: 1 };
  const factor = { float: steepness };
  if (!isSlopeNeeded) {
    const u = graph.op('Gemm', inputs, { transB });
    const activated = graph.fusedOp('QuickGelu', [u], { alpha: factor });
    return { activated, activatedScale: 1, slopeScale: 1 };
  }
  const w = graph.op('Gemm', inputs, { transB, alpha: factor, beta: factor });
  const share = graph.op('Sigmoid', [w]);
  const product = graph.op('Mul', [w, share]);
  const rest = graph.op('Sub', [product, graph.op('Mul', [product, share])]); // w s (1 - s)
  const slope = graph.op('Add', [share, rest]);
  // As in gelu.ts: asking for the slope's shape makes it now.
  const activated = graph.op('Reshape', [product, graph.op('Shape', [slope])]);
  return { activated, activatedScale: 1 / steepness, slope, slopeScale: 1 };
}
