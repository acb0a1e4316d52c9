/**
 * The part of a ViT before its first block, and rotary positions, in operations of tfjs-core.
 *
 * Letters: B images, S image size, P patch size, n = S / P, N = n n patches, G tokens before them, T = G + N, D dimension, H heads,
 * K = D / H.
 */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { prefixTokenCount } from '#core/backbone';
import { layerNorm, type VitContext } from './vit.ts';

/**
 * Embed images: patches, the tokens before them, positions. Frozen, so it stands outside what is differentiated.
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
    const rows = tf.reshape(grid, [count, -1, dimension]); // (B,N,D)
    const biased = weights.patchBias === null ? rows : tf.add(rows, weights.patchBias);
    const patches =
      weights.patchPositions === null ? biased : tf.add(biased, weights.patchPositions);
    const before = tf.tile(weights.prefix, [count, 1, 1]); // (B,G,D)
    const tokens = tf.reshape(tf.concat([before, patches], 1), [-1, dimension]); // (B T, D)
    return weights.normBefore === null ? tokens : layerNorm(context, tokens, weights.normBefore);
  });
}

/**
 * Turn queries or keys by rotary positions, where the backbone has them: x cos + (-x2, x1) sin, x1 and x2 the halves.
 *
 * @param context - weights and API
 * @param x - of all tokens (B,H,T,K), or of some of those before the patches, which are not turned
 * @returns of the same shape
 */
export function turn({ tf, weights, configuration }: VitContext, x: Tensor): Tensor {
  const { rotary } = weights;
  const tokens = x.shape[2] ?? 0;
  if (rotary === null || tokens <= prefixTokenCount(configuration)) return x;
  const [first, second] = tf.split(x, 2, -1);
  if (first === undefined || second === undefined) return x; // a split in two has two parts
  const swapped = tf.concat([tf.neg(second), first], -1);
  return tf.add(tf.mul(x, rotary.cosines), tf.mul(swapped, rotary.sines));
}
