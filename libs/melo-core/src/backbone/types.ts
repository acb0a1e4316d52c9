/**
 * What a frozen Vision Transformer is to the rest of the project: a configuration and named ranges of a file.
 *
 * Shape letters: D dimension, L blocks, H heads, F mlp dimension, P patch size, S image size, N = (S / P)^2 patches, R
 * registers, T tokens: the CLS token, a distillation token where there is one, R registers, N patches.
 * Described are the plain ViT (Dosovitskiy et al. 2021, pre-norm, CLS token, exact GELU, biases everywhere) and what DeiT, DINOv2,
 * DINOv3 and CLIP's image tower change in it; anything else is refused by name rather than run almost right.
 */

/** Random access to the bytes of a file, handed in by the caller: this folder opens no file itself. */
export interface ByteSource {
  /** Bytes in all. */
  readonly size: number;
  /** Absolute path of the regular file these bytes are, or null where they are in memory. */
  readonly path: string | null;
  /** Read exactly `length` bytes at `offset`; rejects where the source ends earlier. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Three numbers, one for each of red, green and blue. */
export type ChannelTriple = readonly [number, number, number];

/** A projection whose bias a backbone may lack. */
export type BiasedPart = 'patch_embed' | 'q' | 'k' | 'v';

/**
 * In what a backbone differs from the plain ViT. What is as there is left out, never null or false: so the fingerprint of a plain
 * ViT is what it was before there were options.
 */
export interface BackboneOptions {
  /** R, learned tokens between the CLS token and the patches; of no position of their own. */
  readonly registers?: number;
  /** Each branch is multiplied by a learned vector (D) before it is added (layer scale). */
  readonly hasLayerScale?: true;
  /** A layer norm stands between the positions and the first block. */
  readonly hasNormBefore?: true;
  /**
   * Which tokens have positions. Left out: a learned table for the CLS token (and the distillation token) and the patches.
   * `patches`: a learned table for the patches alone. `rotary`: no table; q and k of the patches are turned in every block.
   */
  readonly positions?: 'patches' | 'rotary';
  /** Of rotary positions: the base of the periods, 100 in DINOv3. */
  readonly rotaryBase?: number;
  /** Projections without a bias, in the order of {@link BiasedPart}. */
  readonly withoutBias?: readonly BiasedPart[];
}

/** Everything besides the weights that decides what the backbone computes. */
export interface BackboneConfiguration extends BackboneOptions {
  /** D, the width of a token. */
  readonly dimension: number;
  /** L, how many transformer blocks. */
  readonly blocks: number;
  /** H, attention heads; D is a multiple of H. */
  readonly heads: number;
  /** F, the width inside the MLP. */
  readonly mlpDimension: number;
  /** P, pixels along one side of a patch. */
  readonly patchSize: number;
  /** S, pixels along one side of the square input. */
  readonly imageSize: number;
  readonly channels: 3;
  /** Added to the variance in every layer norm. */
  readonly layerNormEpsilon: number;
  /** `gelu`: x Phi(x) with the exact error function, not the tanh form. `quick_gelu`: x sigmoid(1.702 x). */
  readonly activation: 'gelu' | 'quick_gelu';
  /** What the features are: the final layer norm's output at the CLS token, or the mean of it at CLS and distillation token. */
  readonly pooling: 'cls' | 'cls-distillation';
  /** Of the normalisation (pixel / 255 - mean) / std this backbone was trained with. */
  readonly mean: ChannelTriple;
  readonly std: ChannelTriple;
}

/** Number types a weight may be stored in; all are widened to float32 when read. */
export type TensorDtype = 'F32' | 'F16' | 'BF16';

/** Where one tensor lies in the file. */
export interface TensorLocation {
  readonly shape: readonly number[];
  readonly dtype: TensorDtype;
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** Bytes. */
  readonly length: number;
}

/**
 * An opened backbone: checked names and shapes, no weight read yet.
 *
 * Canonical names are timm's with q, k and v apart: `patch_embed.proj.weight` (D,3,P,P), `patch_embed.proj.bias` (D),
 * `cls_token` (1,1,D), `pos_embed` (1,N+1,D), and for each block n `blocks.n.norm1.weight|bias` (D),
 * `blocks.n.attn.q|k|v|proj.weight` (D,D) and `.bias` (D), `blocks.n.norm2.weight|bias` (D), `blocks.n.mlp.fc1.weight`
 * (F,D), `.bias` (F), `blocks.n.mlp.fc2.weight` (D,F), `.bias` (D); last `norm.weight|bias` (D). Matrices are (out, in).
 * Options add `dist_token` (1,1,D), `reg_token` (1,R,D), `norm_pre.weight|bias` (D), `blocks.n.ls1|ls2.gamma` (D), make the table
 * of positions (1,N+2,D) or (1,N,D), or take it and biases away.
 */
export interface Backbone {
  /** For people and cards, e.g. `vit_tiny_patch16_224`. */
  readonly name: string;
  readonly configuration: BackboneConfiguration;
  readonly tensors: ReadonlyMap<string, TensorLocation>;
  readonly source: ByteSource;
  /** Read one tensor by its canonical name, widened to float32, row-major; a new array each time. */
  read(name: string): Promise<Float32Array>;
}

/** The numbers that name a size of ViT. */
export interface BackboneSize {
  readonly dimension: number;
  readonly blocks: number;
  readonly heads: number;
  readonly mlpDimension: number;
}

/**
 * The seven sizes of ViT under their timm names.
 *
 * @see Steiner et al. 2021 (Ti), Dosovitskiy et al. 2021 (S to H), Zhai et al. 2021, table 2 (g, G)
 */
export const backboneSizes = {
  vit_tiny: { dimension: 192, blocks: 12, heads: 3, mlpDimension: 768 },
  vit_small: { dimension: 384, blocks: 12, heads: 6, mlpDimension: 1536 },
  vit_base: { dimension: 768, blocks: 12, heads: 12, mlpDimension: 3072 },
  vit_large: { dimension: 1024, blocks: 24, heads: 16, mlpDimension: 4096 },
  vit_huge: { dimension: 1280, blocks: 32, heads: 16, mlpDimension: 5120 },
  vit_giant: { dimension: 1408, blocks: 40, heads: 16, mlpDimension: 6144 },
  vit_gigantic: { dimension: 1664, blocks: 48, heads: 16, mlpDimension: 8192 },
} as const satisfies Record<string, BackboneSize>;
