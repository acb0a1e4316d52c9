/**
 * x Phi(x) with the exact error function, between the two products of the MLP, and its derivative.
 *
 * Letters: F mlp dimension; u = x W1^T + b1, (rows,F); w = u / sqrt 2. All scales stand in the products beside it, which
 * scale at no cost; and the derivative is made at once, so that one (rows,F) value is kept and one pass is left for later:
 *   gelu(u)    = (1 / sqrt 2) w (1 + erf w)
 *   2 gelu'(u) = (1 + erf w) + (2 / sqrt pi) w / exp(w^2)    (w / exp(w^2) is 0 where exp overflows)
 */
import type { GraphBuilder, Value } from './graph-builder.ts';

/** The MLP's hidden layer. */
export interface Activation {
  /** Proportional to the activation, (rows,F). */
  readonly activated: Value;
  /** The activation is this times `activated`. */
  readonly activatedScale: number;
  /** Proportional to the derivative by u, (rows,F); only made for a backward pass. */
  readonly slope?: Value;
  /** The derivative is this times `slope`. */
  readonly slopeScale: number;
}

/**
 * Add the hidden layer: one operator where no backward pass follows.
 *
 * @param graph - under construction
 * @param linear - x (rows,D), W1 (F,D) and b1 (F)
 * @param isSlopeNeeded - whether a backward pass follows
 */
export function addGelu(
  graph: GraphBuilder,
  linear: { readonly x: Value; readonly weight: Value; readonly bias: Value },
  isSlopeNeeded: boolean,
): Activation {
  const inputs = [linear.x, linear.weight, linear.bias];
  const transB = { int: 1 };
  if (!isSlopeNeeded) {
    const u = graph.op('Gemm', inputs, { transB });
    return { activated: graph.fusedOp('Gelu', [u]), activatedScale: 1, slopeScale: 1 };
  }
  const half = { float: Math.SQRT1_2 };
  const w = graph.op('Gemm', inputs, { transB, alpha: half, beta: half });
  const share = graph.op('Add', [graph.op('Erf', [w]), graph.scalar(1)]); // 2 Phi(u)
  const bell = graph.op('Div', [w, graph.op('Exp', [graph.op('Mul', [w, w])])]);
  const scaledBell = graph.op('Mul', [bell, graph.scalar(2 / Math.sqrt(Math.PI))]);
  const slope = graph.op('Add', [share, scaledBell]);
  // onnxruntime runs an operator as late as it can: asking for the slope's shape makes it now, and frees w and the share.
  const activated = graph.op('Reshape', [graph.op('Mul', [w, share]), graph.op('Shape', [slope])]);
  return { activated, activatedScale: Math.SQRT1_2, slope, slopeScale: 0.5 };
}
