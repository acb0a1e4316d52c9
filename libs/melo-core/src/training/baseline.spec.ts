import { baselinePlanOf } from './baseline.ts';
import { trainingPlanSchema } from '#core/protocol';
import { smallPlan } from '#core/protocol/testing';
import { learningRateAt, schedulePosition } from './schedule.ts';

const plan = trainingPlanSchema.parse({
  ...smallPlan,
  schedule: { name: 'cosine', totalRounds: 8, warmupRounds: 2 },
  duration: { unit: 'epochs', count: 2 },
});

test('as many passes over the images as all rounds together, and every step at the rate it has in them', () => {
  const alone = baselinePlanOf({ rounds: 8, plan, trainedTensors: ['head'] }, 40);
  expect(alone.duration).toEqual({ unit: 'epochs', count: 16 });
  expect(trainingPlanSchema.safeParse(alone).success).toBe(true);
  const stepsOfRound = 2 * Math.ceil(40 / plan.batchSize);
  for (let step = 0; step < 8 * stepsOfRound; step++) {
    const round = Math.floor(step / stepsOfRound);
    const federated = schedulePosition(round, step % stepsOfRound, stepsOfRound);
    const own = schedulePosition(0, step, 8 * stepsOfRound);
    expect(learningRateAt(alone, own)).toBeCloseTo(learningRateAt(plan, federated), 14);
  }
});

test('epochs that a plan cannot count become steps, and steps are multiplied', () => {
  const many = { ...plan, duration: { unit: 'epochs', count: 50 } as const };
  expect(baselinePlanOf({ rounds: 8, plan: many, trainedTensors: ['head'] }, 41).duration).toEqual({
    unit: 'steps',
    count: 400 * Math.ceil(41 / plan.batchSize),
  });
  const steps = { ...plan, duration: { unit: 'steps', count: 7 } as const };
  expect(baselinePlanOf({ rounds: 8, plan: steps, trainedTensors: ['head'] }, 41).duration).toEqual(
    { unit: 'steps', count: 56 },
  );
});
