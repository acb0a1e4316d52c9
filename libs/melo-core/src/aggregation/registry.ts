/** Every aggregation method there is: adding one is a file and a line here. */
import { InputError } from '#core/errors';
import { fedavg } from './fedavg.ts';
import type { AggregationMethod } from './method.ts';

/** Methods by the name that a task's definition carries. */
export const aggregationMethods = {
  fedavg,
} as const satisfies Record<string, AggregationMethod>;

/** Name of a method. */
export type AggregationMethodName = keyof typeof aggregationMethods;

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
