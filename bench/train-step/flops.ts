/**
 * What a step has to multiply, counted from the shapes: two operations for a multiplication with its addition.
 *
 * Letters: T tokens, D dimension, F mlp dimension, P patch size, N patches. Counted is what is left once nothing is computed that
 * is not used: queries, projection and MLP of the last block for the CLS token alone, no gradient below the first block's
 * adapter, none of frozen weights. The low-rank products, some thousandths, are not.
 */
import type { Shape } from './messages.ts';

/** T, the CLS token counted. */
export function tokensOf({ imageSize, patchSize }: Shape): number {
  return (imageSize / patchSize) ** 2 + 1;
}

/** Operations of the products of one image in a step: forward, and backward to A, B and head. */
export function stepFlops(shape: Shape): number {
  const { dimension, mlpDimension, blocks, patchSize } = shape;
  const tokens = tokensOf(shape);
  let products = (tokens - 1) * 3 * patchSize ** 2 * dimension; // the patch embedding, forward alone
  for (let index = 0; index < blocks; index++) {
    const queries = index === blocks - 1 ? 1 : tokens;
    const square = dimension ** 2;
    const isLowest = index === 0;
    products += (2 * queries + 2 * tokens) * square; // q and projection, k and v
    products += 2 * queries * tokens * dimension; // scores, attended values
    products += 4 * queries * dimension * mlpDimension; // MLP, forward and backward
    products += queries * square; // backward through the projection
    products += (isLowest ? 3 : 4) * queries * tokens * dimension; // dv, dP, dq, and dk
    if (!isLowest) products += (queries + 2 * tokens) * square; // dh from q, k and v
  }
  return 2 * products;
}
