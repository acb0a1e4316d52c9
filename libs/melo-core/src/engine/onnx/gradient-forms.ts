/**
 * The two forms in which a graph gives gradients: summed over the batch, or one for each image.
 *
 * Letters as in vit-forward.ts; h is a projection's input, dy the derivative of its output, both (tokens B, D). Summed, a
 * product's inner axis is (tokens B). For each image it is its own tokens alone, and the batch is a batch of products:
 * FusedMatMul reads an image's rows out of (tokens,B,D) in place. Both forms have the same multiply-adds.
 */
import type { Dimension } from './model-schema.ts';
import type { GraphBuilder, Value } from './graph-builder.ts';
import type { GraphContext, LoraPair } from './vit-forward.ts';

/** How gradients come out of a graph. */
export interface GradientForm {
  /** Gradients of A and B: dA = s (dy B)^T h, dB = s dy^T (h A^T). */
  pair(
    context: GraphContext,
    pair: LoraPair,
    h: Value,
    dy: Value,
    tokens: number,
  ): readonly [Value, Value];
  /** Gradients of the head's weight and bias from dlogits (B,C) and features (B,D). */
  head(context: GraphContext, dLogits: Value, features: Value): readonly [Value, Value];
  /** Losses k l (B,1) as they are given out. */
  losses(graph: GraphBuilder, losses: Value): Value;
  /** Shape of the losses and, before the numbers of the adapter, of the gradients. */
  readonly rows: readonly Dimension[];
  /** Join gradients in the layout's order. */
  join(graph: GraphBuilder, gradients: readonly Value[]): Value;
}

/** h A^T and dy B, (tokens B, r) each. */
function narrow(graph: GraphBuilder, pair: LoraPair, h: Value, dy: Value): readonly [Value, Value] {
  const hA = graph.op('Gemm', [h, pair.a], { transB: { int: 1 } }); // (rows,D) x (r,D)^T -> (rows,r)
  return [hA, graph.op('Gemm', [dy, pair.b])]; // (rows,D) x (D,r) -> (rows,r)
}

/** Losses [] and gradients (P) of the whole batch. */
export const summedForm: GradientForm = {
  rows: [],
  pair: ({ graph, scale }, pair, h, dy) => {
    const product = { transA: { int: 1 }, alpha: { float: scale } };
    const [hA, dyB] = narrow(graph, pair, h, dy);
    return [graph.op('Gemm', [dyB, h], product), graph.op('Gemm', [dy, hA], product)];
  },
  head: ({ graph }, dLogits, features) => [
    graph.op('Gemm', [dLogits, features], { transA: { int: 1 } }), // (C,D)
    graph.op('ReduceSum', [dLogits, graph.integers([0])], { keepdims: { int: 0 } }), // (C)
  ],
  losses: (graph, losses) =>
    graph.op('ReduceSum', [losses, graph.integers([0, 1])], { keepdims: { int: 0 } }),
  join: (graph, gradients) => {
    const flat = gradients.map((gradient) => graph.op('Reshape', [gradient, graph.integers([-1])]));
    return graph.op('Concat', flat, { axis: { int: 0 } });
  },
};

/** Losses (B) and gradients (B,P), an image each. */
export const perExampleForm: GradientForm = {
  rows: ['B'],
  pair: ({ graph, configuration, scale, rank }, pair, h, dy, tokens) => {
    const { dimension } = configuration;
    const byToken = (rows: Value, width: number): Value =>
      graph.op('Reshape', [rows, graph.integers([tokens, -1, width])]); // (tokens,B,width)
    const product = {
      transA: { int: 1 },
      transBatchA: { int: 1 },
      transBatchB: { int: 1 },
      alpha: { float: scale },
    };
    const [hA, dyB] = narrow(graph, pair, h, dy);
    const dA = [byToken(dyB, rank), byToken(h, dimension)];
    const dB = [byToken(dy, dimension), byToken(hA, rank)];
    return [graph.fusedOp('FusedMatMul', dA, product), graph.fusedOp('FusedMatMul', dB, product)];
  },
  head: ({ graph }, dLogits, features) => {
    const columns = graph.op('Unsqueeze', [dLogits, graph.integers([2])]); // (B,C,1)
    const rows = graph.op('Unsqueeze', [features, graph.integers([1])]); // (B,1,D)
    return [graph.op('Mul', [columns, rows]), dLogits];
  },
  losses: (graph, losses) => graph.op('Squeeze', [losses, graph.integers([1])]),
  join: (graph, gradients) => {
    const flat = gradients.map(
      (gradient) => graph.op('Reshape', [gradient, graph.integers([0, -1])]), // (B, numbers of the tensor)
    );
    return graph.op('Concat', flat, { axis: { int: 1 } });
  },
};
