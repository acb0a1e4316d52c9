// Release 0.1.0 as it was (commit 835f400): never changed, so that what it accepts stays known.
/**
 * What a site does in a round, as data with bounded ranges: no code, no path, no URL ever comes from the coordinator.
 */
import { z } from 'zod';
import { limits } from './limits.ts';

/**
 * What the head reads: the class token (with the distillation token, where the backbone has one), or the mean of the patches'
 * tokens, after the last norm. The class token where it is left out.
 */
export const poolingSchema = z.enum(['cls', 'mean']);
/** What the head reads. */
export type Pooling = z.infer<typeof poolingSchema>;

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
  /** LoRA+: B learns at this many times the rate of A and head (Hayou et al. 2024); 1 where it is left out. */
  rateRatioOfB: z.number().min(0.01).max(1024).exactOptional(),
  /** A step's gradient over all trained numbers is scaled down to this length where it is longer; never where left out. */
  gradientNormMax: z.number().positive().max(1e6).exactOptional(),
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

const smoothingSchema = z.number().min(0).max(0.5).default(0);

/** A weight for each class, in the classes' order. The task names them: weights fitted to a site's images would tell of them. */
const weightsSchema = z.array(z.number().min(0.001).max(1000)).min(2).max(limits.classesMax);

/**
 * What training makes small: a weighted mean of losses, sum(w l) / sum(w), 0 where every weight is 0.
 *
 * `cross-entropy`: one class an image; w is `classWeights` of its class, 1 where they are left out.
 * `binary-cross-entropy`: a yes or no for each class of an image, one loss each. w is 0 where it is not known; else
 * `classWeights` of the class, times its `positiveWeights` where the answer is yes.
 */
export const lossSchema = z.discriminatedUnion('name', [
  z.strictObject({
    name: z.literal('cross-entropy'),
    labelSmoothing: smoothingSchema,
    classWeights: weightsSchema.exactOptional(),
  }),
  z.strictObject({
    name: z.literal('binary-cross-entropy'),
    labelSmoothing: smoothingSchema,
    classWeights: weightsSchema.exactOptional(),
    positiveWeights: weightsSchema.exactOptional(),
  }),
]);

/**
 * How training images are changed at random, never those of an evaluation: see training/augmentation.ts for the formulas.
 *
 * Everything is off by default. `laterality` must be said: where left and right matter, nothing may be mirrored.
 */
const standardAugmentationSchema = z
  .strictObject({
    name: z.literal('standard'),
    /** True where left and right carry meaning (a heart's side, the eye of a fundus photograph): forbids mirroring. */
    laterality: z.boolean(),
    /** Share of the images that are mirrored left to right. */
    horizontalFlipShare: z.number().min(0).max(0.5).default(0),
    /** Largest turn either way. */
    rotationDegrees: z.number().min(0).max(45).default(0),
    /** Least share of the image's area that a random crop keeps before it is stretched to the whole; 1 keeps all. */
    cropAreaMin: z.number().min(0.05).max(1).default(1),
    /** Largest ratio of a crop's sides, either way. */
    cropAspectMax: z.number().min(1).max(2).default(1),
    /** Largest shift of brightness either way, in standard deviations of the preprocessing. */
    brightness: z.number().min(0).max(2).default(0),
    /** Contrast is multiplied by 1 - contrast to 1 + contrast. */
    contrast: z.number().min(0).max(0.9).default(0),
  })
  .refine((augmentation) => !augmentation.laterality || augmentation.horizontalFlipShare === 0, {
    path: ['horizontalFlipShare'],
    message: 'expected 0 where laterality is true: a mirrored image would have the wrong side',
  });
/** How training images are changed at random. */
export type StandardAugmentation = z.infer<typeof standardAugmentationSchema>;

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
  loss: lossSchema,
  augmentation: z.discriminatedUnion('name', [
    z.strictObject({ name: z.literal('none') }),
    standardAugmentationSchema,
  ]),
  /** Share of the inputs of every A that a step leaves out (LoRA dropout, see training/dropout.ts); 0 where left out. */
  loraDropout: z.number().min(0).max(0.9).exactOptional(),
  /** Seed of everything random in a round: order of batches, augmentation, dropout; each site and round derives its own stream from it. */
  seed: z.number().int().min(0).max(4_294_967_295),
});
/** One local round of training. */
export type TrainingPlan = z.infer<typeof trainingPlanSchema>;
/** What training makes small. */
export type LossPlan = z.infer<typeof lossSchema>;
/** A plan as a person may write it: what has a default may be left out. */
export type TrainingPlanInput = z.input<typeof trainingPlanSchema>;
