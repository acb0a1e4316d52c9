/**
 * Bootstrap intervals where the scores are: at a site. Patients are drawn with replacement, not images, so that images of one patient
 * stay together; a draw is fixed by its seed.
 *
 * Letters: N images, C classes, G groups, R replicates.
 */
import { checkInteger, checkLength } from '#core/check';
import { assert } from '#core/errors';
import type { Activation } from '#core/protocol';
import { seededRng } from '#core/rng';
import { finding, oneAgainstAll } from './findings.ts';
import type { Grouping, Interval } from './intervals.ts';
import { emptyScoreReport, scoreBin, type ScoreReport } from './score-report.ts';
import { scoresOf } from './scores.ts';
import { discriminationOf, type Discrimination } from './summary.ts';

/** Draws of one interval, unless another number is asked for. */
export const bootstrapReplicates = 1000;
/** An interval needs so large a share of its replicates to be defined. */
const definedShareMin = 0.9;

/** What is known of held-out images and what a model said of them. It stays at the site. */
export interface ScoredImages {
  readonly classes: number;
  readonly activation: Activation;
  /** (N,C), row-major, finite. */
  readonly logits: Float32Array;
  /** True classes, (N); read where `findings` is left out. */
  readonly labels: ArrayLike<number>;
  /** (N,C), 1 present, 0 absent, -1 not known. */
  readonly findings?: Int8Array;
  /** Name of each image's patient or group, (N). */
  readonly groups: readonly string[];
}

/** How an interval is drawn. */
export interface BootstrapOptions {
  readonly seed: string;
  /** R, 100 to 10,000. */
  readonly replicates?: number;
}

/** 95 % intervals of a model's figures on one site's images. */
export interface BootstrapIntervals {
  readonly replicates: number;
  readonly auc: readonly (Interval | null)[];
  readonly macroAuc: Interval | null;
  readonly accuracy: Interval | null;
  readonly balancedAccuracy: Interval | null;
}

/** Tell how images belong together. */
export function groupingOf(groups: readonly string[]): Grouping {
  const sizes = new Map<string, number>();
  for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1);
  const squares = [...sizes.values()].reduce((sum, size) => sum + size ** 2, 0);
  return { groups: sizes.size, squares };
}

/** Images as replicates take them: bins instead of scores, numbers instead of names. */
interface Prepared {
  readonly classes: number;
  readonly activation: Activation;
  readonly count: number;
  /** (N,C). */
  readonly bins: Uint8Array;
  /** (N,C). */
  readonly findings: Int8Array;
  /** True and predicted class, (N); of softmax alone. */
  readonly labels: Uint8Array;
  readonly predicted: Uint8Array;
  /** Index of each image's group, (N), and how many groups there are. */
  readonly groups: Uint32Array;
  readonly groupCount: number;
}

function prepare({
  classes,
  activation,
  logits,
  labels,
  findings,
  groups,
}: ScoredImages): Prepared {
  const count = groups.length;
  checkLength(logits, count * classes, 'logits');
  const bins = new Uint8Array(count * classes);
  const predicted = new Uint8Array(count);
  for (let at = 0; at < count; at++) {
    const row = logits.subarray(at * classes, (at + 1) * classes);
    const scores = scoresOf(row, activation);
    for (let c = 0; c < classes; c++) {
      bins[at * classes + c] = scoreBin(scores[c] ?? 0);
      if ((row[c] ?? 0) > (row[predicted[at] ?? 0] ?? 0)) predicted[at] = c;
    }
  }
  const indexOf = new Map([...new Set(groups)].map((group, index) => [group, index]));
  return {
    ...{ classes, activation, count, bins, predicted },
    findings: findings ?? oneAgainstAll(labels, classes),
    labels: Uint8Array.from({ length: count }, (_, at) => Math.max(0, labels[at] ?? 0)),
    groups: Uint32Array.from(groups, (group) => indexOf.get(group) ?? 0),
    groupCount: indexOf.size,
  };
}

/** Make a report that {@link weightedReport} fills again and again. */
function blankReport({ classes, activation }: Prepared): ScoreReport {
  const { confidence: _, ...report } = emptyScoreReport(classes, activation);
  return report;
}

function clear(report: ScoreReport): void {
  report.count = 0;
  report.confusion?.forEach((row) => row.fill(0));
  for (const { positives, negatives } of report.histograms) {
    positives.fill(0);
    negatives.fill(0);
  }
}

/** Fill a report with images of which each counts as often as its group was drawn. */
function weightedReport(
  images: Prepared,
  weights: Uint32Array,
  report = blankReport(images),
): ScoreReport {
  clear(report);
  const { classes, count } = images;
  for (let at = 0; at < count; at++) {
    const weight = weights[images.groups[at] ?? 0] ?? 0;
    if (weight === 0) continue;
    report.count += weight;
    const row = report.confusion?.[images.labels[at] ?? 0];
    const predicted = images.predicted[at] ?? 0;
    if (row !== undefined) row[predicted] = (row[predicted] ?? 0) + weight;
    for (let c = 0; c < classes; c++) {
      const known = images.findings[at * classes + c];
      const histogram = report.histograms[c];
      if (known === finding.unknown || histogram === undefined) continue;
      const side = known === finding.present ? histogram.positives : histogram.negatives;
      const bin = images.bins[at * classes + c] ?? 0;
      side[bin] = (side[bin] ?? 0) + weight;
    }
  }
  return report;
}

/** Make the report of scored images, each counted once; without loss and confidences. */
export function reportOf(images: ScoredImages): ScoreReport {
  const prepared = prepare(images);
  return weightedReport(prepared, new Uint32Array(prepared.groupCount).fill(1));
}

/** Draw groups with replacement, once for each replicate: how often each was drawn, (G). */
function* draws(
  groupCount: number,
  { seed, replicates }: BootstrapOptions,
): Generator<Uint32Array> {
  const rounds = checkInteger(replicates ?? bootstrapReplicates, 'replicates', {
    minimum: 100,
    maximum: 10_000,
  });
  const rng = seededRng(`melo/1/bootstrap/${seed}`);
  const weights = new Uint32Array(groupCount);
  for (let replicate = 0; replicate < rounds; replicate++) {
    weights.fill(0);
    for (let draw = 0; draw < groupCount; draw++) {
      const group = rng.nextInteger(groupCount);
      weights[group] = (weights[group] ?? 0) + 1;
    }
    yield weights;
  }
}

/** The middle 95 % of replicates; null where too many are not defined. */
function percentileInterval(values: readonly (number | null)[]): Interval | null {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (sorted.length === 0 || sorted.length < definedShareMin * values.length) return null;
  const low = sorted[Math.floor(0.025 * sorted.length)];
  const high = sorted[Math.ceil(0.975 * sorted.length) - 1];
  return low === undefined || high === undefined ? null : [low, high];
}

/** The mean AUC, where the same classes have one as in all images: another mean would be of something else. */
function comparableMacroAuc(summary: Discrimination, undefinedCount: number): number | null {
  return summary.undefinedAucCount === undefinedCount ? summary.macroAuc : null;
}

/**
 * Compute percentile intervals of a model's figures by drawing groups with replacement.
 *
 * A replicate in which a figure is not defined (a class was not drawn) is left out of its interval; with more than a tenth of such ones the
 * interval is null, as it is with fewer than two groups.
 *
 * @param images - scores and what is known of the images
 * @param options - the same seed gives the same intervals
 * @throws InputError UPDATE_SHAPE_MISMATCH if the lengths differ, RangeError if `replicates` is out of range
 * @see Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3
 */
export function bootstrapIntervals(
  images: ScoredImages,
  options: BootstrapOptions,
): BootstrapIntervals {
  const prepared = prepare(images);
  const replicates = options.replicates ?? bootstrapReplicates;
  const nothing = Array.from({ length: images.classes }, () => null);
  if (prepared.groupCount < 2) {
    return { replicates, auc: nothing, macroAuc: null, accuracy: null, balancedAccuracy: null };
  }
  const ones = new Uint32Array(prepared.groupCount).fill(1);
  const { undefinedAucCount } = discriminationOf(weightedReport(prepared, ones));
  const report = blankReport(prepared);
  const summaries = Array.from(draws(prepared.groupCount, options), (weights) => {
    const summary = discriminationOf(weightedReport(prepared, weights, report));
    return { ...summary, macroAuc: comparableMacroAuc(summary, undefinedAucCount) };
  });
  return {
    replicates,
    auc: nothing.map((_, c) => percentileInterval(summaries.map(({ auc }) => auc[c] ?? null))),
    macroAuc: percentileInterval(summaries.map(({ macroAuc }) => macroAuc)),
    accuracy: percentileInterval(summaries.map(({ accuracy }) => accuracy)),
    balancedAccuracy: percentileInterval(summaries.map((each) => each.balancedAccuracy)),
  };
}

/** How two models differ on the same images. */
export interface PairedDifference {
  readonly replicates: number;
  /** Macro AUC of the first less that of the second; null where one is not defined. */
  readonly difference: number | null;
  readonly interval: Interval | null;
}

/**
 * Compute the difference of two models' macro AUCs on the same images, and its interval by drawing each group for both at once.
 *
 * @param first  - images in the order of `second`'s
 * @param second - the same images, scored by the other model
 * @param options - the same seed gives the same interval
 * @throws InputError UPDATE_SHAPE_MISMATCH if the numbers of images differ, RangeError if `replicates` is out of range
 * @see Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 13.3
 */
export function pairedDifference(
  first: ScoredImages,
  second: ScoredImages,
  options: BootstrapOptions,
): PairedDifference {
  assert(first.classes === second.classes, 'paired difference: expected models of one task');
  checkLength(second.groups, first.groups.length, 'groups');
  const pair: readonly [Prepared, Prepared] = [prepare(first), prepare(second)];
  const { groupCount } = pair[0];
  const replicates = options.replicates ?? bootstrapReplicates;
  const reports: readonly [ScoreReport, ScoreReport] = [blankReport(pair[0]), blankReport(pair[1])];
  const summariesAt = (weights: Uint32Array): readonly [Discrimination, Discrimination] => [
    discriminationOf(weightedReport(pair[0], weights, reports[0])),
    discriminationOf(weightedReport(pair[1], weights, reports[1])),
  ];
  const [a, b] = summariesAt(new Uint32Array(groupCount).fill(1));
  const minus = (x: number | null, y: number | null): number | null =>
    x === null || y === null ? null : x - y;
  const difference = minus(a.macroAuc, b.macroAuc);
  if (groupCount < 2 || difference === null) return { replicates, difference, interval: null };
  const differences = Array.from(draws(groupCount, options), (weights) => {
    const [x, y] = summariesAt(weights);
    return minus(
      comparableMacroAuc(x, a.undefinedAucCount),
      comparableMacroAuc(y, b.undefinedAucCount),
    );
  });
  return { replicates, difference, interval: percentileInterval(differences) };
}
