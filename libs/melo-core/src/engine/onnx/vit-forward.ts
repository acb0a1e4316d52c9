/**
 * The forward pass of a ViT with MeLo at q and v, as an ONNX graph that keeps what the backward pass needs.
 *
 * Letters: B images, T tokens, D dimension, H heads, K = D / H, F mlp dimension, r rank, s scale, C classes; Q is the
 * number of query tokens: T, but in the last block that of the tokens whose output is used: the CLS token, and the
 * distillation token where there is one; T again where the head reads the mean of the patches.
 *
 * Tokens stand first, (T,B,D), and are kept as (T B, D): so a head's rows are strided ranges that FusedMatMul reads in
 * place (transBatchA, transBatchB), no transpose; and the CLS token of all images is one contiguous range.
 * Weights are (out,in): y = x W^T. The merged W' = W + s B A is made once a run by one D x D product.
 *
 * @see Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929; Zhu et al. 2023 (MeLo), https://arxiv.org/abs/2311.08236
 */
import type { AdapterLayout } from '#core/adapter';
import { classTokenCount, hasBias, prefixTokenCount, tokenCount } from '#core/backbone';
import type { BackboneConfiguration } from '#core/backbone';
import type { Pooling } from '#core/protocol';
import { assert } from '#core/errors';
import { embed, turn } from './embedding.ts';
import { addGelu } from './gelu.ts';
import type { Activation } from './gelu.ts';
import type { GraphBuilder, Value, WeightRange } from './graph-builder.ts';
import { addQuickGelu } from './quick-gelu.ts';

export { tokenCount };

/** What a forward pass is built on. */
export interface ForwardContext {
  readonly graph: GraphBuilder;
  readonly configuration: BackboneConfiguration;
  /** Whether a backward pass follows, so that what it needs is made and kept. */
  readonly isTrained: boolean;
  /** Where a frozen tensor lies, by its canonical name. */
  readonly weightRange: (name: string) => WeightRange;
  /** What the head reads; the class token where it is left out. */
  readonly pooling?: Pooling | undefined;
}

/** What a graph for one adapter specification is built for. */
export interface GraphContext extends ForwardContext {
  readonly layout: AdapterLayout;
  /** s in W' = W + s B A. */
  readonly scale: number;
  /** r. */
  readonly rank: number;
  /** C. */
  readonly classes: number;
}

/** Where an adapter's tensors come from in a graph, and how a pair acts on a projection. */
export interface AdapterPart {
  /** A and B of a projection, e.g. `blocks.0.attn.q`. */
  pair(projection: string): LoraPair;
  /** The matrix that rows are multiplied with: W merged with the pair, or W itself. */
  weight(frozen: Value, pair: LoraPair): Value;
  /** What is added to the product: y (tokens B, D) from rows (tokens B, D), or y itself where the pair is merged. */
  branch(y: Value, pair: LoraPair, rows: Value, tokens: number): Value;
  /** (C,D), or one for each row. */
  readonly headWeight: Value;
  /** Logits (B,C) of features (B,D). */
  classify(features: Value): Value;
}

/** A layer norm of the forward pass; rows are (Q B) or (T B). */
export interface NormRecord {
  readonly input: Value;
  /** (rows, D). */
  readonly output: Value;
  /** (rows, 1). */
  readonly mean: Value;
  /** 1 / sqrt(variance + epsilon), (rows, 1). */
  readonly inverseDeviation: Value;
  /** (D). */
  readonly gain: Value;
}

/** One low-rank pair. */
export interface LoraPair {
  /** A, (r,D). */
  readonly a: Value;
  /** B, (D,r). */
  readonly b: Value;
}

/** What a block leaves for the backward pass. */
export interface BlockRecord {
  /** Q. */
  readonly queryTokens: number;
  readonly loraQ: LoraPair;
  readonly loraV: LoraPair;
  readonly norm1: NormRecord;
  /** The rows of norm1's output that queries come from, (Q B, D). */
  readonly queryInput: Value;
  /** What rows are multiplied with, (out,in): merged weights of q and v, and the frozen ones. */
  readonly weights: {
    readonly q: Value;
    readonly k: Value;
    readonly v: Value;
    readonly proj: Value;
    readonly fc1: Value;
    readonly fc2: Value;
  };
  /** (Q,B,H,K). */
  readonly q: Value;
  /** (T,B,H,K). */
  readonly k: Value;
  readonly v: Value;
  /** Softmax of the scores, (B,H,Q,T). */
  readonly attention: Value;
  /** Attention times v, (Q,B,H,K). */
  readonly attended: Value;
  readonly norm2: NormRecord;
  /** The MLP's hidden layer, (Q B, F). */
  readonly activation: Activation;
  /** Layer scales (D) of both branches, where the backbone has them. */
  readonly gammas: { readonly attention: Value | undefined; readonly mlp: Value | undefined };
}

/** What the forward pass leaves. */
export interface ForwardRecord {
  readonly blocks: readonly BlockRecord[];
  readonly norm: NormRecord;
  /** What the head reads after the last norm: the CLS token, or a mean of tokens, (B,D). */
  readonly features: Value;
  /** (C,D). */
  readonly headWeight: Value;
  /** (B,C). */
  readonly logits: Value;
}

/** Take a frozen tensor as it lies in the weights file. */
export function frozen(context: ForwardContext, name: string, shape: readonly number[]): Value {
  return context.graph.weight(name, shape, context.weightRange(name));
}

/** y = x W^T + b, (rows,in) x (out,in)^T -> (rows,out); without b where there is none. */
export function linear(graph: GraphBuilder, x: Value, weight: Value, bias?: Value): Value {
  const inputs = bias === undefined ? [x, weight] : [x, weight, bias];
  return graph.op('Gemm', inputs, { transB: { int: 1 } });
}

/** Normalise rows (rows,D), and keep what the backward pass needs. */
export function layerNorm(context: ForwardContext, input: Value, name: string): NormRecord {
  const { graph, configuration } = context;
  const gain = frozen(context, `${name}.weight`, [configuration.dimension]);
  const bias = frozen(context, `${name}.bias`, [configuration.dimension]);
  const [output, mean, inverseDeviation] = graph.ops(
    'LayerNormalization',
    [input, gain, bias],
    { axis: { int: -1 }, epsilon: { float: configuration.layerNormEpsilon } },
    3,
  );
  assert(
    output !== undefined && mean !== undefined && inverseDeviation !== undefined,
    'layer norm: expected three outputs',
  );
  return { input, output, mean, inverseDeviation, gain };
}

/** Keep the first `count` tokens, (T B, D) -> (count B, D). */
function firstRows({ graph, configuration }: ForwardContext, x: Value, count: number): Value {
  const { dimension } = configuration;
  const tokens = graph.op('Reshape', [
    x,
    graph.integers([tokenCount(configuration), -1, dimension]),
  ]);
  const range = [graph.integers([0]), graph.integers([count]), graph.integers([0])];
  const first = graph.op('Slice', [tokens, ...range]); // (count,B,D)
  return graph.op('Reshape', [first, graph.integers([-1, dimension])]);
}

/** Multiply a branch (rows,D) by its layer scale (D), where the backbone has one. */
function scaleLayer(context: ForwardContext, branch: Value, gamma: Value | undefined): Value {
  return gamma === undefined ? branch : context.graph.op('Mul', [branch, gamma]);
}

/** What is frozen in a block besides its norms; a bias or layer scale that the backbone lacks is undefined. */
function frozenBlock(context: ForwardContext, prefix: string) {
  const { configuration } = context;
  const { dimension, mlpDimension } = configuration;
  const vector = (name: string, size = dimension): Value =>
    frozen(context, `${prefix}.${name}`, [size]);
  const square = (name: string): Value =>
    frozen(context, `${prefix}.attn.${name}.weight`, [dimension, dimension]);
  const biasOf = (part: 'q' | 'k' | 'v'): Value | undefined =>
    hasBias(configuration, part) ? vector(`attn.${part}.bias`) : undefined;
  const gamma = (name: string): Value | undefined =>
    configuration.hasLayerScale === true ? vector(`${name}.gamma`) : undefined;
  return {
    ...{ q: square('q'), k: square('k'), v: square('v'), proj: square('proj') },
    fc1: frozen(context, `${prefix}.mlp.fc1.weight`, [mlpDimension, dimension]),
    fc2: frozen(context, `${prefix}.mlp.fc2.weight`, [dimension, mlpDimension]),
    bias: {
      ...{ q: biasOf('q'), k: biasOf('k'), v: biasOf('v'), proj: vector('attn.proj.bias') },
      ...{ fc1: vector('mlp.fc1.bias', mlpDimension), fc2: vector('mlp.fc2.bias') },
    },
    gammas: { attention: gamma('ls1'), mlp: gamma('ls2') },
  };
}

/** Run one block: x (T B, D) -> (Q B, D). */
function block(
  context: ForwardContext,
  adapter: AdapterPart,
  index: number,
  x: Value,
): { readonly record: BlockRecord; readonly output: Value } {
  const { graph, configuration } = context;
  const { dimension, heads, blocks } = configuration;
  const isLast = index === blocks - 1;
  const queryTokens = isLast ? readTokenCount(context) : tokenCount(configuration);
  const isCut = queryTokens < tokenCount(configuration);
  const prefix = `blocks.${index}`;
  const split = (rows: Value, tokens: number): Value =>
    graph.op('Reshape', [rows, graph.integers([tokens, -1, heads, dimension / heads])]);

  const loraQ = adapter.pair(`${prefix}.attn.q`);
  const loraV = adapter.pair(`${prefix}.attn.v`);
  const norm1 = layerNorm(context, x, `${prefix}.norm1`);
  const queryInput = isCut ? firstRows(context, norm1.output, queryTokens) : norm1.output;
  const { bias, gammas, ...unmerged } = frozenBlock(context, prefix);
  const weights = {
    ...unmerged,
    q: adapter.weight(unmerged.q, loraQ),
    v: adapter.weight(unmerged.v, loraV),
  };
  const tokens = tokenCount(configuration);
  const qRows = linear(graph, queryInput, weights.q, bias.q);
  const qSplit = split(adapter.branch(qRows, loraQ, queryInput, queryTokens), queryTokens);
  const q = turn(context, qSplit, queryTokens);
  const kSplit = split(linear(graph, norm1.output, weights.k, bias.k), tokens);
  const k = turn(context, kSplit, tokens);
  const vRows = linear(graph, norm1.output, weights.v, bias.v);
  const v = split(adapter.branch(vRows, loraV, norm1.output, tokens), tokens);
  const { attention, attended } = attend(context, { q, k, v });
  const rows = graph.op('Reshape', [attended, graph.integers([-1, dimension])]); // (Q B, D)
  const skipped = isCut ? firstRows(context, x, queryTokens) : x;
  const projected = linear(graph, rows, weights.proj, bias.proj);
  const x1 = graph.op('Add', [skipped, scaleLayer(context, projected, gammas.attention)]);
  const norm2 = layerNorm(context, x1, `${prefix}.norm2`);
  const hidden = { x: norm2.output, weight: weights.fc1, bias: bias.fc1 };
  const addActivation = configuration.activation === 'gelu' ? addGelu : addQuickGelu;
  const activation = addActivation(graph, hidden, context.isTrained);
  const second = graph.op('Gemm', [activation.activated, weights.fc2, bias.fc2], {
    transB: { int: 1 },
    alpha: { float: activation.activatedScale },
  });
  const output = graph.op('Add', [x1, scaleLayer(context, second, gammas.mlp)]);
  const record = {
    queryTokens,
    loraQ,
    loraV,
    norm1,
    queryInput,
    weights,
    q,
    k,
    v,
    attention,
    attended,
    norm2,
    activation,
    gammas,
  };
  return { record, output };
}

/** softmax(q k^T / sqrt K) v by head. */
function attend(
  { graph, configuration }: ForwardContext,
  { q, k, v }: { readonly q: Value; readonly k: Value; readonly v: Value },
): { readonly attention: Value; readonly attended: Value } {
  const headDimension = configuration.dimension / configuration.heads;
  const scores = graph.fusedOp('FusedMatMul', [q, k], {
    transBatchA: { int: 1 },
    transBatchB: { int: 1 },
    transB: { int: 1 },
    alpha: { float: 1 / Math.sqrt(headDimension) },
  }); // (B,H,Q,K) x (B,H,T,K)^T -> (B,H,Q,T)
  const attention = graph.op('Softmax', [scores], { axis: { int: -1 } });
  const product = graph.fusedOp('FusedMatMul', [attention, v], { transBatchB: { int: 1 } }); // (B,H,Q,K)
  const attended = graph.op('Transpose', [product], { perm: { ints: [2, 0, 1, 3] } });
  return { attention, attended };
}

/** Tokens whose output of the last block is used. */
export function readTokenCount({ configuration, pooling }: ForwardContext): number {
  return pooling === 'mean' ? tokenCount(configuration) : classTokenCount(configuration);
}

/** The mean over the patches, (T B, D) -> (B, D). */
function meanOfPatches({ graph, configuration }: ForwardContext, rows: Value): Value {
  const tokens = tokenCount(configuration);
  const byToken = graph.op('Reshape', [
    rows,
    graph.integers([tokens, -1, configuration.dimension]),
  ]);
  const first = graph.integers([prefixTokenCount(configuration)]);
  const range = [first, graph.integers([tokens]), graph.integers([0])];
  const patches = graph.op('Slice', [byToken, ...range]); // (N,B,D)
  return graph.op('ReduceMean', [patches, graph.integers([0])], { keepdims: { int: 0 } });
}

/** The mean over the tokens that are read, (Q B, D) -> (B, D). */
function meanOfTokens(context: ForwardContext, rows: Value): Value {
  const { graph, configuration, pooling } = context;
  if (pooling === 'mean') return meanOfPatches(context, rows);
  const count = classTokenCount(configuration);
  if (count === 1) return rows;
  const byToken = graph.op('Reshape', [rows, graph.integers([count, -1, configuration.dimension])]);
  return graph.op('ReduceMean', [byToken, graph.integers([0])], { keepdims: { int: 0 } });
}

/**
 * Add the forward pass to a graph: input `patches` (N,B,3PP), besides the adapter's own.
 *
 * @param context - the graph and what it is for
 * @param adapter - where A, B and head come from
 * @returns names of what was computed, for outputs and the backward pass
 */
export function addForward(context: ForwardContext, adapter: AdapterPart): ForwardRecord {
  const { configuration } = context;
  const blocks: BlockRecord[] = [];
  let x = embed(context);
  for (let index = 0; index < configuration.blocks; index++) {
    const { record, output } = block(context, adapter, index, x);
    blocks.push(record);
    x = output;
  }
  const norm = layerNorm(context, x, 'norm');
  const features = meanOfTokens(context, norm.output);
  const logits = adapter.classify(features); // (B,C)
  const { headWeight } = adapter;
  return { blocks, norm, features, headWeight, logits };
}
