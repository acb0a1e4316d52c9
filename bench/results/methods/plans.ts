/** The plans behind the table `methods`: what is simulated for each part, setting and seed, and where the dials are turned first. */
import { join } from 'node:path';
import type {
  Partition,
  SimulationPlanInput,
} from '../../../apps/site-agent/src/simulation/plan.ts';
import type { ResultsDevice } from '../table.ts';
import type { Method } from './method-list.ts';

/** A way in which sites differ. */
export interface Setting {
  readonly name: string;
  readonly partition: Partition;
}

/** Images with their backbone, and how large everything is. */
export interface ImageSet {
  readonly name: string;
  readonly base: Pick<
    SimulationPlanInput,
    'backbone' | 'images' | 'phantoms' | 'sites' | 'task' | 'measureEvery' | 'engine'
  >;
  /** The same of other images where these are drawn, else of another split; the dials are turned on them. */
  readonly tuning: Pick<SimulationPlanInput, 'phantoms'>;
  /** The learning rates that are tried first, in ascending order; tuning goes on beyond the end at which the best one lies. */
  readonly rates: readonly number[];
  readonly settings: readonly Setting[];
}

/** One method at one value of its dial. */
export interface Trial {
  readonly method: Method;
  readonly value: number;
}

/** Where the dials are turned: no setting and no seed of the comparison. */
const tuningPartition: Partition = { name: 'dirichlet', alpha: 0.3 };
/** Seeds of the tuning are these and those after them. */
const firstTuningSeed = 1001;

const allSettings: readonly Setting[] = [
  { name: 'label skew 0.1', partition: { name: 'dirichlet', alpha: 0.1 } },
  { name: 'label skew 0.5', partition: { name: 'dirichlet', alpha: 0.5 } },
  { name: 'no skew', partition: { name: 'iid' } },
  { name: 'quantity skew', partition: { name: 'quantity', alpha: 0.5 } },
  { name: 'scanner skew', partition: { name: 'scanner' } },
];

function task(rounds: number): SimulationPlanInput['task'] {
  const optimiser = { name: 'adamw', learningRate: 4e-3 };
  return { rounds, rank: 4, alpha: 8, plan: { optimiser, batchSize: 16 } };
}

function phantomSet(name: string, rounds: number, isQuick: boolean): ImageSet {
  const [images, sites] = isQuick ? [60, 3] : [600, 5];
  const phantoms = { images, difficulty: 0.4, heldOutShare: 0.35 };
  return {
    name,
    base: {
      ...{ backbone: 'nano', phantoms: { ...phantoms, seed: 1 }, sites },
      ...{ task: task(rounds), measureEvery: rounds },
    },
    tuning: { phantoms: { ...phantoms, seed: 2 } },
    rates: [8e-3, 16e-3],
    settings: isQuick ? allSettings.slice(0, 1) : allSettings,
  };
}

/** The small ViT of the repository on phantoms. */
export function nanoSet(isQuick: boolean): ImageSet {
  return phantomSet('phantoms', isQuick ? 2 : 8, isQuick);
}

/** The same for as long as a federation trains that is meant to serve everybody, where sites see different classes. */
export function longSet(isQuick: boolean): ImageSet {
  const set = phantomSet('phantoms, 32 rounds', isQuick ? 3 : 32, isQuick);
  return { ...set, settings: set.settings.filter(({ name }) => name.startsWith('label skew')) };
}

const realImages = {
  'breast-ultrasound': { name: 'breast ultrasound', classes: ['benign', 'malignant', 'normal'] },
  'chest-xray': {
    ...{ name: 'chest X-ray', classes: ['NORMAL', 'PNEUMONIA'], groupRegex: 'chest-xray' },
  },
};

/** ViT-Tiny on the real images of a folder of `shared`. */
export function imageSet(
  folder: keyof typeof realImages,
  shared: string,
  isQuick: boolean,
): ImageSet {
  const [imagesMax, rounds, sites] = isQuick ? [60, 1, 2] : [480, 8, 3];
  const { name, ...images } = realImages[folder];
  return {
    name,
    base: {
      ...{ backbone: join(shared, 'backbones', 'vit_tiny_patch16_224'), sites },
      ...{ task: task(rounds), measureEvery: rounds },
      images: { folder: join(shared, 'data', folder), imagesMax, ...images },
    },
    ...{ tuning: {}, rates: [2e-3, 4e-3, 8e-3] },
    ...{ settings: allSettings.filter((each) => each.name === 'label skew 0.5') },
  };
}

/** The same set, trained on another device. */
export function onDevice(set: ImageSet, device: ResultsDevice): ImageSet {
  if (device === 'cpu') return set;
  return { ...set, base: { ...set.base, engine: { name: 'tfjs', device } } };
}

/** The name of a trial's run. */
export function runName({ method, value }: Trial): string {
  return `${method.name}.${value}`;
}

/** A plan that trains some trials side by side, over the same sites. */
function planOf(
  base: Omit<SimulationPlanInput, 'version' | 'partition' | 'runs' | 'seeds'>,
  partition: Partition,
  seeds: readonly number[],
  trials: readonly Trial[],
): SimulationPlanInput {
  return {
    ...{ version: 1, ...base, partition, seeds: [...seeds] },
    engine: { ...base.engine, threads: 1 }, // as many plans as there are cores run side by side
    runs: trials.map((trial) => ({
      name: runName(trial),
      columns: [trial.method.column],
      task: { ...trial.method.taskAt(trial.value) },
    })),
  };
}

/** The plan of one setting with one seed. */
export function comparisonPlan(
  set: ImageSet,
  setting: Setting,
  seed: number,
  trials: readonly Trial[],
): SimulationPlanInput {
  const title = `${set.name}, ${setting.name}, seed ${seed}`;
  return planOf({ ...set.base, title }, setting.partition, [seed], trials);
}

/** The plan in which some dials are turned, with the `index`th seed of the tuning. */
export function tuningPlan(
  set: ImageSet,
  index: number,
  trials: readonly Trial[],
): SimulationPlanInput {
  const title = `${set.name}, tuning`;
  const seeds = [firstTuningSeed + index];
  return planOf({ ...set.base, ...set.tuning, title }, tuningPartition, seeds, trials);
}
