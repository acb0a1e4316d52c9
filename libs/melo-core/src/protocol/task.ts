/** A task as an administrator defines it: what is trained, on which backbone, by whom and under which rules. */
import { z } from 'zod';
import { aggregationPlanSchema } from './aggregation-plan.ts';
import {
  earlyStopRuleSchema,
  evaluationDeadlineMsSchema,
  promotionRuleSchema,
} from './evaluation-rules.ts';
import { limits } from './limits.ts';
import { classesSchema, digestSchema, releaseSchema, siteIdSchema, taskIdSchema } from './names.ts';
import {
  poolingSchema,
  preprocessingSchema,
  tensorNameSchema,
  trainingPlanSchema,
  type LossPlan,
} from './plan.ts';
import { isPrivateTensor, siteStepSchema, type PrivatePart } from './site-step.ts';

/** What the coordinator must know of a backbone it never holds. */
export const backboneReferenceSchema = z.strictObject({
  name: z.string().min(1).max(128),
  fingerprint: digestSchema,
  dimension: z.number().int().min(1).max(8192),
  blocks: z.number().int().min(1).max(256),
  patchSize: z.number().int().min(1).max(256),
  imageSize: z.number().int().min(16).max(1024),
});
/** What the coordinator must know of a backbone it never holds. */
export type BackboneReference = z.infer<typeof backboneReferenceSchema>;

/** For whom a round waits once its quorum is met. */
export const roundWaitSchema = z.enum(['all', 'quorum']);
/** For whom a round waits once its quorum is met. */
export type RoundWait = z.infer<typeof roundWaitSchema>;

/**
 * When a round may be published, until when it waits and who may take part. What came after the first release may be left
 * out and is then off, so that earlier definitions keep their text and their digests.
 */
export const roundRulesSchema = z.strictObject({
  /** Least number of sites that must have reported. */
  quorumSites: z.number().int().min(1).max(limits.membersMax),
  /** Least share of the samples that the accepting sites declared, 0 to 1. */
  quorumSampleShare: z.number().min(0).max(1).default(0),
  /** Milliseconds from opening until members that have not reported count as lost. */
  deadlineMs: z
    .number()
    .int()
    .min(1000)
    .max(30 * 24 * 3_600_000)
    .default(6 * 3_600_000),
  /** `all`, also where left out: wait for every member until the deadline. `quorum`: go on as soon as the quorum is met. */
  wait: roundWaitSchema.exactOptional(),
  /** Least number of training images with which a site may take part. */
  samplesMinimum: z.number().int().min(1).max(limits.samplesMax).exactOptional(),
  /** Oldest release of the site agent that may take part. */
  agentVersionMinimum: releaseSchema.exactOptional(),
});
/** When a round may be published, until when it waits and who may take part. */
export type RoundRules = z.infer<typeof roundRulesSchema>;

/** Which tensors a round may train: all of the adapter and head, or the head alone (a linear probe). */
export const trainedTensorsSchema = z.union([
  z.literal('all'),
  z.literal('head'),
  z.array(tensorNameSchema).min(1).max(limits.tensorsMax),
]);

/** The lists of weights in a plan's loss. */
function lossWeightLists(loss: LossPlan): readonly (readonly number[])[] {
  const positive = loss.name === 'binary-cross-entropy' ? [loss.positiveWeights] : [];
  return [loss.classWeights, ...positive].filter((weights) => weights !== undefined);
}

/** Methods that treat A and B apart, and so need both. */
const factorMethods: ReadonlySet<string> = new Set(['alternating', 'ffa', 'ridge']);

/** Whether anything that a round trains leaves the sites. */
function sharesTensors(
  trainedTensors: z.infer<typeof trainedTensorsSchema>,
  part: PrivatePart | undefined,
): boolean {
  if (trainedTensors === 'all') return true;
  if (trainedTensors === 'head') return part !== 'head';
  return trainedTensors.some((name) => !isPrivateTensor(name, part));
}

/** A task's definition; it never changes once created. */
export const taskDefinitionSchema = z
  .strictObject({
    version: z.literal(1),
    task: taskIdSchema,
    title: z.string().min(1).max(200),
    /** `clear`: the coordinator opens updates. `blind` comes with secure aggregation; never switched silently. */
    mode: z.enum(['clear']),
    backbone: backboneReferenceSchema,
    preprocessing: preprocessingSchema,
    classes: classesSchema,
    rank: z.number().int().min(1).max(64).default(4),
    alpha: z.number().positive().max(1024).default(4),
    pooling: poolingSchema.exactOptional(),
    /** 32 bytes in hexadecimal; version 0 can be derived again by anyone from it. */
    publicSeed: digestSchema,
    trainedTensors: trainedTensorsSchema.default('all'),
    plan: trainingPlanSchema,
    aggregation: aggregationPlanSchema,
    /** How a site's local round departs from plain training. */
    site: siteStepSchema.exactOptional(),
    rounds: z.number().int().min(1).max(limits.roundsMax),
    rules: roundRulesSchema,
    /** Each site also trains alone, once, under the budget of all rounds, to tell whether the federation helps it. */
    localBaseline: z.boolean().exactOptional(),
    /** Each site that allows it also sends that adapter, and every site evaluates it on its held-out images. */
    crossEvaluation: z.boolean().exactOptional(),
    promotion: promotionRuleSchema.exactOptional(),
    earlyStop: earlyStopRuleSchema.exactOptional(),
    /** How long both rules wait for the sites' evaluations of a version; a day where left out. */
    evaluationDeadlineMs: evaluationDeadlineMsSchema.exactOptional(),
    members: z.array(siteIdSchema).min(1).max(limits.membersMax),
  })
  .refine((task) => new Set(task.members).size === task.members.length, {
    path: ['members'],
    message: 'expected every site once',
  })
  .refine((task) => task.rules.quorumSites <= task.members.length, {
    path: ['rules', 'quorumSites'],
    message: 'expected no more than there are members',
  })
  .refine(
    ({ promotion, localBaseline }) =>
      promotion?.noSiteWorseThanLocalBy === undefined || localBaseline === true,
    {
      path: ['promotion', 'noSiteWorseThanLocalBy'],
      message: 'expected localBaseline: true beside it',
    },
  )
  .refine(
    ({ crossEvaluation, localBaseline }) => crossEvaluation !== true || localBaseline === true,
    { path: ['crossEvaluation'], message: 'expected localBaseline: true beside it' },
  )
  .refine(
    ({ crossEvaluation, site }) => crossEvaluation !== true || site?.privatePart === undefined,
    {
      path: ['crossEvaluation'],
      message:
        'expected no privatePart beside it: what stays at the sites is not sent for this either',
    },
  )
  .refine(
    ({ plan, classes }) =>
      lossWeightLists(plan.loss).every(({ length }) => length === classes.length),
    { path: ['plan', 'loss'], message: 'expected as many weights as there are classes' },
  )
  .refine(
    ({ aggregation: { method }, trainedTensors }) =>
      trainedTensors === 'all' || !factorMethods.has(method),
    { path: ['aggregation', 'method'], message: 'expected trainedTensors: all with this method' },
  )
  .refine(
    ({ site, plan }) => site?.classPriorCorrection !== true || plan.loss.name === 'cross-entropy',
    {
      path: ['site', 'classPriorCorrection'],
      message: 'expected the loss cross-entropy: classes that exclude each other have shares',
    },
  )
  .refine(
    ({ site, aggregation }) =>
      site?.privatePart !== 'lora_B' || !factorMethods.has(aggregation.method),
    {
      path: ['site', 'privatePart'],
      message: 'expected a method that does not treat A and B apart where B stays at the sites',
    },
  )
  .refine(({ site, trainedTensors }) => sharesTensors(trainedTensors, site?.privatePart), {
    path: ['site', 'privatePart'],
    message: 'expected something that is trained and sent beside what stays at the sites',
  })
  .refine((task) => task.preprocessing.imageSize === task.backbone.imageSize, {
    path: ['preprocessing', 'imageSize'],
    message: 'expected the image size of the backbone',
  });
/** A task's definition. */
export type TaskDefinition = z.infer<typeof taskDefinitionSchema>;
/** A task's definition as a person may write it. */
export type TaskDefinitionInput = z.input<typeof taskDefinitionSchema>;
