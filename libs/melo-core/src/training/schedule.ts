/** The learning rate by position in rounds: linear warm-up, then a cosine to the least rate. */
import type { TrainingPlan } from '#core/protocol';

/**
 * Tell the learning rate at a position.
 *
 * Warm-up: rate = learningRate * position / warmupRounds while position < warmupRounds. Then, with
 * x = (position - warmupRounds) / (totalRounds - warmupRounds) in [0, 1],
 * rate = minimum + (learningRate - minimum) (1 + cos(pi x)) / 2; past totalRounds it stays at the minimum.
 *
 * @param plan - its optimiser and schedule are read
 * @param position - rounds done, fractions included, 0 or more
 * @see Loshchilov and Hutter 2017, equation 5, https://arxiv.org/abs/1608.03983
 */
export function learningRateAt(
  plan: Pick<TrainingPlan, 'optimiser' | 'schedule'>,
  position: number,
): number {
  const { learningRate } = plan.optimiser;
  const { warmupRounds, totalRounds, minimumLearningRate } = plan.schedule;
  if (position < warmupRounds) return (learningRate * position) / warmupRounds;
  const length = totalRounds - warmupRounds;
  const share = length > 0 ? Math.min(1, (position - warmupRounds) / length) : 1;
  return (
    minimumLearningRate +
    ((learningRate - minimumLearningRate) * (1 + Math.cos(Math.PI * share))) / 2
  );
}

/**
 * Tell where a step stands on the schedule: the middle of the part of the round that it does.
 *
 * The middle makes the sum of the rates over a round the same, to second order, however many steps a site takes, and
 * leaves no step at a rate of zero at the start of the warm-up.
 *
 * @param scheduleOffset - rounds behind this one
 * @param step - steps done before this one, 0 to steps - 1
 * @param steps - steps of this local round
 */
export function schedulePosition(scheduleOffset: number, step: number, steps: number): number {
  return scheduleOffset + (step + 0.5) / steps;
}
