/** What `npm run demo` trains: figures and their reasons stand in tools/nano/README.md. */
import type { TrainingPlanInput } from '#core/protocol';

/** The demo's federation: sizes, adapter and plans; a command-line option may change each. */
export const demoPlan = {
  sites: 3,
  imagesPerSite: 160,
  heldOutPerSite: 81,
  skew: 0.5,
  seed: 1,
  rounds: 16,
  rank: 4,
  alpha: 8,
  batchSize: 16,
  /** AdamW's peak learning rate of A, B and head. */
  learningRate: 4e-3,
  /** The same for the linear probe, where the head alone is trained: its own best. */
  probeLearningRate: 1e-2,
} as const;

/** One local round of the demo: one epoch, on a cosine over all rounds. */
export function demoTrainingPlan(options: {
  readonly rounds: number;
  readonly learningRate: number;
  readonly seed: number;
}): TrainingPlanInput {
  return {
    version: 1,
    optimiser: { name: 'adamw', learningRate: options.learningRate },
    schedule: { name: 'cosine', totalRounds: options.rounds },
    duration: { unit: 'epochs', count: 1 },
    batchSize: demoPlan.batchSize,
    loss: { name: 'cross-entropy' },
    augmentation: { name: 'none' },
    seed: options.seed,
  };
}
