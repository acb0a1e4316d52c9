/** What travels in these runs: an adapter of ViT-G's width and depth, 1.3 million numbers, whose backbone nobody has. */
import { loraParameterCount } from '#core/adapter';
import type { BackboneReference, TaskDefinitionInput } from '#core/protocol';
import { taskDefinition } from '../support/small-federation.ts';

/** A backbone of the coordinator's register alone: its weights are never asked for. */
export const backbone: BackboneReference = {
  name: 'vit-giant',
  fingerprint: 'fa'.repeat(32),
  dimension: 1664,
  blocks: 48,
  patchSize: 14,
  imageSize: 224,
};

/** Classes of every task here. */
export const classes: readonly string[] = ['negative', 'positive'];

/** Numbers of A and B: 1,277,952. */
export const parameters = loraParameterCount({ ...backbone, rank: 4 });

const half: [number, number, number] = [0.5, 0.5, 0.5];

/** A task that counts every site or none: a round without one of them would be abandoned at its deadline, not published. */
export function networkTask(
  task: string,
  members: readonly string[],
  rounds: number,
): TaskDefinitionInput {
  const definition = taskDefinition({
    ...{ task, backbone, mean: half, std: half, classes, members, rounds },
    batchSize: 1,
  });
  const plan = { ...definition.plan, duration: { unit: 'steps' as const, count: 1 } };
  return { ...definition, plan };
}
