/**
 * Server momentum (FedAvgM) with damping: m = b m + (1 - t) change; the adapter moves by eta m.
 *
 * With t = b, which holds where damping is left out, m is a running mean and a long run moves as far as without momentum; with
 * t = 0 it is Flower's FedAvgM and the steps add up to 1 / (1 - b) times as much. m = 0 at the start.
 *
 * @see Hsu et al. 2019, https://arxiv.org/abs/1909.06335, section 4.1
 */
import type { ServerStepPlan } from '#core/protocol';
import type { ServerStep } from './server-step.ts';

/** Move by a running mean of the changes. */
export const momentum: ServerStep<Extract<ServerStepPlan, { name: 'momentum' }>> = (
  { learningRate, momentum: kept, damping = kept },
  change,
  before,
) => {
  const first = new Float32Array(change.length);
  const moved = new Float64Array(change.length);
  for (let index = 0; index < change.length; index++) {
    const m = kept * (before?.first[index] ?? 0) + (1 - damping) * (change[index] ?? 0);
    first[index] = m;
    moved[index] = learningRate * m;
  }
  return { change: moved, moments: { steps: (before?.steps ?? 0) + 1, first, second: null } };
};
