/**
 * What sites and coordinator sign about evaluations: what is asked for, what a site reports of its held-out images, what it declines.
 *
 * What came after 0.1.0 is optional: reports of earlier agents are still taken, and a site sends it only to a coordinator that asks with
 * `evaluation:get`.
 */
import { z } from 'zod';
import { limits } from './limits.ts';
import {
  adapterVersionSchema,
  digestSchema,
  federationIdSchema,
  protocolVersion,
  roundNumberSchema,
  siteIdSchema,
  taskIdSchema,
  wallTimeMsSchema,
} from './names.ts';
import { tensorNameSchema, trainingPlanSchema } from './plan.ts';

const countSchema = z.number().int().min(0).max(limits.samplesMax);
const histogramSchema = z.array(countSchema).length(256);

/** A score report as it crosses the wire; `#core/evaluation` gives it meaning and checks its sums. */
export const wireScoreReportSchema = z.strictObject({
  classes: z.number().int().min(2).max(limits.classesMax),
  count: countSchema,
  lossSum: z.number().min(0).max(1e12),
  /** Null where each class is a yes or no by itself. */
  confusion: z.array(z.array(countSchema).max(limits.classesMax)).max(limits.classesMax).nullable(),
  histograms: z
    .array(z.strictObject({ positives: histogramSchema, negatives: histogramSchema }))
    .max(limits.classesMax),
  confidence: z.strictObject({ right: histogramSchema, wrong: histogramSchema }).exactOptional(),
});

const share = z.number().min(0).max(1);
const intervalSchema = z.tuple([share, share]).nullable();

/** How the images of a report belong together, in two numbers. */
export const groupingSchema = z.strictObject({
  /** Patients or groups. */
  groups: countSchema,
  /** Sum over the groups of the square of their number of images. */
  squares: z
    .number()
    .int()
    .min(0)
    .max(limits.samplesMax ** 2),
});

/** 95 % intervals that a site drew from its own scores, by patient or group. */
export const bootstrapSchema = z.strictObject({
  replicates: z.number().int().min(1).max(10_000),
  auc: z.array(intervalSchema).max(limits.classesMax),
  macroAuc: intervalSchema,
  accuracy: intervalSchema,
  balancedAccuracy: intervalSchema,
});

const difference = z.number().min(-1).max(1);

/** Federated less local-only, on the same images of one site: macro AUC with its 95 % interval. */
export const comparisonSchema = z.strictObject({
  replicates: z.number().int().min(1).max(10_000),
  difference: difference.nullable(),
  interval: z.tuple([difference, difference]).nullable(),
});

/**
 * Whose adapter was evaluated. `global`: the published version. `local`: the site's own after its training in `round`. `baseline`: the
 * one that the site trained alone, under the budget of the whole task; version 0 is what it started from. `cross`: such a one of any
 * site of the task, as its digest says; nobody but the coordinator is told whose it is.
 */
export const evaluationSubjectSchema = z.enum(['global', 'local', 'baseline', 'cross']);
/** Whose adapter was evaluated. */
export type EvaluationSubject = z.infer<typeof evaluationSubjectSchema>;

/** What a site reports about a model on its held-out images. */
export const evaluationPayloadSchema = z.strictObject({
  type: z.literal('evaluation'),
  protocol: z.literal(protocolVersion),
  federation: federationIdSchema,
  task: taskIdSchema,
  site: siteIdSchema,
  subject: evaluationSubjectSchema,
  version: adapterVersionSchema,
  round: roundNumberSchema.nullable(),
  adapterDigest: digestSchema,
  heldOutImages: countSchema,
  report: wireScoreReportSchema,
  grouping: groupingSchema.exactOptional(),
  bootstrap: bootstrapSchema.exactOptional(),
  /** Of a global version, where the site's policy lets it out. */
  comparison: comparisonSchema.exactOptional(),
});
/** An evaluation, parsed. */
export type EvaluationPayload = z.infer<typeof evaluationPayloadSchema>;

/** A request's own name: 8 random bytes in hexadecimal. */
export const evaluationRequestIdSchema = z
  .string()
  .regex(/^[0-9a-f]{16}$/, 'expected 16 lower-case hexadecimal digits');

/** What a site trains alone to compare the federation with: from version 0, under the budget of all rounds. */
export const baselinePlanSchema = z.strictObject({
  rounds: z.number().int().min(1).max(limits.roundsMax),
  plan: trainingPlanSchema,
  trainedTensors: z.array(tensorNameSchema).min(1).max(limits.tensorsMax),
});
/** What a site trains alone. */
export type BaselinePlan = z.infer<typeof baselinePlanSchema>;

/**
 * What a request is about. `global`: published versions. `baseline`: what each site trains alone. `baseline-upload`: the adapter that
 * came of it, to be sent to the coordinator for the others to evaluate. `cross`: one such adapter, to be evaluated.
 */
export const requestSubjectSchema = z.enum(['global', 'baseline', 'baseline-upload', 'cross']);
/** What a request is about. */
export type RequestSubject = z.infer<typeof requestSubjectSchema>;

/** What sites are asked to evaluate beside the rounds, on their own held-out images; signed by the coordinator. */
export const evaluationRequestSchema = z.strictObject({
  type: z.literal('evaluation-request'),
  protocol: z.literal(protocolVersion),
  federation: federationIdSchema,
  task: taskIdSchema,
  request: evaluationRequestIdSchema,
  subject: requestSubjectSchema,
  sites: z.array(siteIdSchema).min(1).max(limits.membersMax),
  /** Of a baseline and its upload version 0 alone: what it starts from. Of `cross` number 0 with the digest of the adapter. */
  versions: z
    .array(z.strictObject({ version: adapterVersionSchema, adapterDigest: digestSchema }))
    .min(1)
    .max(limits.evaluationVersionsMax),
  /** Null where an adapter is evaluated that is there already. */
  baseline: baselinePlanSchema.nullable(),
  /** Of `baseline-upload`: the X25519 key that the adapter is sealed to. */
  uploadPublicKey: digestSchema.exactOptional(),
  requestedAtMs: wallTimeMsSchema,
  deadlineAtMs: wallTimeMsSchema,
});
/** A request for evaluations, parsed. */
export type EvaluationRequest = z.infer<typeof evaluationRequestSchema>;

/** What a site signs about the adapter that it trained alone and sends for the others to evaluate. */
export const baselineManifestSchema = z.strictObject({
  type: z.literal('baseline-manifest'),
  protocol: z.literal(protocolVersion),
  federation: federationIdSchema,
  task: taskIdSchema,
  site: siteIdSchema,
  request: evaluationRequestIdSchema,
  /** Digest of the signed request, in its purpose: the seal binds it too. */
  requestDigest: digestSchema,
  layoutHash: digestSchema,
  ephemeralPublicKey: digestSchema,
  /** BLAKE2b-256 of the ciphertext: also the upload's id. */
  ciphertextDigest: digestSchema,
  ciphertextBytes: z.number().int().min(1).max(limits.updateBytesMax),
});
/** A baseline's manifest, parsed. */
export type BaselineManifest = z.infer<typeof baselineManifestSchema>;

/** Round and attempt that the seal of a baseline names: those of a round begin at 1. */
export const baselineSealRound = { round: 0, attempt: 0 } as const;

/** A site's signed word that it does not evaluate a version as it was asked. */
export const evaluationDeclineSchema = z.strictObject({
  type: z.literal('evaluation-decline'),
  protocol: z.literal(protocolVersion),
  federation: federationIdSchema,
  task: taskIdSchema,
  site: siteIdSchema,
  request: evaluationRequestIdSchema,
  version: adapterVersionSchema,
  code: z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/),
  reason: z.string().min(1).max(500),
});
/** A declined evaluation, parsed. */
export type EvaluationDecline = z.infer<typeof evaluationDeclineSchema>;

/** What became of what a site was asked: `lost` is without a report at the deadline. */
export const evaluationStateSchema = z.enum(['asked', 'done', 'declined', 'lost']);
/** What became of what a site was asked. */
export type EvaluationState = z.infer<typeof evaluationStateSchema>;
