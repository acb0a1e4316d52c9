/**
 * Shares images out among sites: groups as a whole, every group at one site, the same seed the same way.
 *
 * Every site gets a training group of each class, as a site's own agent asks for. Letters: K sites, C classes.
 *
 * @see Hsu et al. 2019, Dirichlet partitions, https://arxiv.org/abs/1909.06335; Li et al. 2022, https://arxiv.org/abs/2102.02079
 */
import { InputError } from '#core/errors';
import { seededRng, type SeededRng } from '#core/rng';
import type { Split } from '../data/groups.ts';
import type { Partition } from './plan.ts';

/** Images that belong together, such as those of a patient. */
export interface ImageGroup {
  readonly name: string;
  readonly split: Split;
  /** Its class, or what stands for it; a group with images of several classes counts with the first. */
  readonly label: string;
  /** Images in it. */
  readonly size: number;
  /** Where it comes from, for the partition by origin. */
  readonly origin: string;
}

/** What a partition needs beside the groups. */
export interface PartitionOptions {
  readonly partition: Partition;
  /** K. */
  readonly sites: number;
  readonly seed: string;
}

/** Draw the logarithm of a Gamma(alpha, 1) number: in logarithms, since a small alpha gives numbers below the least float. */
function logGamma(rng: SeededRng, alpha: number): number {
  if (alpha < 1) return logGamma(rng, alpha + 1) + Math.log(1 - rng.nextFloat()) / alpha;
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = rng.nextNormal();
    const v = (1 + c * x) ** 3;
    if (v <= 0) continue;
    const u = 1 - rng.nextFloat();
    if (Math.log(u) < x ** 2 / 2 + d * (1 - v + Math.log(v))) return Math.log(d * v);
  }
}

/**
 * Draw K shares from a symmetric Dirichlet distribution; they sum to 1.
 *
 * @see Marsaglia and Tsang 2000, https://doi.org/10.1145/358407.358414
 */
export function dirichletShares(rng: SeededRng, alpha: number, sites: number): number[] {
  const logs = Array.from({ length: sites }, () => logGamma(rng, alpha));
  const largest = Math.max(...logs);
  const weights = logs.map((value) => Math.exp(value - largest));
  const total = weights.reduce((sum, value) => sum + value, 0);
  return weights.map((value) => value / total);
}

/** Groups by split and label, in an order that does not depend on the order they came in. */
function strata(groups: readonly ImageGroup[]): [string, ImageGroup[]][] {
  const byKey = new Map<string, ImageGroup[]>();
  const sorted = [...groups].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  for (const group of sorted) {
    const key = `${group.split}/${group.label}`;
    byKey.set(key, [...(byKey.get(key) ?? []), group]);
  }
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The site that lacks the most images of its share; of equal ones the first. */
function neediest(wanted: readonly number[], given: readonly number[]): number {
  let best = 0;
  for (const [site, want] of wanted.entries()) {
    const lack = want - (given[site] ?? 0);
    if (lack > (wanted[best] ?? 0) - (given[best] ?? 0)) best = site;
  }
  return best;
}

/** Deal the groups of one stratum: one to each site where there are enough, the rest by the shares. */
function deal(
  groups: readonly ImageGroup[],
  shares: readonly number[],
  rng: SeededRng,
): Map<string, number> {
  const places = new Map<string, number>();
  const shuffled = rng.shuffle([...groups]);
  const total = shuffled.reduce((sum, { size }) => sum + size, 0);
  const wanted = shares.map((share) => share * total);
  const given = shares.map(() => 0);
  const hasOneEach = shuffled.length >= shares.length;
  for (const [index, { name, size }] of shuffled.entries()) {
    const site = hasOneEach && index < shares.length ? index : neediest(wanted, given);
    given[site] = (given[site] ?? 0) + size;
    places.set(name, site);
  }
  return places;
}

function checkEnough(label: string, groups: readonly ImageGroup[], sites: number): void {
  if (groups.length >= sites) return;
  throw new InputError(
    'DATASET_INVALID',
    `partition: expected a training group (patient) of class ${label} for each of ${sites} sites, there are ${groups.length}; take fewer sites, more images or a smaller heldOutShare`,
    { groups: groups.length, sites },
  );
}

/** Shares of each class, (K); one draw of a class holds for both splits. */
function sharesByLabel(options: PartitionOptions): (label: string) => readonly number[] {
  const { partition, sites, seed } = options;
  const even = Array.from({ length: sites }, () => 1 / sites);
  if (partition.name !== 'dirichlet' && partition.name !== 'quantity') return () => even;
  const { name, alpha } = partition;
  return (label) => {
    const stream = name === 'quantity' ? `${seed}/quantity` : `${seed}/label/${label}`;
    return dirichletShares(seededRng(stream), alpha, sites);
  };
}

/** Whole origins to sites, the largest first, each to the site with the fewest images; or the groups in order, in equal parts. */
function byOrigin(
  groups: readonly ImageGroup[],
  sites: number,
  isInOrder: boolean,
): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { origin, size } of groups) sizes.set(origin, (sizes.get(origin) ?? 0) + size);
  const inOrder = [...sizes].sort(([a], [b]) => (a < b ? -1 : 1));
  const total = groups.reduce((sum, { size }) => sum + size, 0);
  const siteOf = new Map<string, number>();
  const given = Array.from({ length: sites }, () => 0);
  let before = 0;
  for (const [origin, size] of isInOrder ? inOrder : inOrder.sort((a, b) => b[1] - a[1])) {
    const site = isInOrder
      ? Math.min(sites - 1, Math.floor((before * sites) / total))
      : given.indexOf(Math.min(...given));
    given[site] = (given[site] ?? 0) + size;
    before += size;
    siteOf.set(origin, site);
  }
  return new Map(groups.map(({ name, origin }) => [name, siteOf.get(origin) ?? 0]));
}

/**
 * Tell the site of every group, 0 to K - 1.
 *
 * @throws InputError DATASET_INVALID where a class has too few training groups for one at each site
 */
export function partitionGroups(
  groups: readonly ImageGroup[],
  options: PartitionOptions,
): ReadonlyMap<string, number> {
  const { partition, sites, seed } = options;
  if (partition.name === 'group') return byOrigin(groups, sites, partition.regex === undefined);
  const sharesOf = sharesByLabel(options);
  const places = new Map<string, number>();
  for (const [key, members] of strata(groups)) {
    const [first] = members;
    if (first === undefined) continue;
    if (first.split === 'train') checkEnough(first.label, members, sites);
    const dealt = deal(members, sharesOf(first.label), seededRng(`${seed}/deal/${key}`));
    for (const [name, site] of dealt) places.set(name, site);
  }
  return places;
}
