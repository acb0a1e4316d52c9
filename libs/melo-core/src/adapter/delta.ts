/** The change that a site sends: local minus global adapter. */
import { checkFinite, checkLength } from '#core/check';

/**
 * Subtract the global adapter from the local one.
 *
 * delta_i = float32(local_i - global_i). Adding it back can differ from `local` by one rounding; a tensor that was not
 * trained gives exact zeros.
 *
 * @param local  - (P), after training, finite
 * @param global - (P), what training started from, finite
 * @returns (P), a new array
 * @throws InputError UPDATE_SHAPE_MISMATCH if the lengths differ
 * @throws InputError NON_FINITE_UPDATE if training diverged
 */
export function adapterDelta(local: Float32Array, global: Float32Array): Float32Array {
  checkFinite(checkLength(local, global.length, 'local adapter'), 'local adapter');
  checkFinite(global, 'global adapter');
  const delta = new Float32Array(global.length);
  for (let index = 0; index < delta.length; index++) {
    delta[index] = (local[index] ?? 0) - (global[index] ?? 0);
  }
  return checkFinite(delta, 'update'); // two finite numbers of opposite sign can still overflow
}
