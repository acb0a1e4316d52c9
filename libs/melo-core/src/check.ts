/**
 * Tiny checkers: each returns the value it checked, or throws naming the parameter.
 *
 * They guard what a caller inside the project passes; what comes from outside is parsed by a zod schema first.
 */
import { InputError } from './errors.ts';

/**
 * Return `value` if it is a positive finite number.
 *
 * @throws RangeError otherwise
 */
export function checkPositive(value: number, name: string): number {
  if (!(Number.isFinite(value) && value > 0)) {
    throw new RangeError(`${name}: expected a positive finite number, got ${String(value)}`);
  }
  return value;
}

/**
 * Return `value` if it is a whole number in [minimum, maximum].
 *
 * @throws RangeError otherwise
 */
export function checkInteger(
  value: number,
  name: string,
  { minimum, maximum }: { readonly minimum: number; readonly maximum: number },
): number {
  if (!Number.isSafeInteger(value) || value < minimum || value > maximum) {
    throw new RangeError(
      `${name}: expected a whole number from ${minimum} to ${maximum}, got ${String(value)}`,
    );
  }
  return value;
}

/**
 * Return `values` if every entry is finite.
 *
 * @param values - any shape, row-major, unitless
 * @param name   - what the values are, for the message
 * @returns the same array, not copied
 * @throws InputError NON_FINITE_UPDATE naming the first index that is not finite (never the value itself)
 */
export function checkFinite<T extends Float32Array | Float64Array>(values: T, name: string): T {
  for (let index = 0; index < values.length; index++) {
    if (!Number.isFinite(values[index])) {
      throw new InputError(
        'NON_FINITE_UPDATE',
        `${name}: expected finite numbers, entry ${index} of ${values.length} is not; lower the learning rate or check the input`,
        { index, length: values.length },
      );
    }
  }
  return values;
}

/**
 * Return `values` if it has exactly `length` entries.
 *
 * @throws InputError UPDATE_SHAPE_MISMATCH otherwise
 */
export function checkLength<T extends { readonly length: number }>(
  values: T,
  length: number,
  name: string,
): T {
  if (values.length !== length) {
    throw new InputError(
      'UPDATE_SHAPE_MISMATCH',
      `${name}: expected ${length} numbers, got ${values.length}`,
      { expected: length, actual: values.length },
    );
  }
  return values;
}
