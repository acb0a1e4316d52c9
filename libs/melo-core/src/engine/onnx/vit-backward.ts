/**
 * The loss and its gradient to A, B and the head, derived by hand, as an ONNX graph on top of the forward pass.
 *
 * Letters as in vit-forward.ts; dx stands for the derivative of the loss by x, of x's shape.
 *   dA = s (dy B)^T h            (r,D), without a D x D product; see gradient-forms.ts
 *   dB = s dy^T (h A^T)          (D,r)
 *   softmax: dS = P * (dP - rowsum(dO * O)), since rowsum(dP * P) = rowsum(dO * O)   (no T x T reduction)
 *   layer norm: dx = (dn - mean(dn) - n mean(dn n)) / deviation, n the normalised input, dn = dy * gain
 * Nothing flows into frozen weights or below the first block.
 */
import { classTokenCount, patchCount, prefixTokenCount } from '#core/backbone';
import { assert } from '#core/errors';
import type { LossName } from '../types.ts';
import { turnBack } from './embedding.ts';
import type { GradientForm } from './gradient-forms.ts';
import type { GraphBuilder, Value } from './graph-builder.ts';
import { addLoss } from './losses.ts';
import { tokenCount } from './vit-forward.ts';
import type { BlockRecord, ForwardRecord, GraphContext, NormRecord } from './vit-forward.ts';

/** dy W for W (out,in): (rows,out) -> (rows,in); `added` (rows,in) is added where given. */
function throughLinear(graph: GraphBuilder, dy: Value, weight: Value, added?: Value): Value {
  return graph.op('Gemm', added === undefined ? [dy, weight] : [dy, weight, added]);
}

/** Layer norm backward, plus what flows past it: (rows,D). */
function throughNorm(graph: GraphBuilder, norm: NormRecord, dy: Value, past?: Value): Value {
  const axis = graph.integers([-1]);
  const dn = graph.op('Mul', [dy, norm.gain]);
  const centred = graph.op('Sub', [norm.input, norm.mean]);
  const n = graph.op('Mul', [centred, norm.inverseDeviation]);
  const meanDn = graph.op('ReduceMean', [dn, axis]);
  const meanDnN = graph.op('ReduceMean', [graph.op('Mul', [dn, n]), axis]);
  const projected = graph.op('Sub', [graph.op('Sub', [dn, meanDn]), graph.op('Mul', [n, meanDnN])]);
  const dx = graph.op('Mul', [projected, norm.inverseDeviation]);
  return past === undefined ? dx : graph.op('Add', [past, dx]);
}

/** dy gamma: (rows,D); dy itself where there is no layer scale. */
function throughLayerScale(graph: GraphBuilder, dy: Value, gamma: Value | undefined): Value {
  return gamma === undefined ? dy : graph.op('Mul', [dy, gamma]);
}

/** dx of the MLP's input from its output's dx: (rows,D) -> (rows,D). */
function throughMlp(graph: GraphBuilder, block: BlockRecord, dx: Value): Value {
  const { weights, activation, gammas } = block;
  assert(activation.slope !== undefined, 'graph: expected the slope of a trained block');
  const dBranch = throughLayerScale(graph, dx, gammas.mlp);
  const da = graph.op('Gemm', [dBranch, weights.fc2], { alpha: { float: activation.slopeScale } });
  return throughLinear(graph, graph.op('Mul', [da, activation.slope]), weights.fc1);
}

/** Give (Q B, D) rows their heads: (Q,B,H,K). */
function splitHeads({ graph, configuration }: GraphContext, rows: Value, tokens: number): Value {
  const { dimension, heads } = configuration;
  return graph.op('Reshape', [rows, graph.integers([tokens, -1, heads, dimension / heads])]);
}

/** (B,H,Q,K) -> (Q B, D). */
function joinHeads({ graph, configuration }: GraphContext, product: Value): Value {
  const tokensFirst = graph.op('Transpose', [product], { perm: { ints: [2, 0, 1, 3] } });
  return graph.op('Reshape', [tokensFirst, graph.integers([-1, configuration.dimension])]);
}

/** Attention backward: dO (Q B, D) -> dq (Q B, D), dv (T B, D), and dk (T B, D) where something lies below. */
function throughAttention(
  context: GraphContext,
  block: BlockRecord,
  dOutput: Value,
  isKeyNeeded: boolean,
): { readonly dq: Value; readonly dk: Value | undefined; readonly dv: Value } {
  const { graph, configuration } = context;
  const alpha = { float: 1 / Math.sqrt(configuration.dimension / configuration.heads) };
  const tokens = tokenCount(configuration);
  const yes = { int: 1 };
  const dO = splitHeads(context, dOutput, block.queryTokens); // (Q,B,H,K)
  const dv = graph.fusedOp('FusedMatMul', [block.attention, dO], {
    transA: yes,
    transBatchB: yes,
  }); // (B,H,Q,T)^T x (B,H,Q,K) -> (B,H,T,K)
  const dP = graph.fusedOp('FusedMatMul', [dO, block.v], {
    transBatchA: yes,
    transBatchB: yes,
    transB: yes,
  }); // (B,H,Q,T)
  const product = graph.op('Mul', [dO, block.attended]);
  const rowSum = graph.op('ReduceSum', [product, graph.integers([-1])]); // (Q,B,H,1)
  const rowSumByHead = graph.op('Transpose', [rowSum], { perm: { ints: [1, 2, 0, 3] } }); // (B,H,Q,1)
  const dS = graph.op('Mul', [block.attention, graph.op('Sub', [dP, rowSumByHead])]);
  const dq = graph.fusedOp('FusedMatMul', [dS, block.k], { transBatchB: yes, alpha });
  const dk = isKeyNeeded
    ? graph.fusedOp('FusedMatMul', [dS, block.q], { transA: yes, transBatchB: yes, alpha })
    : undefined;
  return {
    dq: joinHeads(context, turnBack(context, dq, block.queryTokens)),
    dk: dk === undefined ? undefined : joinHeads(context, turnBack(context, dk, tokens)),
    dv: joinHeads(context, dv),
  };
}

/** Put zeros behind the tokens that were queried: (Q B, D) -> (T B, D). */
function padTokens({ graph, configuration }: GraphContext, rows: Value, queried: number): Value {
  const { dimension } = configuration;
  const missing = tokenCount(configuration) - queried;
  const first = graph.op('Reshape', [rows, graph.integers([queried, -1, dimension])]);
  const padded = graph.op('Pad', [first, graph.integers([0, 0, 0, missing, 0, 0])]); // (T,B,D)
  return graph.op('Reshape', [padded, graph.integers([-1, dimension])]);
}

/** Block backward: dx (Q B, D) -> the gradients of its pairs, and dx of its input (T B, D) unless it is the first. */
function throughBlock(
  context: GraphContext,
  block: BlockRecord,
  index: number,
  dx: Value,
  form: GradientForm,
): { readonly gradients: readonly Value[]; readonly dInput: Value | undefined } {
  const { graph, configuration } = context;
  const { weights } = block;
  const isFirst = index === 0;
  const isCut = block.queryTokens < tokenCount(configuration);
  const dx1 = throughNorm(graph, block.norm2, throughMlp(graph, block, dx), dx);
  const dBranch = throughLayerScale(graph, dx1, block.gammas.attention);
  const dO = throughLinear(graph, dBranch, weights.proj);
  const { dq, dk, dv } = throughAttention(context, block, dO, !isFirst);
  const gradients = [
    ...form.pair(context, block.loraQ, block.queryInput, dq, block.queryTokens),
    ...form.pair(context, block.loraV, block.norm1.output, dv, tokenCount(configuration)),
  ];
  if (dk === undefined) return { gradients, dInput: undefined };
  const fromQuery = throughLinear(graph, dq, weights.q);
  const spread = (rows: Value): Value =>
    isCut ? padTokens(context, rows, block.queryTokens) : rows;
  const fromKey = throughLinear(graph, dk, weights.k, spread(fromQuery));
  const dh = throughLinear(graph, dv, weights.v, fromKey);
  return { gradients, dInput: throughNorm(graph, block.norm1, dh, spread(dx1)) };
}

/** The derivative through a mean over the patches: (B,D) -> (T B, D), zero for the tokens before them. */
function throughMeanOfPatches({ graph, configuration }: GraphContext, dFeatures: Value): Value {
  const { dimension } = configuration;
  const [before, patches] = [prefixTokenCount(configuration), patchCount(configuration)];
  const share = graph.op('Mul', [dFeatures, graph.scalar(1 / patches)]);
  const row = graph.op('Reshape', [share, graph.integers([1, -1, dimension])]);
  const copies = graph.op('Expand', [row, graph.integers([patches, 1, 1])]); // (N,B,D)
  const padded = graph.op('Pad', [copies, graph.integers([before, 0, 0, 0, 0, 0])]); // (T,B,D)
  return graph.op('Reshape', [padded, graph.integers([-1, dimension])]);
}

/** The derivative through a mean over the tokens that are read: (B,D) -> (Q B, D). */
function throughMean(context: GraphContext, dFeatures: Value): Value {
  const { graph, configuration, pooling } = context;
  if (pooling === 'mean') return throughMeanOfPatches(context, dFeatures);
  const count = classTokenCount(configuration);
  if (count === 1) return dFeatures;
  const share = graph.op('Mul', [dFeatures, graph.scalar(1 / count)]);
  const copies = Array.from({ length: count }, () => share);
  return graph.op('Concat', copies, { axis: { int: 0 } });
}

/** Which loss, and in which form its gradients come out. */
export interface BackwardOptions {
  readonly loss: LossName;
  readonly form: GradientForm;
}

/**
 * Add the loss and the backward pass: inputs `targets` (B,C) and `coefficients`, outputs `loss` and `gradients` in the
 * layout's order, of the form's shape.
 *
 * @param context - of the forward pass
 * @param forward - what {@link addForward} returned for the same graph
 * @param options - loss and form
 */
export function addBackward(
  context: GraphContext,
  forward: ForwardRecord,
  { loss, form }: BackwardOptions,
): void {
  const { graph, layout } = context;
  const { losses, dLogits } = addLoss(context, forward.logits, loss);
  const dFeatures = throughLinear(graph, dLogits, forward.headWeight);
  let dx = throughNorm(graph, forward.norm, throughMean(context, dFeatures)); // (Q B, D)
  let gradients: readonly Value[] = form.head(context, dLogits, forward.features);
  for (const [index, block] of [...forward.blocks.entries()].reverse()) {
    const below = throughBlock(context, block, index, dx, form);
    gradients = [...below.gradients, ...gradients];
    dx = below.dInput ?? dx;
  }
  graph.output('loss', form.losses(graph, losses), form.rows);
  graph.output('gradients', form.join(graph, gradients), [...form.rows, layout.size]);
}
