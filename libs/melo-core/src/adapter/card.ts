/**
 * The card that travels inside an adapter file: what it is for, what it fits, and where it comes from.
 *
 * It carries no date and no random value, so the file of a version depends only on the task's definition, the members'
 * updates and weights, and the release.
 */
import { z } from 'zod';
import {
  activationOfLoss,
  activationSchema,
  adapterVersionSchema,
  backboneReferenceSchema,
  classesSchema,
  digestSchema,
  limits,
  poolingSchema,
  preprocessingSchema,
  roundNumberSchema,
  siteIdSchema,
  taskIdSchema,
  type Activation,
  type Pooling,
  type TaskDefinition,
} from '#core/protocol';
import { adapterLayout } from './layout.ts';
import { adapterSpecification, type AdapterSpecification } from './specification.ts';
import { resolveTrainedTensors } from './trained-tensors.ts';

/** What every adapter says about its use. */
export const adapterNotice = 'Investigational. Not a medical device.';

const memberSchema = z.strictObject({
  site: siteIdSchema,
  /** Weight used in the aggregate, before it is divided by the sum of all. */
  weight: z.number().positive(),
  samples: z.number().int().min(1).max(limits.samplesMax),
});

const isSortedBySite = (members: readonly { readonly site: string }[]): boolean =>
  members.every(({ site }, index) => index === 0 || (members[index - 1]?.site ?? '') < site);

/** An adapter's card. */
export const adapterCardSchema = z.strictObject({
  format: z.literal('melo-adapter/1'),
  task: taskIdSchema,
  title: z.string().min(1).max(200),
  classes: classesSchema,
  rank: z.number().int().min(1).max(64),
  alpha: z.number().positive().max(4096),
  /** What is applied: W' = W + scale B A. */
  scale: z.number().positive().max(4096),
  pooling: poolingSchema.exactOptional(),
  /** How logits become scores; `softmax` where it is left out. */
  activation: activationSchema.exactOptional(),
  backbone: backboneReferenceSchema,
  preprocessing: preprocessingSchema,
  version: adapterVersionSchema,
  trainedTensors: z.strictObject({
    /** As the task's definition says it; `list` where it names tensors one by one. */
    selection: z.enum(['all', 'head', 'list']),
    /** How many tensors each round trains. */
    count: z.number().int().min(1).max(limits.tensorsMax),
  }),
  aggregation: z.strictObject({
    method: z.string().min(1).max(64),
    weights: z.enum(['samples', 'equal']),
  }),
  lineage: z.strictObject({
    /** Digest of the version that the round started from; null for version 0. */
    parentDigest: digestSchema.nullable(),
    /** Round that made this version; null for version 0. */
    round: roundNumberSchema.nullable(),
    /** Sites in the aggregate, ascending; none for version 0. */
    members: z
      .array(memberSchema)
      .max(limits.membersMax)
      .refine(isSortedBySite, 'expected every site once, in ascending order'),
  }),
  layoutHash: digestSchema,
  publicSeed: digestSchema,
  software: z.strictObject({
    /** E.g. `melo-federation 0.1.0`. */
    library: z.string().min(1).max(128),
    /** What computed the values, e.g. the aggregation's arithmetic. */
    engine: z.string().min(1).max(128),
  }),
  notice: z.literal(adapterNotice),
});
/** An adapter's card. */
export type AdapterCard = z.infer<typeof adapterCardSchema>;

/**
 * Take the specification that a task's definition or a card describes.
 *
 * @throws InputError ADAPTER_SPEC_INVALID if a part is out of range
 */
export function specificationOf(source: {
  readonly rank: number;
  readonly alpha: number;
  readonly classes: readonly string[];
  readonly backbone: { readonly dimension: number; readonly blocks: number };
  readonly pooling?: Pooling;
}): AdapterSpecification {
  const { rank, alpha, classes, backbone, pooling = 'cls' } = source;
  const { dimension, blocks } = backbone;
  return adapterSpecification({ rank, alpha, classes, dimension, blocks, pooling });
}

/** Tell how an adapter's logits become scores; a card that does not say it is of an adapter of one class an image. */
export function activationOf({ activation }: AdapterCard): Activation {
  return activation ?? 'softmax';
}

/**
 * Write the card of a version from its task's definition and its lineage.
 *
 * @param options - `members`: the sites in the aggregate in any order; empty for version 0
 * @throws z.ZodError where the parts do not fit the schema (our own mistake)
 */
export function adapterCard(options: {
  readonly definition: TaskDefinition;
  readonly version: number;
  readonly parentDigest: string | null;
  readonly round: number | null;
  readonly members: readonly {
    readonly site: string;
    readonly weight: number;
    readonly samples: number;
  }[];
  readonly software: { readonly library: string; readonly engine: string };
}): AdapterCard {
  const { definition, version, parentDigest, round, software } = options;
  const { task, title, classes, rank, alpha, backbone, preprocessing, publicSeed } = definition;
  const specification = specificationOf(definition);
  const layout = adapterLayout(specification);
  const { trainedTensors } = definition;
  const { method, weights } = definition.aggregation;
  return adapterCardSchema.parse({
    format: 'melo-adapter/1',
    ...{ task, title, classes, rank, alpha, backbone, preprocessing, version },
    aggregation: { method, weights },
    scale: specification.scale,
    ...(specification.pooling === undefined ? {} : { pooling: specification.pooling }),
    ...(activationOfLoss(definition.plan.loss) === 'softmax' ? {} : { activation: 'sigmoid' }),
    trainedTensors: {
      selection: typeof trainedTensors === 'string' ? trainedTensors : 'list',
      count: resolveTrainedTensors(trainedTensors, layout).length,
    },
    lineage: {
      parentDigest,
      round,
      members: [...options.members].sort((a, b) => (a.site < b.site ? -1 : 1)),
    },
    layoutHash: layout.hash,
    publicSeed,
    software,
    notice: adapterNotice,
  });
}
