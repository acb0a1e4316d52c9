/**
 * Cuts images into the rows that the patch embedding multiplies.
 *
 * Letters: B images, S image size, P patch size, N = (S / P)^2 patches of an image.
 */
import { checkLength } from '#core/check';

/**
 * Cut images into patches, patch first: out[n][b][c P P + i P + j] = images[b][c][row(n) P + i][column(n) P + j].
 *
 * The numbers of one patch stand in (channel, row, column) order, as in the convolution weight (D,3,P,P).
 *
 * @param images - (B,3,S,S), row-major
 * @param count - B
 * @param size - S and P in pixels; S is a multiple of P
 * @returns (N,B,3PP), new
 * @throws InputError UPDATE_SHAPE_MISMATCH if `images` does not have B 3 S S numbers
 */
export function patchify(
  images: Float32Array,
  count: number,
  size: { readonly imageSize: number; readonly patchSize: number },
): Float32Array {
  const { imageSize, patchSize } = size;
  checkLength(images, count * 3 * imageSize * imageSize, 'images');
  const perSide = imageSize / patchSize;
  const patchNumbers = 3 * patchSize * patchSize;
  const patches = new Float32Array(images.length);
  for (let plane = 0; plane < 3 * count; plane++) {
    const image = Math.floor(plane / 3);
    const channelOffset = (plane % 3) * patchSize * patchSize;
    for (let row = 0; row < imageSize; row++) {
      const patchRow = Math.floor(row / patchSize) * perSide;
      const within = channelOffset + (row % patchSize) * patchSize;
      const source = (plane * imageSize + row) * imageSize;
      for (let column = 0; column < perSide; column++) {
        const from = source + column * patchSize;
        const to = ((patchRow + column) * count + image) * patchNumbers + within;
        for (let j = 0; j < patchSize; j++) patches[to + j] = images[from + j] ?? 0;
      }
    }
  }
  return patches;
}
