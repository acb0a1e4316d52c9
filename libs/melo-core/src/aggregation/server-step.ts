/**
 * What the server makes of a round's change before it is added to the global adapter: a plug-in over one tensor with its own state.
 *
 * Only the tensors that a round trained are stepped; the moments of the others stay as they are. Moments are stored as float32
 * and read from there in the next round, whether or not the coordinator was restarted in between.
 */
import type { ServerStepPlan } from '#core/protocol';
import { adam } from './adam.ts';
import { momentum } from './momentum.ts';

/** What a step remembers of one tensor. */
export interface TensorMoments {
  /** Rounds in which the tensor was stepped, this one included. */
  readonly steps: number;
  /** Running mean of the changes, (n). */
  readonly first: Float32Array;
  /** Running mean of their squares, (n); null where the step needs none. */
  readonly second: Float32Array | null;
}

/** What a step gives for one tensor; both arrays are new. */
export interface SteppedTensor {
  /** What is added to the global adapter, (n). */
  readonly change: Float64Array;
  readonly moments: TensorMoments;
}

/**
 * Steps one tensor.
 *
 * @param change - what the method combined, (n), finite
 * @param before - its moments after the last round that stepped it; null in the first
 */
export type ServerStep<Plan extends ServerStepPlan> = (
  plan: Plan,
  change: Float64Array,
  before: TensorMoments | null,
) => SteppedTensor;

/** Step one tensor as the plan says. */
export function stepTensor(
  plan: ServerStepPlan,
  change: Float64Array,
  before: TensorMoments | null,
): SteppedTensor {
  switch (plan.name) {
    case 'momentum':
      return momentum(plan, change, before);
    case 'adam':
      return adam(plan, change, before);
  }
}
