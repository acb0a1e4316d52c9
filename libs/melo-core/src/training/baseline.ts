/** The plan of a site that trains alone, as long as it would have trained in all rounds of a task. */
import { checkInteger } from '#core/check';
import type { BaselinePlan, TrainingPlan } from '#core/protocol';

const epochsMax = 100;
const stepsMax = 1_000_000;

/**
 * Make one training of the budget of all rounds: as many passes over the site's images, on the same curve of learning rates.
 *
 * The schedule's unit becomes the whole training instead of a round. The optimiser's state goes on where a federation starts it
 * afresh each round, which is no disadvantage to the site alone.
 *
 * @param baseline - the plan of one round and the number of rounds
 * @param images   - training images of the site, 1 or more; read where the epochs are too many for a plan and become steps
 * @returns a plan for a schedule offset of 0
 */
export function baselinePlanOf({ rounds, plan }: BaselinePlan, images: number): TrainingPlan {
  checkInteger(images, 'images', { minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
  const { schedule, duration, batchSize } = plan;
  const count = duration.count * rounds;
  const isTooLong = duration.unit === 'epochs' && count > epochsMax;
  const steps = isTooLong ? count * Math.ceil(images / batchSize) : count;
  const isSteps = isTooLong || duration.unit === 'steps';
  return {
    ...plan,
    duration: isSteps
      ? { unit: 'steps', count: Math.min(stepsMax, steps) }
      : { unit: 'epochs', count },
    schedule: {
      ...schedule,
      totalRounds: schedule.totalRounds / rounds,
      warmupRounds: schedule.warmupRounds / rounds,
    },
  };
}
