/**
 * Resamples a learned table of positions for another image size, as timm does when a model is made with another `img_size`.
 *
 * Letters: n patches along one side before, m after, D dimension. Rows and columns are resampled one after the other by the
 * bicubic kernel with a = -0.5, widened by n / m where the table shrinks (antialiasing), weights scaled to sum to one.
 * Sums are float64 and plain arithmetic alone is used, so the numbers, and with them the fingerprint, are the same on every
 * machine; PyTorch sums in float32 and differs by its rounding.
 * @see torch.nn.functional.interpolate(mode='bicubic', antialias=True); timm.layers.resample_abs_pos_embed
 */

/** The cubic convolution kernel with a = -0.5. */
function cubic(x: number): number {
  const a = -0.5;
  const t = Math.abs(x);
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}

/** For each of m places, the first of n that it is made of and their weights. */
function kernel(n: number, m: number): { readonly first: number; readonly weights: number[] }[] {
  const scale = n / m;
  const widening = Math.max(scale, 1);
  return Array.from({ length: m }, (_, place) => {
    const centre = scale * (place + 0.5);
    const first = Math.max(Math.trunc(centre - 2 * widening + 0.5), 0);
    const end = Math.min(Math.trunc(centre + 2 * widening + 0.5), n);
    const raw = Array.from({ length: end - first }, (__, index) =>
      cubic((first + index - centre + 0.5) / widening),
    );
    const sum = raw.reduce((total, weight) => total + weight, 0);
    return { first, weights: raw.map((weight) => weight / sum) };
  });
}

/** Resample the middle axis of (outer, n, inner) -> (outer, m, inner). */
function alongAxis(
  values: ArrayLike<number>,
  size: { readonly outer: number; readonly inner: number; readonly n: number; readonly m: number },
): Float64Array {
  const { outer, inner, n, m } = size;
  const result = new Float64Array(outer * m * inner);
  for (const [place, { first, weights }] of kernel(n, m).entries()) {
    for (let o = 0; o < outer; o++) {
      for (const [index, weight] of weights.entries()) {
        const from = (o * n + first + index) * inner;
        const to = (o * m + place) * inner;
        for (let i = 0; i < inner; i++) {
          result[to + i] = (result[to + i] ?? 0) + weight * (values[from + i] ?? 0);
        }
      }
    }
  }
  return result;
}

/**
 * Resample the positions of patches.
 *
 * @param table - (n n, D), row-major; not changed
 * @param size - n before and m after, patches along one side, and D
 * @returns (m m, D), new
 */
export function resamplePositions(
  table: Float32Array,
  size: { readonly before: number; readonly after: number; readonly dimension: number },
): Float32Array {
  const { before: n, after: m, dimension } = size;
  if (n === m) return table.slice();
  const columns = alongAxis(table, { outer: n, inner: dimension, n, m }); // (n,m,D)
  return Float32Array.from(alongAxis(columns, { outer: 1, inner: m * dimension, n, m })); // (m,m,D)
}
