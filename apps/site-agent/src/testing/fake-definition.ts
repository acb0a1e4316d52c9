/** The task of the specs. */
import { taskDefinitionSchema, type TaskDefinition } from '#core/protocol';
import { smallPlan, smallTask } from '#core/protocol/testing';

/** The definition that specs use; small enough to train in no time. */
export function fakeDefinition(fingerprint: string, members: readonly string[]): TaskDefinition {
  const size = { dimension: 8, blocks: 1, patchSize: 8, imageSize: 16 };
  return taskDefinitionSchema.parse(
    smallTask({
      task: 'lung',
      title: 'Lung',
      backbone: { name: 'tiny', fingerprint, ...size },
      alpha: 2,
      publicSeed: '5e'.repeat(32),
      plan: { ...smallPlan, optimiser: { name: 'adamw', learningRate: 0.01 } },
      members: [...members],
    }),
  );
}
