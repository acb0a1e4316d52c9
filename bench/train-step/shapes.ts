/** The shapes of the sizes of ViT as their usual files have them. */
import { backboneSizes } from '#core/backbone';
import { shapeSchema, type Shape } from './messages.ts';

const imageSize = 224;
/** Patches of 14 pixels from H on, as timm's and OpenCLIP's files have them; 16 below. */
const fineSizes: readonly string[] = ['vit_huge', 'vit_giant', 'vit_gigantic'];

/** Look up a size. */
export function shapeOf(name: string): Shape {
  const size = Object.entries(backboneSizes).find(([known]) => known === name)?.[1];
  const patchSize = fineSizes.includes(name) ? 14 : 16;
  return shapeSchema.parse({ name, ...size, patchSize, imageSize });
}
