/**
 * The Vision Transformer with MeLo's low-rank pairs, in operations that tfjs-core differentiates by itself.
 *
 * Written apart from the ONNX graphs, to check them: patches by a convolution, the low-rank pair as a branch of its own
 * (y = h W^T + b + s (h A^T) B^T, where the graph merges W + s B A), every derivative but a plain product's by tfjs-core.
 * Letters: B images, T tokens, Q of them whose output is used (CLS, and the distillation token where there is one), D
 * dimension, H heads, F mlp dimension, r rank, C classes. Tokens stand in rows, (B T, D). Each part is tidied up by itself, so
 * that only what the derivative needs outlives it.
 * @see Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929; Zhu et al. 2023, MeLo, https://arxiv.org/abs/2311.08236
 */
import type { Tensor } from '@tensorflow/tfjs-core';
import { classTokenCount, patchCount, prefixTokenCount, tokenCount } from '#core/backbone';
import type { BackboneConfiguration } from '#core/backbone';
import type { Pooling } from '#core/protocol';
import { assert } from '#core/errors';
import type { Tfjs } from './backends.ts';
import { turn } from './embedding.ts';
import { geluOf, layerNormOf } from './own-derivatives.ts';
import type { Products } from './products.ts';
import type { BlockWeights, NormWeights, VitWeights } from './weights.ts';

/** One projection's trained pair. */
export interface LowRankPair {
  /** A, (r,D). */
  readonly a: Tensor;
  /** B, (D,r). */
  readonly b: Tensor;
}

/** What is trained in one block. */
export interface BlockPairs {
  readonly q: LowRankPair;
  readonly v: LowRankPair;
}

/** What the functions below share. */
export interface VitContext {
  readonly tf: Tfjs;
  readonly products: Products;
  readonly weights: VitWeights;
  readonly configuration: BackboneConfiguration;
  /** s, by which every low-rank pair is multiplied. */
  readonly scale: number;
  /** What the head reads; the class token where it is left out. */
  readonly pooling?: Pooling | undefined;
}

/**
 * Run some blocks, one after the other.
 *
 * @param context - weights and API
 * @param tokens - embedded images, or what an earlier block gave, (B T, D)
 * @param count - B
 * @param pairs - what is trained in them, a block each
 * @param first - index of the first of them
 * @returns (B T, D), but (B Q, D) where the class token is read after the last block of the model
 */
export function runBlocks(
  context: VitContext,
  tokens: Tensor,
  count: number,
  pairs: readonly BlockPairs[],
  first: number,
): Tensor {
  const { tf, weights } = context;
  const scale = tf.scalar(context.scale);
  let rows = tokens;
  for (const [at, trained] of pairs.entries()) {
    const block = weights.blocks[first + at];
    assert(block !== undefined, `block ${first + at}: expected it in the backbone`);
    const isLast = first + at === weights.blocks.length - 1 && context.pooling !== 'mean';
    const before = rows;
    rows = tf.tidy(() => runBlock(context, { block, trained, rows: before, count, isLast, scale }));
  }
  return rows;
}

/**
 * Norm what the last block gave.
 *
 * @param context - weights and API
 * @param rows - (B Q, D)
 * @returns what the head reads, (B,D): the CLS token's features, their mean with the distillation token's, or the patches' mean
 */
export function features(context: VitContext, rows: Tensor): Tensor {
  const { tf, weights, configuration, pooling } = context;
  const normed = layerNorm(context, rows, weights.norm);
  if (pooling === 'mean') return meanOfPatches(context, normed);
  const read = classTokenCount(configuration);
  if (read === 1) return normed;
  return tf.tidy(() => tf.mean(tf.reshape(normed, [-1, read, configuration.dimension]), 1));
}

/** The mean of each image's patches, (B T, D) to (B,D). */
function meanOfPatches({ tf, configuration }: VitContext, rows: Tensor): Tensor {
  const { dimension } = configuration;
  const patches = patchCount(configuration);
  return tf.tidy(() => {
    const images = tf.reshape(rows, [-1, tokenCount(configuration), dimension]);
    const first = prefixTokenCount(configuration);
    return tf.mean(tf.slice(images, [0, first, 0], [-1, patches, dimension]), 1);
  });
}

/**
 * Multiply features by the head: z W^T + b.
 *
 * @param tf - API
 * @param z - (B,D)
 * @param head - weight (C,D) and bias (C)
 * @returns logits, (B,C)
 */
export function classify(
  tf: Tfjs,
  z: Tensor,
  head: { readonly weight: Tensor; readonly bias: Tensor },
): Tensor {
  return tf.add(tf.matMul(z, head.weight, false, true), head.bias);
}

interface BlockRun {
  readonly block: BlockWeights;
  readonly trained: BlockPairs;
  /** (B T, D). */
  readonly rows: Tensor;
  /** B. */
  readonly count: number;
  /** s, a scalar. */
  readonly scale: Tensor;
  /** Of the last block only the first Q rows of an image are used, unless the mean is read: it needs no others. */
  readonly isLast: boolean;
}

/** x <- x + attention(norm(x)); x <- x + mlp(norm(x)). */
function runBlock(context: VitContext, run: BlockRun): Tensor {
  const { tf } = context;
  const { block, rows, count, isLast } = run;
  const kept = isLast ? classRows(context, rows, count) : rows; // (B T,D) or (B Q,D)
  const attended = tf.add(kept, scaleLayer(tf, attention(context, run), block.ls1));
  const hidden = block.fc1(layerNorm(context, attended, block.norm2)); // (.,F)
  const activate = context.configuration.activation === 'gelu' ? gelu : quickGelu;
  return tf.add(attended, scaleLayer(tf, block.fc2(activate(context, hidden)), block.ls2));
}

/** A branch (rows,D) times its layer scale (D), where the backbone has one. */
function scaleLayer(tf: Tfjs, branch: Tensor, gamma: Tensor | null): Tensor {
  return gamma === null ? branch : tf.mul(branch, gamma);
}

function attention(context: VitContext, run: BlockRun): Tensor {
  const { tf, products, configuration, weights } = context;
  const { block, trained, rows, count, isLast, scale } = run;
  const h = layerNorm(context, rows, block.norm1); // (B T,D)
  const asking = isLast ? classRows(context, h, count) : h; // (B T,D) or (B Q,D)
  const q = splitHeads(context, project(tf, asking, block.q, { ...trained.q, scale }), count);
  const k = splitHeads(context, block.k(h), count); // (B,H,T,D/H)
  const v = splitHeads(context, project(tf, h, block.v, { ...trained.v, scale }), count);
  const scaledQ = tf.mul(turn(context, q), weights.constants.attention);
  const scores = products.multiplyTransposed(scaledQ, turn(context, k)); // (B,H,T or Q,T)
  const mixed = products.multiply(tf.softmax(scores), v); // (B,H,T or Q,D/H)
  const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, configuration.dimension]);
  return block.proj(joined);
}

/** y = h W^T + b + s (h A^T) B^T: the scale goes to the narrow side. */
function project(
  tf: Tfjs,
  h: Tensor,
  frozen: (x: Tensor) => Tensor,
  pair: LowRankPair & { readonly scale: Tensor },
): Tensor {
  const y = frozen(h);
  const narrow = tf.mul(tf.matMul(h, pair.a, false, true), pair.scale); // (.,r)
  return tf.add(y, tf.matMul(narrow, pair.b, false, true));
}

/** (B T, D) to (B,H,T,D/H). */
function splitHeads({ tf, configuration }: VitContext, rows: Tensor, count: number): Tensor {
  const { heads, dimension } = configuration;
  return tf.transpose(tf.reshape(rows, [count, -1, heads, dimension / heads]), [0, 2, 1, 3]);
}

/** The first Q rows of each image: (B T, D) to (B Q, D). */
function classRows({ tf, configuration }: VitContext, rows: Tensor, count: number): Tensor {
  const { dimension } = configuration;
  const read = classTokenCount(configuration);
  const images = tf.reshape(rows, [count, -1, dimension]);
  return tf.reshape(tf.slice(images, [0, 0, 0], [count, read, dimension]), [-1, dimension]);
}

/** (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis. */
export function layerNorm({ tf, weights }: VitContext, x: Tensor, norm: NormWeights): Tensor {
  return tf.tidy(() => layerNormOf(tf, x, norm, weights.constants.epsilon));
}

/** x Phi(x) = x / 2 (1 + erf(x / sqrt 2)), the exact form. */
function gelu({ tf, weights }: VitContext, x: Tensor): Tensor {
  return tf.tidy(() => geluOf(tf, x, weights.constants));
}

/** x sigmoid(1.702 x), which stands for GELU in CLIP. */
function quickGelu({ tf }: VitContext, x: Tensor): Tensor {
  return tf.tidy(() => tf.mul(x, tf.sigmoid(tf.mul(x, 1.702))));
}
