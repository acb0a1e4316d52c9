/**
 * The forward pass of a ViT with MeLo at q and v, as an ONNX graph that keeps what the backward pass needs.
 *
 * Letters: B images, T tokens, D dimension, H heads, K = D / H, F mlp dimension, r rank, s scale, C classes; Q is the
 * number of query tokens: T, but 1 in the last block, of whose output only the CLS token is used.
 *
 * Tokens stand first, (T,B,D), and are kept as (T B, D): so a head's rows are strided ranges that FusedMatMul reads in
 * place (transBatchA, transBatchB), no transpose; and the CLS token of all images is one contiguous range.
 * Weights are (out,in): y = x W^T. The merged W' = W + s B A is made once a run by one D x D product.
 *
 * @see Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929; Zhu et al. 2023 (MeLo), https://arxiv.org/abs/2311.08236
 */
import type { AdapterLayout } from '#core/adapter';
import type { BackboneConfiguration } from '#core/backbone';
import { assert } from '#core/errors';
import { addGelu } from './gelu.ts';
import type { Activation } from './gelu.ts';
import type { GraphBuilder, Value, WeightRange } from './graph-builder.ts';

/** What a forward pass is built on. */
export interface ForwardContext {
  readonly graph: GraphBuilder;
  readonly configuration: BackboneConfiguration;
  /** Whether a backward pass follows, so that what it needs is made and kept. */
  readonly isTrained: boolean;
  /** Where a frozen tensor lies, by its canonical name. */
  readonly weightRange: (name: string) => WeightRange;
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
}

/** What the forward pass leaves. */
export interface ForwardRecord {
  readonly blocks: readonly BlockRecord[];
  readonly norm: NormRecord;
  /** The CLS token after the last norm, (B,D). */
  readonly features: Value;
  /** (C,D). */
  readonly headWeight: Value;
  /** (B,C). */
  readonly logits: Value;
}

/** T, tokens of one image, the CLS token counted. */
export function tokenCount({ imageSize, patchSize }: BackboneConfiguration): number {
  return (imageSize / patchSize) ** 2 + 1;
}

/** Take a frozen tensor as it lies in the weights file. */
function frozen(context: ForwardContext, name: string, shape: readonly number[]): Value {
  return context.graph.weight(name, shape, context.weightRange(name));
}

/** y = x W^T + b, (rows,in) x (out,in)^T -> (rows,out). */
export function linear(graph: GraphBuilder, x: Value, weight: Value, bias: Value): Value {
  return graph.op('Gemm', [x, weight, bias], { transB: { int: 1 } });
}

function layerNorm(context: ForwardContext, input: Value, name: string): NormRecord {
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

/** Keep the CLS token of (T B, D) -> (B, D). */
function clsRows({ graph, configuration }: ForwardContext, x: Value): Value {
  const { dimension } = configuration;
  const tokens = graph.op('Reshape', [
    x,
    graph.integers([tokenCount(configuration), -1, dimension]),
  ]);
  const range = [graph.integers([0]), graph.integers([1]), graph.integers([0])];
  const cls = graph.op('Slice', [tokens, ...range]); // (1,B,D)
  return graph.op('Reshape', [cls, graph.integers([-1, dimension])]);
}

/** Embed patches (T-1,B,3PP) and add CLS and positions -> (T B, D). */
function embed(context: ForwardContext): Value {
  const { graph, configuration } = context;
  const { dimension, patchSize } = configuration;
  const tokens = tokenCount(configuration);
  const patchNumbers = 3 * patchSize * patchSize;
  const patches = graph.input('patches', [tokens - 1, 'B', patchNumbers]);
  const rows = graph.op('Reshape', [patches, graph.integers([-1, patchNumbers])]);
  const weight = frozen(context, 'patch_embed.proj.weight', [dimension, patchNumbers]);
  const bias = frozen(context, 'patch_embed.proj.bias', [dimension]);
  const embedded = graph.op('Reshape', [
    linear(graph, rows, weight, bias),
    graph.integers([tokens - 1, -1, dimension]),
  ]); // (T-1,B,D)
  const batch = graph.op('Shape', [patches], { start: { int: 1 }, end: { int: 2 } }); // [B]
  const clsShape = graph.op('Concat', [graph.integers([1]), batch, graph.integers([dimension])], {
    axis: { int: 0 },
  });
  const cls = graph.op('Expand', [frozen(context, 'cls_token', [1, 1, dimension]), clsShape]);
  const positions = frozen(context, 'pos_embed', [tokens, 1, dimension]);
  const joined = graph.op('Concat', [cls, embedded], { axis: { int: 0 } }); // (T,B,D)
  const placed = graph.op('Add', [joined, positions]);
  return graph.op('Reshape', [placed, graph.integers([-1, dimension])]);
}

/** Run one block: x (T B, D) -> (Q B, D). */
function block(
  context: ForwardContext,
  adapter: AdapterPart,
  index: number,
  x: Value,
): { readonly record: BlockRecord; readonly output: Value } {
  const { graph, configuration } = context;
  const { dimension, heads, mlpDimension, blocks } = configuration;
  const isLast = index === blocks - 1;
  const queryTokens = isLast ? 1 : tokenCount(configuration);
  const prefix = `blocks.${index}`;
  const square = (name: string): Value =>
    frozen(context, `${prefix}.attn.${name}.weight`, [dimension, dimension]);
  const bias = (name: string, size = dimension): Value =>
    frozen(context, `${prefix}.${name}.bias`, [size]);
  const split = (rows: Value, tokens: number): Value =>
    graph.op('Reshape', [rows, graph.integers([tokens, -1, heads, dimension / heads])]);

  const loraQ = adapter.pair(`${prefix}.attn.q`);
  const loraV = adapter.pair(`${prefix}.attn.v`);
  const norm1 = layerNorm(context, x, `${prefix}.norm1`);
  const queryInput = isLast ? clsRows(context, norm1.output) : norm1.output;
  const weights = {
    q: adapter.weight(square('q'), loraQ),
    k: square('k'),
    v: adapter.weight(square('v'), loraV),
    proj: square('proj'),
    fc1: frozen(context, `${prefix}.mlp.fc1.weight`, [mlpDimension, dimension]),
    fc2: frozen(context, `${prefix}.mlp.fc2.weight`, [dimension, mlpDimension]),
  };
  const tokens = tokenCount(configuration);
  const qRows = linear(graph, queryInput, weights.q, bias('attn.q'));
  const q = split(adapter.branch(qRows, loraQ, queryInput, queryTokens), queryTokens);
  const k = split(linear(graph, norm1.output, weights.k, bias('attn.k')), tokens);
  const vRows = linear(graph, norm1.output, weights.v, bias('attn.v'));
  const v = split(adapter.branch(vRows, loraV, norm1.output, tokens), tokens);
  const { attention, attended } = attend(context, { q, k, v });
  const rows = graph.op('Reshape', [attended, graph.integers([-1, dimension])]); // (Q B, D)
  const skipped = isLast ? clsRows(context, x) : x;
  const x1 = graph.op('Add', [skipped, linear(graph, rows, weights.proj, bias('attn.proj'))]);
  const norm2 = layerNorm(context, x1, `${prefix}.norm2`);
  const hidden = { x: norm2.output, weight: weights.fc1, bias: bias('mlp.fc1', mlpDimension) };
  const activation = addGelu(graph, hidden, context.isTrained);
  const second = graph.op('Gemm', [activation.activated, weights.fc2, bias('mlp.fc2')], {
    transB: { int: 1 },
    alpha: { float: activation.activatedScale },
  });
  const output = graph.op('Add', [x1, second]);
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

/**
 * Add the forward pass to a graph: input `patches` (T-1,B,3PP), besides the adapter's own.
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
  const logits = adapter.classify(norm.output); // (B,C)
  const { headWeight } = adapter;
  return { blocks, norm, features: norm.output, headWeight, logits };
}
