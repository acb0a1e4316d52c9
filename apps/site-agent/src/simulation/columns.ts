/** What a run trains: its columns, each as a task of the same schema as a federation's, and who trains it. */
import { resolveTrainedTensors, type AdapterLayout } from '#core/adapter';
import { toHex, utf8 } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import { InputError } from '#core/errors';
import {
  isPrivateTensor,
  taskDefinitionSchema,
  type BackboneReference,
  type Preprocessing,
  type TaskDefinition,
  type TrainingPlan,
} from '#core/protocol';
import { issueText } from '../config/yaml-file.ts';
import { layOver, type ColumnName, type Run } from './plan.ts';
import { siteNames } from './sites.ts';

/** The site that holds all images: it exists in a simulation alone. */
export const pooledSite = 'all-images';

/** One thing to train. */
export interface Column {
  readonly name: ColumnName;
  /** Of `local-only`: the site that trains by itself. */
  readonly trainedAt: string | null;
  readonly definition: TaskDefinition;
}

/** What follows from images and backbone. */
export interface TaskBasis {
  readonly backbone: BackboneReference;
  readonly preprocessing: Preprocessing;
  readonly classes: readonly string[];
}

const roundsDefault = 8;
/** Whatever a simulation's rounds wait for is there. */
const deadlineMs = 3_600_000;

const planDefaults = {
  version: 1,
  optimiser: { name: 'adamw', learningRate: 2e-3 },
  schedule: { name: 'cosine' },
  duration: { unit: 'epochs', count: 1 },
  batchSize: 16,
  loss: { name: 'cross-entropy' },
  augmentation: { name: 'none' },
};

/** 32 bytes that follow from a seed alone. */
const publicSeedOf = (seed: number): string =>
  toHex(blake2b256(utf8(`melo/simulation/public-seed/${seed}`)));

/**
 * Write a run's federated task as an administrator would.
 *
 * @throws InputError CONFIG_INVALID naming the run and the key that does not fit
 */
export function federatedDefinition(run: Run, basis: TaskBasis, seed: number): TaskDefinition {
  const defaults = { task: 'simulated', title: run.name, rounds: roundsDefault, aggregation: {} };
  const asked = layOver({ version: 1, ...defaults, plan: { ...planDefaults, seed } }, run.task);
  const schedule = { plan: { schedule: { totalRounds: asked['rounds'] } } };
  const members = siteNames(run.sites);
  const parsed = taskDefinitionSchema.safeParse({
    ...layOver(schedule, asked),
    ...basis,
    mode: 'clear',
    publicSeed: publicSeedOf(seed),
    rules: { quorumSites: members.length, deadlineMs },
    members,
  });
  if (parsed.success) return parsed.data;
  throw new InputError(
    'CONFIG_INVALID',
    `run ${run.name}: task.${issueText(parsed.error)}; \`melo simulate --example\` prints an example`,
    { run: run.name },
    { cause: parsed.error },
  );
}

function withRate(plan: TrainingPlan, learningRate: number | undefined): TrainingPlan {
  if (learningRate === undefined) return plan;
  return { ...plan, optimiser: { ...plan.optimiser, learningRate } };
}

/** All rounds in one, on the same curve of rates: a member that has nobody to average with keeps its optimiser's state. */
function atOnce(plan: TrainingPlan, rounds: number): TrainingPlan {
  const { schedule, duration } = plan;
  return {
    ...plan,
    duration: { ...duration, count: duration.count * rounds },
    schedule: {
      ...schedule,
      totalRounds: schedule.totalRounds / rounds,
      warmupRounds: schedule.warmupRounds / rounds,
    },
  };
}

/** A definition without what makes the runs of a plan differ in federation: columns beside it are then the same work in all. */
function plain(definition: TaskDefinition, plan: TrainingPlan): TaskDefinition {
  const { site: _own, ...shared } = definition;
  return taskDefinitionSchema.parse({ ...shared, title: 'simulated', aggregation: {}, plan });
}

function alone(definition: TaskDefinition, plan: TrainingPlan, member: string): TaskDefinition {
  const parsed = plain(definition, plan);
  const members = taskDefinitionSchema.shape.members.parse([member]);
  return {
    ...parsed,
    plan: atOnce(plan, parsed.rounds),
    rules: { ...parsed.rules, quorumSites: 1 },
    rounds: 1,
    members,
  };
}

/** The columns of a run, in the order of the plan; `local-only` once for each site. */
export function columnsOf(run: Run, definition: TaskDefinition): Column[] {
  const rates = run.learningRates;
  return run.columns.flatMap((name): Column[] => {
    switch (name) {
      case 'federated':
        return [{ name, trainedAt: null, definition: { ...definition, title: 'simulated' } }];
      case 'head-only': {
        const plan = withRate(definition.plan, rates['head-only']);
        const probe: TaskDefinition = { ...plain(definition, plan), trainedTensors: 'head' };
        return [{ name, trainedAt: null, definition: probe }];
      }
      case 'local-only': {
        const plan = withRate(definition.plan, rates['local-only']);
        return definition.members.map((site) => {
          return { name, trainedAt: site, definition: alone(definition, plan, site) };
        });
      }
      case 'pooled': {
        const plan = withRate(definition.plan, rates.pooled);
        return [{ name, trainedAt: null, definition: alone(definition, plan, pooledSite) }];
      }
    }
  });
}

/** How often a column's images are passed over in all, a pass of the head alone counting for less. */
export function passesOf({ definition }: Column, images: number): number {
  const { plan, rounds, trainedTensors } = definition;
  const { duration, batchSize } = plan;
  const each = duration.unit === 'epochs' ? duration.count * images : duration.count * batchSize;
  return each * rounds * (trainedTensors === 'head' ? headPass : 1);
}

/** A pass over an image with the head alone trained, and one without any gradient, in passes of a full step. */
export const headPass = 0.1;
/** See {@link headPass}. */
export const forwardPass = 0.35;

/** Names of the tensors that a column may train and send, in the layout's order. */
export function selectedTensors(
  { trainedTensors, site }: TaskDefinition,
  layout: AdapterLayout,
): string[] {
  const part = site?.privatePart;
  return resolveTrainedTensors(trainedTensors, layout).filter(
    (name) => !isPrivateTensor(name, part),
  );
}
