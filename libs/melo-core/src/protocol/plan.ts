/**
 * What a site does in a round, as data with bounded ranges: no code, no path, no URL ever comes from the coordinator.
 */
import { z } from 'zod';
import { limits } from './limits.ts';

/** A tensor's name, as the adapter's layout has it. */
export const tensorNameSchema = z.string().regex(/^[a-zA-Z0-9_.]{1,128}$/);

/**
 * How an image becomes the backbone's input, fixed by the task and the same at every site.
 *
 * Decode to 8-bit sRGB (grey is repeated to three channels, alpha dropped), resize the whole image to
 * `imageSize` x `imageSize` without keeping its proportions, then (pixel / 255 - mean) / std by channel.
 */
export const preprocessingSchema = z.strictObject({
  version: z.literal(1),
  imageSize: z.number().int().min(16).max(1024),
  resize: z.literal('fill'),
  crop: z.literal('none'),
  kernel: z.enum(['cubic', 'linear', 'lanczos3', 'nearest']),
  channels: z.literal('rgb'),
  mean: z.tuple([z.number().min(0).max(1), z.number().min(0).max(1), z.number().min(0).max(1)]),
  std: z.tuple([
    z.number().min(0.01).max(1),
    z.number().min(0.01).max(1),
    z.number().min(0.01).max(1),
  ]),
});
/** How an image becomes the backbone's input. */
export type Preprocessing = z.infer<typeof preprocessingSchema>;

/** AdamW (Loshchilov and Hutter 2019, Algorithm 2); its state starts afresh each round. */
const optimiserSchema = z.strictObject({
  name: z.literal('adamw'),
  learningRate: z.number().positive().max(1),
  beta1: z.number().min(0).max(0.9999).default(0.9),
  beta2: z.number().min(0).max(0.999999).default(0.999),
  epsilon: z.number().min(1e-12).max(1e-2).default(1e-8),
  weightDecay: z.number().min(0).max(1).default(1e-4),
});

/**
 * Linear warm-up, then a cosine to `minimumLearningRate`, by position in rounds: (scheduleOffset + share of the local
 * round done) / totalRounds. Sites with different numbers of steps stand at the same place of the curve.
 */
const scheduleSchema = z.strictObject({
  name: z.literal('cosine'),
  warmupRounds: z.number().min(0).max(100).default(0),
  totalRounds: z.number().positive().max(limits.roundsMax),
  minimumLearningRate: z.number().min(0).max(1).default(0),
});

/** One local round of training. */
export const trainingPlanSchema = z.strictObject({
  version: z.literal(1),
  optimiser: optimiserSchema,
  schedule: scheduleSchema,
  /** How long a site trains in one round: passes over its training images, or optimiser steps. */
  duration: z.discriminatedUnion('unit', [
    z.strictObject({ unit: z.literal('epochs'), count: z.number().int().min(1).max(100) }),
    z.strictObject({ unit: z.literal('steps'), count: z.number().int().min(1).max(1_000_000) }),
  ]),
  batchSize: z.number().int().min(1).max(512),
  loss: z.strictObject({
    name: z.literal('cross-entropy'),
    labelSmoothing: z.number().min(0).max(0.5).default(0),
  }),
  augmentation: z.strictObject({ name: z.literal('none') }),
  /** Seed of the order of the batches; each site and round derives its own stream from it. */
  seed: z.number().int().min(0).max(4_294_967_295),
});
/** One local round of training. */
export type TrainingPlan = z.infer<typeof trainingPlanSchema>;
/** A plan as a person may write it: what has a default may be left out. */
export type TrainingPlanInput = z.input<typeof trainingPlanSchema>;
