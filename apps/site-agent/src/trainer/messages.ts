/** What the agent and its trainer process say to each other: plans and paths one way, progress the other, no tensor. */
import { z } from 'zod';
import { isErrorCode, type ErrorCode } from '#core/errors';
import {
  classNameSchema,
  digestSchema,
  limits,
  preprocessingSchema,
  siteStepSchema,
  tensorNameSchema,
  trainingPlanSchema,
} from '#core/protocol';

const pathSchema = z.string().min(1).max(4096);

/** The parts of a round's work, in order; each leaves files and is not done twice. */
export const roundPartSchema = z.enum(['evaluate-global', 'train', 'evaluate-local']);
/** A part of a round's work. */
export type RoundPart = z.infer<typeof roundPartSchema>;

const taskSchema = z.strictObject({
  images: pathSchema,
  manifest: pathSchema.optional(),
  groupRegex: z.string().max(500).optional(),
  heldOutShare: z.number(),
  splitSeed: z.string().max(200),
  classFolders: z.record(z.string().max(500), classNameSchema).optional(),
});

const trainingSchema = z.strictObject({
  plan: trainingPlanSchema,
  /** What is trained and sent; what the site's step keeps private is trained beside it. */
  trainedTensors: z.array(tensorNameSchema).max(limits.tensorsMax),
  site: siteStepSchema.exactOptional(),
  scheduleOffset: z.number().min(0).max(limits.roundsMax),
  /** Fixes the order of batches together with the plan's seed. */
  stream: z.string().min(1).max(400),
});
/** How a local round trains. */
export type TrainingSettings = z.infer<typeof trainingSchema>;

/** One round's work, or the evaluation of one version. */
export const roundJobSchema = z.strictObject({
  type: z.literal('round'),
  parts: z.array(roundPartSchema).min(1).max(3),
  /** Where results and checkpoints of exactly this work are. */
  workDirectory: pathSchema,
  backboneDirectory: pathSchema,
  adapterFile: pathSchema,
  /** What this site kept of an earlier round of the task; null where it kept nothing. */
  siteStateFile: pathSchema.nullable(),
  engine: z.strictObject({
    name: z.enum(['onnx', 'tfjs', 'auto']),
    device: z.enum(['auto', 'cpu', 'gpu']),
    threads: z.number().int().min(1).max(256),
    isAlone: z.boolean().default(false),
    cacheDirectory: pathSchema,
  }),
  imageCache: z.strictObject({ directory: pathSchema, bytesMax: z.number().min(0) }),
  /** Local list of images that cannot be read. */
  unreadableFile: pathSchema,
  task: taskSchema,
  preprocessing: preprocessingSchema,
  /** Null where nothing is trained: the evaluation of a version. */
  training: trainingSchema.nullable(),
  checkpointIntervalMs: z.number().int().min(0),
  evaluationBatchSize: z.number().int().min(1).max(256),
  /** Scores of another model on the same images, with which a version is compared; null for no comparison. */
  compareWith: pathSchema.nullable(),
});
/** One round's work. */
export type RoundJob = z.infer<typeof roundJobSchema>;

/** What the agent asks of a trainer process; one job at a time. */
export const trainerJobSchema = z.discriminatedUnion('type', [
  roundJobSchema,
  z.strictObject({ type: z.literal('inspect-backbone'), directory: pathSchema }),
]);
/** A job of a trainer process. */
export type TrainerJob = z.infer<typeof trainerJobSchema>;

const countSchema = z.number().int().min(0);

/** How far the trainer is. */
export const progressSchema = z.strictObject({
  type: z.literal('progress'),
  phase: z.enum(['preparing', 'training', 'evaluating']),
  done: countSchema,
  total: countSchema,
});
/** How far the trainer is. */
export type TrainerProgress = z.infer<typeof progressSchema>;

const inspectedSchema = z.strictObject({
  type: z.literal('inspected'),
  name: z.string().max(200),
  fingerprint: digestSchema,
  dimension: countSchema,
  blocks: countSchema,
  imageSize: countSchema,
});
/** What an inspection of a backbone found. */
export type InspectedBackbone = Omit<z.infer<typeof inspectedSchema>, 'type'>;

/** What a trainer process tells the agent. */
export const trainerMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('alive') }),
  progressSchema,
  z.strictObject({ type: z.literal('unreadable'), count: countSchema }),
  z.strictObject({ type: z.literal('finished'), part: roundPartSchema }),
  inspectedSchema,
  z.strictObject({ type: z.literal('done') }),
  z.strictObject({
    type: z.literal('failed'),
    code: z.custom<ErrorCode>(isErrorCode),
    message: z.string().max(4000),
  }),
]);
/** What a trainer process tells the agent. */
export type TrainerMessage = z.infer<typeof trainerMessageSchema>;
