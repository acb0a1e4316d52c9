/**
 * Pretrained backbones that are known by a short name: where they lie on the hub, how large they are, under what licence.
 *
 * A backbone that is not in this table serves as well, by its repository's name, if it is of a family that can be run exactly.
 * The hub is asked for the true sizes and digests; nothing here is trusted for them.
 */

/** One pretrained backbone. */
export interface KnownBackbone {
  /** The short name, and the folder it is pulled into. */
  readonly name: string;
  /** `owner/name` on the hub. */
  readonly repository: string;
  readonly family: 'vit' | 'deit' | 'dinov2' | 'dinov3' | 'clip';
  /** Numbers in the file, a pretrained classifier counted. */
  readonly parameters: number;
  /** S, pixels along one side of the input. */
  readonly imageSize: number;
  /** T, tokens of one image: what a training step costs grows with it. */
  readonly tokens: number;
  /** As the publisher states it; read it before use. */
  readonly licence: string;
  /** `gated`: the publisher's terms are accepted on the hub first, and HF_TOKEN says who did. */
  readonly access: 'open' | 'gated';
  /** What it was trained on. */
  readonly trainedOn: string;
}

/** What the backbones of one group share. */
type Shared = Omit<KnownBackbone, 'name' | 'repository' | 'parameters' | 'access'> & {
  readonly access?: KnownBackbone['access'];
};

/** Lay out one group: short name, repository, parameters. */
const group = (
  shared: Shared,
  members: Readonly<Record<string, readonly [repository: string, parameters: number]>>,
): KnownBackbone[] =>
  Object.entries(members).map(([name, [repository, parameters]]) => ({
    ...{ name, repository, parameters, access: 'open' },
    ...shared,
  }));

const apache = 'apache-2.0';
const plain = { imageSize: 224, tokens: 197 } as const;
const imagenet21k = 'ImageNet-21k, then ImageNet-1k';
const imagenet1k = 'ImageNet-1k';
const webImages = '142 million curated web images, no labels';
const moreWebImages = '1.7 billion curated web images, no labels';
const captions = '2 billion web images with captions (LAION)';

/**
 * The table.
 *
 * @see https://huggingface.co/timm; parameters, image sizes and licences of timm's are those of its model configurations
 */
export const knownBackbones: readonly KnownBackbone[] = [
  ...group(
    { family: 'vit', licence: apache, ...plain, trainedOn: imagenet21k },
    {
      vit_tiny_patch16_224: ['timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k', 5_717_416],
      vit_small_patch16_224: ['timm/vit_small_patch16_224.augreg_in21k_ft_in1k', 22_050_664],
      vit_base_patch16_224: ['timm/vit_base_patch16_224.augreg2_in21k_ft_in1k', 86_567_656],
      vit_large_patch16_224: ['timm/vit_large_patch16_224.augreg_in21k_ft_in1k', 304_326_632],
    },
  ),
  ...group(
    { family: 'vit', licence: apache, ...plain, trainedOn: `${imagenet1k}, no labels (DINO)` },
    {
      dino_small: ['timm/vit_small_patch16_224.dino', 21_665_664],
      dino_base: ['timm/vit_base_patch16_224.dino', 85_798_656],
    },
  ),
  ...group(
    { family: 'deit', licence: apache, ...plain, trainedOn: imagenet1k },
    {
      deit_tiny: ['timm/deit_tiny_patch16_224.fb_in1k', 5_717_416],
      deit_small: ['timm/deit_small_patch16_224.fb_in1k', 22_050_664],
      deit_base: ['timm/deit_base_patch16_224.fb_in1k', 86_567_656],
    },
  ),
  ...group(
    { family: 'deit', licence: apache, imageSize: 224, tokens: 198, trainedOn: imagenet1k },
    {
      deit_tiny_distilled: ['timm/deit_tiny_distilled_patch16_224.fb_in1k', 5_910_800],
      deit_small_distilled: ['timm/deit_small_distilled_patch16_224.fb_in1k', 22_436_432],
    },
  ),
  ...group(
    { family: 'deit', licence: apache, ...plain, trainedOn: imagenet21k },
    {
      deit3_small: ['timm/deit3_small_patch16_224.fb_in22k_ft_in1k', 22_059_496],
      deit3_base: ['timm/deit3_base_patch16_224.fb_in22k_ft_in1k', 86_585_320],
    },
  ),
  ...group(
    { family: 'dinov2', licence: apache, imageSize: 518, tokens: 1370, trainedOn: webImages },
    {
      dinov2_small: ['timm/vit_small_patch14_dinov2.lvd142m', 22_056_192],
      dinov2_base: ['timm/vit_base_patch14_dinov2.lvd142m', 86_579_712],
      dinov2_large: ['timm/vit_large_patch14_dinov2.lvd142m', 304_367_616],
    },
  ),
  ...group(
    { family: 'dinov2', licence: apache, imageSize: 518, tokens: 1374, trainedOn: webImages },
    {
      dinov2_reg4_small: ['timm/vit_small_patch14_reg4_dinov2.lvd142m', 22_057_344],
      dinov2_reg4_base: ['timm/vit_base_patch14_reg4_dinov2.lvd142m', 86_582_016],
    },
  ),
  ...group(
    {
      ...{ family: 'dinov2', imageSize: 518, tokens: 1370 },
      licence: 'mit; its publisher says: for research, not for clinical practice',
      trainedOn: 'chest X-rays, no labels',
    },
    { rad_dino: ['microsoft/rad-dino', 86_580_480] },
  ),
  ...group(
    {
      ...{ family: 'dinov3', licence: 'dinov3-license', imageSize: 256, tokens: 261 },
      trainedOn: moreWebImages,
    },
    {
      dinov3_small: ['timm/vit_small_patch16_dinov3.lvd1689m', 21_586_944],
      dinov3_base: ['timm/vit_base_patch16_dinov3.lvd1689m', 85_641_216],
    },
  ),
  ...group(
    {
      ...{ family: 'dinov3', licence: 'dinov3-license', access: 'gated' },
      ...{ imageSize: 224, tokens: 201, trainedOn: moreWebImages },
    },
    { dinov3_vits16: ['facebook/dinov3-vits16-pretrain-lvd1689m', 21_601_152] },
  ),
  ...group(
    { family: 'clip', licence: apache, ...plain, trainedOn: captions },
    { clip_base_patch16: ['timm/vit_base_patch16_clip_224.laion2b', 86_193_152] },
  ),
  ...group(
    { family: 'clip', licence: apache, imageSize: 224, tokens: 50, trainedOn: captions },
    { clip_base_patch32: ['timm/vit_base_patch32_clip_224.laion2b', 87_849_728] },
  ),
  ...group(
    { family: 'clip', licence: apache, imageSize: 224, tokens: 257, trainedOn: captions },
    { clip_large_patch14: ['timm/vit_large_patch14_clip_224.laion2b', 303_966_976] },
  ),
];

/**
 * Find a known backbone by its short name.
 *
 * @param name - as in the table
 * @returns the entry, or null where there is none
 */
export function findKnownBackbone(name: string): KnownBackbone | null {
  return knownBackbones.find((known) => known.name === name) ?? null;
}
