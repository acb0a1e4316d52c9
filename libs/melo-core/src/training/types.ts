/** What the local loop needs and gives: images by index, a place to keep checkpoints, progress. */
import { z } from 'zod';
import { rngStateSchema } from '#core/rng';
import type { EngineModel } from '#core/engine';
import type { TrainingPlan } from '#core/protocol';
import type { KeptMoments } from './site-state.ts';

/** Labelled images of one split, decoded by the caller. */
export interface LabelledImages {
  /** How many. */
  readonly count: number;
  /** Class index of each, (count). */
  readonly labels: ArrayLike<number>;
  /**
   * What is known of every class, for a task whose images have several at once or none: (count,C), 1 present, 0 absent, -1
   * not known. `labels` are read for neither training nor evaluation then.
   */
  readonly findings?: Int8Array;
  /** Normalised pixels of one image, (3,S,S). */
  load(index: number): Promise<Float32Array>;
}

/** Where a local round stands between two steps: JSON beside the three arrays, which travel as binary. */
export const trainingCheckpointStateSchema = z.strictObject({
  version: z.literal(1),
  /** Steps done. */
  step: z.number().int().min(0),
  /** Sum of the losses of the steps done. */
  lossSum: z.number(),
  /** Generator of the batch order at the start of the epoch that is under way. */
  rng: rngStateSchema,
});

/** Everything a local round needs to go on after its process was killed. */
export interface TrainingCheckpoint {
  readonly state: z.infer<typeof trainingCheckpointStateSchema>;
  /** The local adapter, (P). */
  readonly values: Float32Array;
  /** AdamW's first and second moments, (P) each. */
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
}

/** One local round. */
export interface LocalTrainingOptions {
  readonly model: EngineModel;
  readonly plan: TrainingPlan;
  readonly images: LabelledImages;
  /** The global adapter that the round starts from, (P); not changed. */
  readonly global: Float32Array;
  /** Names of the tensors that are trained; all others come out byte-equal. */
  readonly trainedTensors: readonly string[];
  /** FedProx: how strongly what is named is held near `global`. */
  readonly proximal?: { readonly weight: number; readonly trainedTensors: readonly string[] };
  /** Logarithms of the site's shares of the classes, (C), which are added to the logits in training; see class-prior.ts. */
  readonly logPriors?: Float64Array;
  /** Moments that AdamW goes on with, by the tensor's name; fresh where there are none. */
  readonly moments?: ReadonlyMap<string, KeptMoments>;
  /** Rounds of the schedule already behind this one. */
  readonly scheduleOffset: number;
  /** Text that, with the plan's seed, fixes everything random (order, augmentation, dropout): the same for a repeat of the same round. */
  readonly stream: string;
  /** Go on from here instead of from `global`. */
  readonly resumeFrom?: TrainingCheckpoint;
  /** Keep a checkpoint; awaited. Called every `checkpointEverySteps` steps and not after the last one. */
  readonly onCheckpoint?: (checkpoint: TrainingCheckpoint) => Promise<void>;
  readonly checkpointEverySteps?: number;
  readonly onProgress?: (progress: {
    readonly step: number;
    readonly steps: number;
    readonly loss: number;
  }) => void;
  readonly signal?: AbortSignal;
}

/** What a local round gives. */
export interface LocalTrainingResult {
  /** The local adapter, (P). */
  readonly values: Float32Array;
  readonly steps: number;
  /** Mean training loss over the steps. */
  readonly meanLoss: number;
  /** AdamW's moments of every trained tensor, new arrays. */
  readonly moments: ReadonlyMap<string, KeptMoments>;
}
