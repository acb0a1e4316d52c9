/** Turns every method's dial before the comparison: on other seeds, another sharing-out and, where images are drawn, other images. */
import type { Method } from './method-list.ts';
import { runName, tuningPlan, type ImageSet, type Trial } from './plans.ts';
import { simulatePlans, type PlanResults, type PlannedWork } from './simulations.ts';

/** A trial and its AUC on the union of the held-out images, mean over the seeds. */
export interface TriedValue {
  readonly value: number;
  readonly auc: number;
}

/** What the tuning found for one method. */
export interface Tuned {
  readonly method: Method;
  readonly tried: readonly TriedValue[];
  readonly value: number;
  /** Whether the best value lies at an end of what was tried, so that a better one may lie beyond. */
  readonly isAtEnd: boolean;
}

/** A best value at an end is looked beyond so many times. */
const extensionsMax = 2;
const extensionFactor = 2;

/** Mean of the numbers that are there. */
export function meanOf(values: readonly (number | null)[]): number {
  const known = values.filter((value) => value !== null);
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

/** The final AUC of a run on the union; of `local-only` the mean over the sites. */
export function finalAuc({ runs }: PlanResults, name: string): number {
  const found = runs.filter(({ run }) => run === name);
  return meanOf(
    found.flatMap(({ columns }) => columns.map(({ rounds }) => rounds.at(-1)?.union.auc ?? null)),
  );
}

/** The best of what was tried; of equal ones the smallest. */
export function bestOf(method: Method, tried: readonly TriedValue[]): Tuned {
  const sorted = [...tried].sort((a, b) => a.value - b.value);
  const best = sorted.reduce((a, b) => (b.auc > a.auc ? b : a));
  const isAtEnd = best === sorted[0] || best === sorted.at(-1);
  return { method, tried: sorted, value: best.value, isAtEnd };
}

/** The next value beyond the end at which the best one lies. */
export function beyond({ tried, value }: Tuned): number {
  const isLowest = value === tried[0]?.value;
  return isLowest ? value / extensionFactor : value * extensionFactor;
}

/** What one tuning needs. */
export interface TuningOptions {
  readonly set: ImageSet;
  readonly methods: readonly Method[];
  /** How many seeds. */
  readonly seeds: number;
  readonly isExtended: boolean;
  readonly directory: string;
  readonly sideBySide: number;
  readonly onDone: (name: string) => void;
}

/** Try values of some methods with every seed; what was tried before is only read. */
async function tryAll(
  { set, seeds, directory, sideBySide, onDone }: TuningOptions,
  values: ReadonlyMap<Method, readonly number[]>,
): Promise<Map<Method, TriedValue[]>> {
  const works: (PlannedWork & { readonly method: Method })[] = [];
  for (const [method, own] of values) {
    const trials = own.map((value): Trial => ({ method, value }));
    for (let index = 0; index < seeds; index++) {
      const name = `tuning-${method.name}-${index + 1}`;
      works.push({ name, method, plan: tuningPlan(set, index, trials) });
    }
  }
  const results = await simulatePlans({ directory, plans: works, sideBySide, onDone });
  const tried = new Map<Method, TriedValue[]>();
  for (const [method, own] of values) {
    const mine = results.filter((_, at) => works[at]?.method === method);
    const aucAt = (value: number): number =>
      meanOf(mine.map((each) => finalAuc(each, runName({ method, value }))));
    tried.set(
      method,
      own.map((value) => ({ value, auc: aucAt(value) })),
    );
  }
  return tried;
}

/** Find the value of every method's dial. */
export async function tune(options: TuningOptions): Promise<Tuned[]> {
  const values = new Map<Method, readonly number[]>(
    options.methods.map((method) => [method, method.values ?? options.set.rates]),
  );
  const found = new Map<Method, Tuned>();
  for (let extension = 0; extension <= extensionsMax; extension++) {
    const open = new Map(
      [...values].filter(([method]) => extension === 0 || found.get(method)?.isAtEnd === true),
    );
    if (open.size === 0) break;
    for (const [method, tried] of await tryAll(options, open)) {
      const tuned = bestOf(method, tried);
      found.set(method, tuned);
      if (tuned.isAtEnd) values.set(method, [...tried.map(({ value }) => value), beyond(tuned)]);
    }
    if (!options.isExtended) break;
  }
  return options.methods.flatMap((method) => found.get(method) ?? []);
}
