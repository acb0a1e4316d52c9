import { trainingPlanSchema } from '#core/protocol';
import { demoPlan, demoTrainingPlan } from './plan.ts';

test("the demo's plan is one that the protocol takes, for the adapter and for the probe", () => {
  for (const learningRate of [demoPlan.learningRate, demoPlan.probeLearningRate]) {
    const plan = demoTrainingPlan({ rounds: demoPlan.rounds, learningRate, seed: demoPlan.seed });
    expect(trainingPlanSchema.parse(plan)).toMatchObject({
      optimiser: { learningRate, weightDecay: 1e-4 },
      schedule: { totalRounds: demoPlan.rounds, warmupRounds: 0, minimumLearningRate: 0 },
      duration: { unit: 'epochs', count: 1 },
      batchSize: demoPlan.batchSize,
    });
  }
});
