/**
 * What an aggregated round tells of its sites: how far the mean of the factors is from the mean of the products, and how each
 * site's update lies to what came of all. Pure figures; nothing here changes a version.
 *
 * P is the number of values of the adapter, D dimension, r rank, K sites. All sums are in float64.
 */
import { resolveTrainedTensors, type AdapterLayout } from '#core/adapter';
import type { AggregationPlan } from '#core/protocol';
import { sharesOf, sortedBySite } from './aggregate.ts';
import { factorPairs, type FactorPair } from './factors.ts';
import type { SiteUpdate } from './method.ts';
import { sketchOf, sketchedRows, squaredNorms, type ProductBlock } from './product-norm.ts';
import { aggregationMethod } from './registry.ts';

/** How one site's update lies to the combined change. */
export interface SiteFigures {
  readonly site: string;
  /** |delta_k|. */
  readonly updateNorm: number;
  /** Cosine of the angle to the combined change; null where either is zero. */
  readonly cosine: number | null;
  /** |delta_k - combined change|. */
  readonly drift: number;
}

/** What a round tells. */
export interface RoundFigures {
  /**
   * |sum p_k B_k A_k - B A| / |sum p_k B_k A_k| over all adapted matrices, B and A as the method combined them, before a server
   * step; null where the products are zero or the round trained neither factor. Estimated to about two in a hundred where many
   * sites train a large adapter (the work grows with P r times the square of K).
   */
  readonly aggregationGap: number | null;
  /** |combined change|. */
  readonly changeNorm: number;
  /** In ascending order of the sites' names. */
  readonly sites: readonly SiteFigures[];
}

/** What the figures are made from. */
export interface FiguresInput {
  readonly plan: AggregationPlan;
  readonly layout: AdapterLayout;
  readonly trainedTensors: readonly string[];
  /** (P). */
  readonly global: Float32Array;
  readonly updates: readonly SiteUpdate[];
  /** What the method combined, (P). */
  readonly combined: Float64Array;
}

/** Work the figures of a round out; nothing passed in is changed. */
export function roundFigures(input: FiguresInput): RoundFigures {
  const updates = sortedBySite(input.updates);
  const { combined } = input;
  let square = 0;
  for (let index = 0; index < combined.length; index++) square += (combined[index] ?? 0) ** 2;
  const changeNorm = Math.sqrt(square);
  return {
    aggregationGap: aggregationGap({ ...input, updates }),
    changeNorm,
    sites: updates.map((update) => siteFigures(update, combined, changeNorm)),
  };
}

function siteFigures(
  { site, delta }: SiteUpdate,
  combined: Float64Array,
  changeNorm: number,
): SiteFigures {
  let [own, product, apart] = [0, 0, 0];
  for (let index = 0; index < combined.length; index++) {
    const [value, change] = [delta[index] ?? 0, combined[index] ?? 0];
    own += value * value;
    product += value * change;
    apart += (value - change) * (value - change);
  }
  const updateNorm = Math.sqrt(own);
  const lengths = updateNorm * changeNorm;
  // Rounding may bring two parallel vectors over 1.
  const cosine = lengths > 0 ? Math.max(-1, Math.min(1, product / lengths)) : null;
  return { site, updateNorm, cosine, drift: Math.sqrt(apart) };
}

/** Multiplications of a gap at most, about half a second of one core: rows are added up in fewer numbers where they would take more ... */
const productsMax = 5e8;
/** ... but in no fewer than these: over 24 matrices the gap is then right to about two in a hundred. */
const sketchedWidthMin = 128;

function sketchWidth(pairs: readonly FactorPair[], sites: number): number {
  const products = pairs.reduce((sum, { rank }) => sum + (rank * (sites + 3)) ** 2, 0);
  return Math.max(sketchedWidthMin, Math.floor(productsMax / products));
}

/**
 * The aggregation gap, see {@link RoundFigures}.
 *
 * With A_k = A + a_k and B_k = B + b_k, sum p_k B_k A_k - B A = B (sum p_k a_k) + (sum p_k b_k) A + sum p_k b_k a_k: the
 * difference is made from the differences, so that it is not lost in the rounding of two large products.
 */
function aggregationGap(input: FiguresInput): number | null {
  const { layout, plan } = input;
  const names = resolveTrainedTensors(input.trainedTensors, layout);
  if (!names.some((name) => /\.lora_[AB]$/.test(name))) return null;
  const shares = sharesOf(input.updates, aggregationMethod(plan.method).isWeighted);
  let [gap, whole] = [0, 0];
  const pairs = factorPairs(layout.tensors);
  const width = sketchWidth(pairs, input.updates.length);
  for (const pair of pairs) {
    const { ofAll, ofRest } = squaredNorms(
      productBlocks(input, pair, shares, width),
      Math.min(width, pair.dimension),
    );
    gap += ofRest;
    whole += ofAll;
  }
  return whole > 0 ? Math.sqrt(Math.max(0, gap) / whole) : null;
}

/** B A first, then the parts of the difference, as rows: B^T (r,D) beside A (r,D), each brought to the width of its sketch. */
function productBlocks(
  { global, updates, combined }: FiguresInput,
  { a, b, rank, dimension }: FactorPair,
  shares: readonly number[],
  width: number,
): ProductBlock[] {
  // B is (D,r): entry (row, column) of B^T stands at column * r + row.
  const left = { offset: b.offset, rowStride: 1, columnStride: rank };
  const right = { offset: a.offset, rowStride: dimension, columnStride: 1 };
  const [ofLeft, ofRight] = [
    sketchOf(dimension, width, b.name),
    sketchOf(dimension, width, a.name),
  ];
  const blockOf = (values: Float32Array, factor: 1 | -1): ProductBlock => ({
    left: sketchedRows({ ...left, rank, values, combined, factor }, ofLeft),
    right: sketchedRows({ ...right, rank, values, combined, factor }, ofRight),
  });
  const result = blockOf(global, 1);
  const size = result.left.length;
  const [meanLeft, meanRight] = [new Float64Array(size), new Float64Array(size)];
  const parts = updates.map(({ delta }, k) => {
    const block = blockOf(delta, -1);
    for (let i = 0; i < size; i++) {
      block.right[i] = (shares[k] ?? 0) * (block.right[i] ?? 0);
      meanLeft[i] = (meanLeft[i] ?? 0) + (shares[k] ?? 0) * (block.left[i] ?? 0);
      meanRight[i] = (meanRight[i] ?? 0) + (block.right[i] ?? 0);
    }
    return block;
  });
  return [
    result,
    { left: result.left, right: meanRight },
    { left: meanLeft, right: result.right },
    ...parts,
  ];
}
