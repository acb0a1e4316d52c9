/** Lengths and products of flat arrays, summed in float64 in the order of the entries. */

/** Length of a vector, 0 or more. */
export function euclideanNorm(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] ?? 0;
    sum += value * value;
  }
  return Math.sqrt(sum);
}
