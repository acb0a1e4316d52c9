/**
 * The ways an adapter can stand in a graph: one flat input for training, tensors of any rank and number of classes for
 * one task, and those of a task for each image of a batch.
 *
 * Letters: B images, T tokens, D dimension, r rank, s scale, C classes, P numbers of a flat adapter. A is (r,D), B (D,r).
 */
import { assert } from '#core/errors';
import type { GraphBuilder, Value } from './graph-builder.ts';
import { linear } from './vit-forward.ts';
import type { AdapterPart, ForwardContext, GraphContext, LoraPair } from './vit-forward.ts';

/** W' = W + s B A, (D,r) x (r,D) -> (D,D). */
function merge(graph: GraphBuilder, frozen: Value, { a, b }: LoraPair, scale: number): Value {
  return graph.op('Gemm', [b, a, frozen], { alpha: { float: scale } });
}

/**
 * The adapter of training: input `adapter` (P) in the layout's order, its rank, scale and classes part of the graph.
 *
 * @param context - the graph, layout and scale
 */
export function flatAdapter({ graph, layout, scale }: GraphContext): AdapterPart {
  const flat = graph.input('adapter', [layout.size]);
  const sizes = graph.integers(layout.tensors.map(({ size }) => size));
  const parts = graph.ops('Split', [flat, sizes], { axis: { int: 0 } }, layout.tensors.length);
  const tensors = new Map(
    layout.tensors.map(({ name, shape }, index): [string, Value] => {
      const part = parts[index];
      assert(part !== undefined, `adapter tensor ${name}: expected a part of the split`);
      return [name, graph.op('Reshape', [part, graph.integers(shape)])];
    }),
  );
  const required = (name: string): Value => {
    const value = tensors.get(name);
    assert(value !== undefined, `adapter tensor ${name}: expected it in the layout`);
    return value;
  };
  const headWeight = required('head.weight');
  return {
    pair: (projection) => ({
      a: required(`${projection}.lora_A`),
      b: required(`${projection}.lora_B`),
    }),
    weight: (frozen, pair) => merge(graph, frozen, pair, scale),
    branch: (y) => y,
    headWeight,
    classify: (features) => linear(graph, features, headWeight, required('head.bias')),
  };
}

/**
 * One task's adapter, of any rank, scale and number of classes: inputs `scale` (1,1), `head.weight` (C,D), `head.bias` (C),
 * and for each projection `NAME.lora_A` (r,D) and `NAME.lora_B` (D,r), merged once a run.
 *
 * @param context - the graph and the backbone's configuration
 */
export function taskAdapter({ graph, configuration }: ForwardContext): AdapterPart {
  const { dimension } = configuration;
  const scale = graph.input('scale', [1, 1]);
  const headWeight = graph.input('head.weight', ['C', dimension]);
  const headBias = graph.input('head.bias', ['C']);
  return {
    pair: (projection) => ({
      a: graph.op('Mul', [graph.input(`${projection}.lora_A`, ['r', dimension]), scale]), // s A
      b: graph.input(`${projection}.lora_B`, [dimension, 'r']),
    }),
    weight: (frozen, pair) => merge(graph, frozen, pair, 1),
    branch: (y) => y,
    headWeight,
    classify: (features) => linear(graph, features, headWeight, headBias),
  };
}

/**
 * An adapter for each image: inputs `scale` (B,1,1), `head.weight` (B,C,D), `head.bias` (B,1,C), and for each projection
 * `NAME.lora_A` (B,r,D) and `NAME.lora_B` (B,D,r). What is smaller than the largest of the batch is filled up with zeros.
 *
 * y_b = h_b W^T + (s_b h_b A_b^T) B_b^T: the frozen product is one for all images, the branch one for each.
 *
 * @param context - the graph and the backbone's configuration
 */
export function rowAdapters({ graph, configuration }: ForwardContext): AdapterPart {
  const { dimension } = configuration;
  const scale = graph.input('scale', ['B', 1, 1]);
  const headWeight = graph.input('head.weight', ['B', 'C', dimension]);
  const headBias = graph.input('head.bias', ['B', 1, 'C']);
  return {
    pair: (projection) => ({
      a: graph.input(`${projection}.lora_A`, ['B', 'r', dimension]),
      b: graph.input(`${projection}.lora_B`, ['B', dimension, 'r']),
    }),
    weight: (frozen) => frozen,
    branch: (y, { a, b }, rows, tokens) => {
      const byToken = graph.op('Reshape', [rows, graph.integers([tokens, -1, dimension])]); // (T,B,D)
      const narrow = graph.fusedOp('FusedMatMul', [byToken, a], {
        transBatchA: { int: 1 },
        transB: { int: 1 },
      }); // (B,T,D) x (B,r,D)^T -> (B,T,r)
      const scaled = graph.op('Mul', [narrow, scale]);
      const wide = graph.fusedOp('FusedMatMul', [scaled, b], { transB: { int: 1 } }); // (B,T,D)
      const placed = graph.op('Transpose', [wide], { perm: { ints: [1, 0, 2] } }); // (T,B,D)
      return graph.op('Add', [y, graph.op('Reshape', [placed, graph.integers([-1, dimension])])]);
    },
    headWeight,
    classify: (features) => {
      const row = graph.op('Unsqueeze', [features, graph.integers([1])]); // (B,1,D)
      const product = graph.fusedOp('FusedMatMul', [row, headWeight], { transB: { int: 1 } }); // (B,1,C)
      return graph.op('Squeeze', [graph.op('Add', [product, headBias]), graph.integers([1])]); // (B,C)
    },
  };
}
