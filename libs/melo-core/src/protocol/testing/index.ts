/** A small task for specs, whole and valid; a spec changes what it is about. */
import type { z } from 'zod';
import type { preprocessingSchema, TaskDefinitionInput, TrainingPlanInput } from '#core/protocol';

/** How images of a size are prepared; values end in [-1, 1]. */
export const smallPreprocessing = (imageSize: number): z.input<typeof preprocessingSchema> => ({
  version: 1,
  imageSize,
  resize: 'fill',
  crop: 'none',
  kernel: 'cubic',
  channels: 'rgb',
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
});

/** One epoch a round, two rounds, batches of four. */
export const smallPlan: TrainingPlanInput = {
  version: 1,
  optimiser: { name: 'adamw', learningRate: 1e-3 },
  schedule: { name: 'cosine', totalRounds: 2 },
  duration: { unit: 'epochs', count: 1 },
  batchSize: 4,
  loss: { name: 'cross-entropy' },
  augmentation: { name: 'none' },
  seed: 1,
};

/** Two classes, rank 2, two rounds, one member, over a backbone of two blocks. */
export function smallTask(change: Partial<TaskDefinitionInput> = {}): TaskDefinitionInput {
  const backbone = {
    name: 'vit',
    fingerprint: 'ab'.repeat(32),
    dimension: 8,
    blocks: 2,
    patchSize: 4,
    imageSize: 16,
    ...change.backbone,
  };
  return {
    version: 1,
    task: 'chest',
    title: 'Chest X-ray',
    mode: 'clear',
    preprocessing: smallPreprocessing(backbone.imageSize),
    classes: ['normal', 'pneumonia'],
    rank: 2,
    alpha: 3,
    publicSeed: '00'.repeat(32),
    plan: smallPlan,
    aggregation: {},
    rounds: 2,
    rules: { quorumSites: 1 },
    members: ['alpha'],
    ...change,
    backbone,
  };
}
