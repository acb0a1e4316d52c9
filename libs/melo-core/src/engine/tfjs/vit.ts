/**
 * The Vision Transformer with MeLo's low-rank pairs, in operations that tfjs-core differentiates by itself.
 *
 * Written apart from the ONNX graphs, to check them: patches by a convolution, the low-rank pair as a branch of its own
 * (y = h W^T + b + s (h A^T) B^T, where the graph merges W + s B A), every derivative but a plain product's by tfjs-core.
 * Letters: B images, S image size, P patch size, n = S / P, T = n n + 1 tokens, D dimension, H heads, F mlp dimension,
 * r rank, C classes. Tokens stand in rows, (B T, D). Each part is tidied up by itself, so that only what the derivative
 * needs outlives it.
 * @see Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929; Zhu et al. 2023, MeLo, https://arxiv.org/abs/2311.08236
 */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { BackboneConfiguration } from '#core/backbone';
import type { Tfjs } from './backends.ts';
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
}

/**
 * Embed images: patches, CLS token, positions. Frozen, so it stands outside what is differentiated.
 *
 * @param context - weights and API
 * @param images - (B,3,S,S)
 * @returns (B T, D)
 */
export function embed(context: VitContext, images: Tensor4D): Tensor {
  const { tf, weights, configuration } = context;
  const { patchSize, dimension } = configuration;
  return tf.tidy(() => {
    const count = images.shape[0];
    const last: Tensor4D = tf.transpose(images, [0, 2, 3, 1]); // (B,S,S,3)
    const grid = tf.conv2d(last, weights.patchFilter, patchSize, 'valid'); // (B,n,n,D)
    const patches = tf.add(tf.reshape(grid, [count, -1, dimension]), weights.patchBias);
    const classTokens = tf.tile(weights.classToken, [count, 1, 1]); // (B,1,D)
    const tokens = tf.add(tf.concat([classTokens, patches], 1), weights.positions); // (B,T,D)
    return tf.reshape(tokens, [-1, dimension]);
  });
}

/**
 * Run all blocks and the last norm.
 *
 * @param context - weights and API
 * @param tokens - embedded images, (B T, D)
 * @param count - B
 * @param pairs - what is trained, a block each
 * @returns the CLS token's features, (B,D)
 */
export function features(
  context: VitContext,
  tokens: Tensor,
  count: number,
  pairs: readonly BlockPairs[],
): Tensor {
  const { tf, weights } = context;
  let rows = tokens;
  for (const [index, block] of weights.blocks.entries()) {
    const trained = pairs[index];
    const isLast = index === weights.blocks.length - 1;
    const before = rows;
    rows = tf.tidy(() => runBlock(context, { block, trained, rows: before, count, isLast }));
  }
  return layerNorm(context, rows, weights.norm);
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
  readonly trained: BlockPairs | undefined;
  /** (B T, D). */
  readonly rows: Tensor;
  /** B. */
  readonly count: number;
  /** Of the last block only the CLS rows are used: its queries, its output and its MLP need no others. */
  readonly isLast: boolean;
}

/** x <- x + attention(norm(x)); x <- x + mlp(norm(x)). */
function runBlock(context: VitContext, run: BlockRun): Tensor {
  const { tf } = context;
  const { block, rows, count, isLast } = run;
  const kept = isLast ? classRows(context, rows, count) : rows; // (B T,D) or (B,D)
  const attended = tf.add(kept, attention(context, run));
  const hidden = block.fc1(layerNorm(context, attended, block.norm2)); // (.,F)
  return tf.add(attended, block.fc2(gelu(tf, hidden)));
}

function attention(context: VitContext, run: BlockRun): Tensor {
  const { tf, products, configuration } = context;
  const { block, trained, rows, count, isLast } = run;
  const headDimension = configuration.dimension / configuration.heads;
  const h = layerNorm(context, rows, block.norm1); // (B T,D)
  const asking = isLast ? classRows(context, h, count) : h; // (B T,D) or (B,D)
  const q = splitHeads(context, project(context, asking, block.q, trained?.q), count);
  const k = splitHeads(context, block.k(h), count); // (B,H,T,D/H)
  const v = splitHeads(context, project(context, h, block.v, trained?.v), count);
  const scaledQ = tf.mul(q, 1 / Math.sqrt(headDimension));
  const scores = products.multiplyTransposed(scaledQ, k); // (B,H,T or 1,T)
  const mixed = products.multiply(tf.softmax(scores), v); // (B,H,T or 1,D/H)
  const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [-1, configuration.dimension]);
  return block.proj(joined);
}

/** y = h W^T + b + s (h A^T) B^T: the scale goes to the narrow side. */
function project(
  context: VitContext,
  h: Tensor,
  frozen: (x: Tensor) => Tensor,
  pair: LowRankPair | undefined,
): Tensor {
  const { tf, scale } = context;
  const y = frozen(h);
  if (pair === undefined) return y;
  const narrow = tf.mul(tf.matMul(h, pair.a, false, true), scale); // (.,r)
  return tf.add(y, tf.matMul(narrow, pair.b, false, true));
}

/** (B T, D) to (B,H,T,D/H). */
function splitHeads({ tf, configuration }: VitContext, rows: Tensor, count: number): Tensor {
  const { heads, dimension } = configuration;
  return tf.transpose(tf.reshape(rows, [count, -1, heads, dimension / heads]), [0, 2, 1, 3]);
}

/** The first row of each image: (B T, D) to (B,D). */
function classRows({ tf, configuration }: VitContext, rows: Tensor, count: number): Tensor {
  const { dimension } = configuration;
  const images = tf.reshape(rows, [count, -1, dimension]);
  return tf.reshape(tf.slice(images, [0, 0, 0], [count, 1, dimension]), [count, dimension]);
}

/** (x - mean) / sqrt(variance + epsilon) * weight + bias over the last axis. */
function layerNorm({ tf, configuration }: VitContext, x: Tensor, norm: NormWeights): Tensor {
  return tf.tidy(() => {
    const centred = tf.sub(x, tf.mean(x, -1, true));
    const variance = tf.mean(tf.square(centred), -1, true);
    const inverse = tf.rsqrt(tf.add(variance, configuration.layerNormEpsilon));
    return tf.add(tf.mul(tf.mul(centred, inverse), norm.weight), norm.bias);
  });
}

/** x Phi(x) = x / 2 (1 + erf(x / sqrt 2)), the exact form. */
function gelu(tf: Tfjs, x: Tensor): Tensor {
  return tf.tidy(() => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1)));
}
