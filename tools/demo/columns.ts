/** The columns of the demo's table, each a task of one federation, and what each costs. */
import type { TaskDefinitionInput } from '#core/protocol';
import { taskDefinition, type BackboneFolder } from '../../test/support/small-federation.ts';
import { demoPlan, demoTrainingPlan } from './plan.ts';

/** The task that is federated. */
export const federatedTask = 'federated';
/** The linear probe, trained by the same federation. */
export const headTask = 'head-only';
/** One model on all images. */
export const pooledTask = 'pooled';
/** The site that holds all images: it exists in a demonstration alone. */
export const pooledSite = 'all-images';
/** One hospital alone. */
export const localTask = (site: string): string => `local-${site}`;

/** The tasks that a site's configuration approves. */
export function tasksOf(site: string): string[] {
  return site === pooledSite ? [pooledTask] : [federatedTask, headTask, localTask(site)];
}

/** A column as a task, and its part of the whole work. */
export interface Column {
  readonly task: string;
  readonly label: string;
  readonly members: readonly string[];
  readonly rounds: number;
  /** Passes over its members' images, a full training step counting 1. */
  readonly work: number;
  readonly definition: TaskDefinitionInput;
}

/** What the columns share. */
export interface ColumnOptions {
  readonly hospitals: readonly { readonly name: string; readonly trainingImages: number }[];
  readonly classes: readonly string[];
  readonly backbone: BackboneFolder;
  readonly rounds: number;
  readonly seed: number;
}

/** A step of the head alone needs no backward pass through the blocks. */
const headWork = 0.5;
/** Starting a trainer and two evaluations of a round, in passes over a hospital's images. */
const roundWork = 0.7;
const roundDeadlineMs = 6 * 3_600_000;

/** Describe a task; `epochsAtOnce` trains all epochs in one round, for a member that has nobody to average with. */
function makeColumn(
  { classes, backbone, rounds, seed }: ColumnOptions,
  column: {
    readonly task: string;
    readonly label: string;
    readonly members: readonly string[];
    readonly images: number;
    readonly isAtOnce: boolean;
    readonly isHead?: boolean;
  },
): Column {
  const { task, label, members, images, isAtOnce, isHead = false } = column;
  const columnRounds = isAtOnce ? 1 : rounds;
  const learningRate = isHead ? demoPlan.probeLearningRate : demoPlan.learningRate;
  const plan = demoTrainingPlan({ rounds: columnRounds, learningRate, seed });
  const { mean, std } = backbone.configuration;
  const base = { task, members, classes, seed, rounds: columnRounds };
  const definition = taskDefinition({
    ...base,
    backbone: backbone.reference,
    mean,
    std,
    overrides: {
      title: label,
      rank: demoPlan.rank,
      alpha: demoPlan.alpha,
      plan: isAtOnce ? { ...plan, duration: { unit: 'epochs', count: rounds } } : plan,
      rules: { quorumSites: members.length, deadlineMs: roundDeadlineMs },
      ...(isHead ? { trainedTensors: 'head' } : {}),
    },
  });
  const work = images * (rounds * (isHead ? headWork : 1) + columnRounds * roundWork);
  return { task, label, members, rounds: columnRounds, work, definition };
}

/**
 * Describe every column. Federated and head-only average after each epoch; a hospital alone and the pooled site have as
 * many epochs on the same curve of rates in one round.
 */
export function demoColumns(options: ColumnOptions): {
  readonly federated: Column;
  readonly pooled: Column;
  readonly head: Column;
  readonly locals: readonly Column[];
} {
  const { hospitals } = options;
  const names = hospitals.map(({ name }) => name);
  const images = hospitals.reduce((sum, { trainingImages }) => sum + trainingImages, 0);
  return {
    federated: makeColumn(options, {
      task: federatedTask,
      label: 'MeLo, federated',
      members: names,
      images,
      isAtOnce: false,
    }),
    pooled: makeColumn(options, {
      task: pooledTask,
      label: 'MeLo, all images in one place',
      members: [pooledSite],
      images,
      isAtOnce: true,
    }),
    head: makeColumn(options, {
      task: headTask,
      label: 'head alone, federated',
      members: names,
      images,
      isAtOnce: false,
      isHead: true,
    }),
    locals: hospitals.map(({ name, trainingImages }) =>
      makeColumn(options, {
        task: localTask(name),
        label: `MeLo, ${name} alone`,
        members: [name],
        images: trainingImages,
        isAtOnce: true,
      }),
    ),
  };
}
