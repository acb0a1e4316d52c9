/**
 * FedAdam: m = b1 m + (1 - b1) change; v = b2 v + (1 - b2) change^2; the adapter moves by eta m / (sqrt(v) + tau).
 *
 * m = v = 0 at the start. With bias correction eta is eta sqrt(1 - b2^(t+1)) / (1 - b1^(t+1)) in the t-th round that steps the
 * tensor, t from 1: Flower's rule, which counts its first round as the second of Kingma and Ba. Without, it is Reddi's
 * Algorithm 2 but for the start of v, which may be anything from tau^2 there.
 *
 * @see Reddi et al. 2021, Algorithm 2 (FedAdam), https://arxiv.org/abs/2003.00295
 */
import type { ServerStepPlan } from '#core/protocol';
import type { ServerStep } from './server-step.ts';

/** Move every number by about the learning rate, in the direction of the running mean of its changes. */
export const adam: ServerStep<Extract<ServerStepPlan, { name: 'adam' }>> = (
  { learningRate, beta1, beta2, epsilon, biasCorrection },
  change,
  before,
) => {
  const steps = (before?.steps ?? 0) + 1;
  const correction = Math.sqrt(1 - beta2 ** (steps + 1)) / (1 - beta1 ** (steps + 1));
  const rate = biasCorrection ? learningRate * correction : learningRate;
  const first = new Float32Array(change.length);
  const second = new Float32Array(change.length);
  const moved = new Float64Array(change.length);
  for (let index = 0; index < change.length; index++) {
    const value = change[index] ?? 0;
    const m = beta1 * (before?.first[index] ?? 0) + (1 - beta1) * value;
    const v = beta2 * (before?.second?.[index] ?? 0) + (1 - beta2) * value * value;
    first[index] = m;
    second[index] = v;
    moved[index] = (rate * m) / (Math.sqrt(v) + epsilon);
  }
  return { change: moved, moments: { steps, first, second } };
};
