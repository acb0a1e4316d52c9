/** Every aggregation method there is: adding one is a file, a line here, and its name in the protocol. */
import { InputError } from '#core/errors';
import type { AggregationMethodName } from '#core/protocol';
import { alternating } from './alternating.ts';
import { fedavg } from './fedavg.ts';
import { ffa } from './ffa.ts';
import { median } from './median.ts';
import type { AggregationMethod } from './method.ts';
import { normBound } from './norm-bound.ts';
import { ridge } from './ridge.ts';
import { trimmedMean } from './trimmed-mean.ts';

/** Methods by the name that a task's definition carries. */
export const aggregationMethods: Readonly<Record<AggregationMethodName, AggregationMethod>> = {
  fedavg,
  alternating,
  ffa,
  ridge,
  median,
  'trimmed-mean': trimmedMean,
  'norm-bound': normBound,
};

/**
 * Look a method up.
 *
 * @throws InputError CONFIG_INVALID naming the methods there are
 */
export function aggregationMethod(name: string): AggregationMethod {
  const methods: Readonly<Record<string, AggregationMethod>> = aggregationMethods;
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method !== undefined) return method;
  throw new InputError(
    'CONFIG_INVALID',
    `aggregation: expected one of ${Object.keys(methods).join(', ')}, got ${name.slice(0, 64)}; correct the task definition`,
    { method: name.slice(0, 64) },
  );
}
