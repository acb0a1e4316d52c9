/**
 * The part of a ViT's ONNX graph before the first block: patches, the tokens before them, positions, the norm of CLIP.
 *
 * Letters as in vit-forward.ts; N patches of an image, G tokens before the patches (CLS, distillation token, registers), T = G + N.
 * All of it is frozen and below the first block, so no gradient goes here.
 */
import {
  classTokenCount,
  hasBias,
  patchCount,
  prefixTokenCount,
  rotaryTable,
  tokenCount,
  type BackboneConfiguration,
} from '#core/backbone';
import type { GraphBuilder, Value } from './graph-builder.ts';
import { frozen, layerNorm, linear, type ForwardContext } from './vit-forward.ts';

/**
 * Embed patches (N,B,3PP) and put tokens and positions to them.
 *
 * @param context - the graph and the backbone's configuration
 * @returns (T B, D)
 */
export function embed(context: ForwardContext): Value {
  const { graph, configuration } = context;
  const { dimension, patchSize } = configuration;
  const count = patchCount(configuration);
  const patchNumbers = 3 * patchSize * patchSize;
  const patches = graph.input('patches', [count, 'B', patchNumbers]);
  const rows = graph.op('Reshape', [patches, graph.integers([-1, patchNumbers])]);
  const weight = frozen(context, 'patch_embed.proj.weight', [dimension, patchNumbers]);
  const bias = hasBias(configuration, 'patch_embed')
    ? frozen(context, 'patch_embed.proj.bias', [dimension])
    : undefined;
  const embedded = graph.op('Reshape', [
    linear(graph, rows, weight, bias),
    graph.integers([count, -1, dimension]),
  ]); // (N,B,D)
  const batch = graph.op('Shape', [patches], { start: { int: 1 }, end: { int: 2 } }); // [B]
  const prefix = prefixTokens(context);
  const shape = graph.op(
    'Concat',
    [graph.integers([prefixTokenCount(configuration)]), batch, graph.integers([dimension])],
    { axis: { int: 0 } },
  );
  const joined = graph.op(
    'Concat',
    [graph.op('Expand', [prefix, shape]), placePatches(context, embedded)],
    { axis: { int: 0 } },
  ); // (T,B,D)
  const tokens = graph.op('Reshape', [joined, graph.integers([-1, dimension])]);
  return configuration.hasNormBefore === true
    ? layerNorm(context, tokens, 'norm_pre').output
    : tokens;
}

/** A range of the rows of the table of positions, (count,1,D): class tokens first. */
function positions(context: ForwardContext, name: string, first: number, count: number): Value {
  const { graph, configuration, weightRange } = context;
  const rowBytes = 4 * configuration.dimension;
  const { file, offset } = weightRange('pos_embed');
  const range = { file, offset: offset + first * rowBytes, length: count * rowBytes };
  return graph.weight(`pos_embed.${name}`, [count, 1, configuration.dimension], range);
}

/** The tokens before the patches, with their positions where they have some: (G,1,D). */
function prefixTokens(context: ForwardContext): Value {
  const { graph, configuration } = context;
  const { dimension, registers, pooling } = configuration;
  const count = classTokenCount(configuration);
  const classToken = frozen(context, 'cls_token', [1, 1, dimension]);
  const classes =
    pooling === 'cls-distillation'
      ? graph.op('Concat', [classToken, frozen(context, 'dist_token', [1, 1, dimension])], {
          axis: { int: 0 },
        })
      : classToken;
  const placed =
    configuration.positions === undefined
      ? graph.op('Add', [classes, positions(context, 'classes', 0, count)])
      : classes;
  if (registers === undefined) return placed;
  const more = frozen(context, 'reg_token', [registers, 1, dimension]);
  return graph.op('Concat', [placed, more], { axis: { int: 0 } });
}

/** Add the positions of patches (N,B,D), unless they are rotary. */
function placePatches(context: ForwardContext, embedded: Value): Value {
  const { graph, configuration } = context;
  if (configuration.positions === 'rotary') return embedded;
  const first = configuration.positions === 'patches' ? 0 : classTokenCount(configuration);
  const table = positions(context, 'patches', first, patchCount(configuration));
  return graph.op('Add', [embedded, table]);
}

/** (-x2, x1) of the halves of the last axis, or (x2, -x1), its transpose. */
function swapHalves(graph: GraphBuilder, x: Value, isTransposed: boolean): Value {
  const [first, second] = graph.ops(
    'Split',
    [x],
    { axis: { int: -1 }, num_outputs: { int: 2 } },
    2,
  );
  const halves = isTransposed
    ? [second, first === undefined ? undefined : graph.op('Neg', [first])]
    : [second === undefined ? undefined : graph.op('Neg', [second]), first];
  return graph.op(
    'Concat',
    halves.filter((half) => half !== undefined),
    { axis: { int: -1 } },
  );
}

/** Tell whether the first `tokens` tokens are turned by rotary positions: those before the patches are not. */
export function isTurned(configuration: BackboneConfiguration, tokens: number): boolean {
  return configuration.positions === 'rotary' && tokens > prefixTokenCount(configuration);
}

/**
 * Turn the queries or keys of all tokens by rotary positions: x cos + (-x2, x1) sin.
 *
 * @param context - the graph and the backbone's configuration
 * @param x - (T,B,H,K)
 * @returns (T,B,H,K); x itself where positions are not rotary
 */
export function turn({ graph, configuration }: ForwardContext, x: Value, tokens: number): Value {
  if (!isTurned(configuration, tokens)) return x;
  const width = configuration.dimension / configuration.heads;
  const shape = [tokenCount(configuration), 1, 1, width];
  const { cosines, sines } = rotaryTable(configuration);
  return graph.op('Add', [
    graph.op('Mul', [x, graph.floats('rotary_cosines', cosines, shape)]),
    graph.op('Mul', [swapHalves(graph, x, false), graph.floats('rotary_sines', sines, shape)]),
  ]);
}

/**
 * The derivative through {@link turn}: dx = dy cos + (y2, -y1) of dy sin.
 *
 * @param context - the graph and the backbone's configuration
 * @param dy - (B,H,T,K)
 * @returns (B,H,T,K); dy itself where positions are not rotary
 */
export function turnBack(
  { graph, configuration }: ForwardContext,
  dy: Value,
  tokens: number,
): Value {
  if (!isTurned(configuration, tokens)) return dy;
  const width = configuration.dimension / configuration.heads;
  const shape = [tokenCount(configuration), width]; // the last axes of (B,H,T,K)
  const { cosines, sines } = rotaryTable(configuration);
  const turned = graph.op('Mul', [dy, graph.floats('rotary_sines_rows', sines, shape)]);
  return graph.op('Add', [
    graph.op('Mul', [dy, graph.floats('rotary_cosines_rows', cosines, shape)]),
    swapHalves(graph, turned, true),
  ]);
}
