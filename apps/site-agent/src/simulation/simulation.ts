/**
 * A plan's runs one after the other in this process. What is done lies below the output folder and is not done again: stopped at
 * any moment and started again, a simulation ends with the same bytes.
 */
import { join } from 'node:path';
import type { AdapterSpecification } from '#core/adapter';
import { canonicalJson, toHex, utf8 } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import { defaultThreads, type EngineModel } from '#core/engine';
import { activationOfLoss, type TaskDefinition } from '#core/protocol';
import { agentVersion } from '../common/agent-version.ts';
import type { EngineConfig } from '../config/agent-config.ts';
import { makePrivateDirectory, removeHalfWritten } from '../common/durable-file.ts';
import { lockDirectory } from '../common/instance-lock.ts';
import { WarmModel } from '../trainer/warm-model.ts';
import { backboneBasis, backboneFolder } from './backbone-basis.ts';
import { runColumn, type Member } from './column-work.ts';
import {
  columnsOf,
  federatedDefinition,
  pooledSite,
  type Column,
  type TaskBasis,
} from './columns.ts';
import { classesOf, imageSource } from './image-pool.ts';
import { drawPhantomPool } from './phantom-pool.ts';
import { runsOf, type Run, type SimulationPlan } from './plan.ts';
import { columnResult, runResult, type ColumnResult, type SimulationResults } from './results.ts';
import { pooledImages, SiteMaker, type SimulatedSite } from './sites.ts';
import { Tally } from './tally.ts';
import { workFolder, WorkStore } from './work-store.ts';

/** How far a simulation is. */
export interface SimulationProgress {
  readonly phase: 'drawing' | 'preparing' | 'training';
  /** What is worked on, for people. */
  readonly what: string;
  /** Of the phase. */
  readonly done: number;
  readonly total: number;
  /** Done in this process, in the units of `done`: what time was spent on. */
  readonly worked: number;
}

/** What a simulation needs. */
export interface SimulationOptions {
  readonly plan: SimulationPlan;
  /** For what is done, decoded images and the engine's cache. */
  readonly directory: string;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: SimulationProgress) => void;
}

const lockPurpose = {
  file: 'simulate.lock',
  who: 'simulation',
  advice: 'name another folder by --output',
};

/** Loads the plan's backbone for a specification. */
type LoadModelFor = (specification: AdapterSpecification) => Promise<EngineModel>;

/** The engine, as the digest of a column's work has it: onnx has but one device. */
type EngineChoice =
  | { readonly name: 'onnx'; readonly threads: number }
  | Pick<EngineConfig, 'name' | 'device' | 'threads'>;

/** One run with one seed, its columns not trained yet. */
interface Queued {
  readonly run: Run;
  readonly seed: number;
  readonly definition: TaskDefinition;
  readonly columns: readonly Column[];
}

/** Every run with every seed, seed by seed, so that runs over the same sites follow one another; all are checked. */
function queueOf(plan: SimulationPlan, basis: TaskBasis): Queued[] {
  return plan.seeds.flatMap((seed) =>
    runsOf(plan).map((run): Queued => {
      const definition = federatedDefinition(run, basis, seed);
      return { run, seed, definition, columns: columnsOf(run, definition) };
    }),
  );
}

/** The work of a whole plan. */
class Simulation {
  readonly #options: SimulationOptions;
  readonly #basis: TaskBasis;
  readonly #queue: readonly Queued[];
  readonly #sites: SiteMaker;
  readonly #loadModel: LoadModelFor;
  readonly #engine: EngineChoice;
  #tally = new Tally([], { training: 0, heldOut: 0 }, 1);

  constructor(
    options: SimulationOptions,
    parts: {
      readonly basis: TaskBasis;
      readonly queue: readonly Queued[];
      readonly sites: SiteMaker;
      readonly loadModel: LoadModelFor;
      readonly engine: EngineChoice;
    },
  ) {
    this.#options = options;
    this.#basis = parts.basis;
    this.#queue = parts.queue;
    this.#sites = parts.sites;
    this.#loadModel = parts.loadModel;
    this.#engine = parts.engine;
  }

  async run(): Promise<SimulationResults> {
    const { plan } = this.#options;
    const results = [];
    for (const [at, queued] of this.#queue.entries()) {
      const sites = await this.#sitesOf(queued);
      if (at === 0) this.#tally = this.#tallyOf(sites);
      const columns: ColumnResult[] = [];
      for (const column of queued.columns) columns.push(await this.#column(queued, column, sites));
      results.push(runResult(queued.run, queued.seed, sites, columns));
    }
    const { classes, backbone } = this.#basis;
    return { version: 1, title: plan.title, classes, backbone: backbone.name, runs: results };
  }

  #sitesOf({ run, seed, definition }: Queued): Promise<readonly SimulatedSite[]> {
    const { sites, partition } = run;
    const { plan, preprocessing } = definition;
    const activation = activationOfLoss(plan.loss);
    return this.#sites.make({ sites, partition, seed, activation, preprocessing });
  }

  #tallyOf(sites: readonly SimulatedSite[]): Tally {
    const count = (split: 'training' | 'heldOut'): number =>
      sites.reduce((sum, site) => sum + site[split].count, 0);
    const images = { training: count('training'), heldOut: count('heldOut') };
    const columns = this.#queue.flatMap(({ run, seed, columns: own }) =>
      own.map((column) => ({ run, seed, column })),
    );
    return new Tally(columns, images, this.#options.plan.measureEvery);
  }

  #members({ name, trainedAt }: Column, sites: readonly SimulatedSite[]): Member[] {
    if (name === 'pooled') return [{ site: pooledSite, images: pooledImages(sites) }];
    return sites
      .filter((site) => trainedAt === null || site.name === trainedAt)
      .map((site) => ({ site: site.name, images: site.training }));
  }

  /** Everything that decides a column's bytes. */
  #workKey({ definition, trainedAt, name }: Column, sites: readonly SimulatedSite[]): string {
    const { measureEvery } = this.#options.plan;
    const decides = {
      ...{ definition, trainedAt, isPooled: name === 'pooled', measureEvery },
      sites: sites.map((site) => ({ name: site.name, digest: site.digest })),
      engine: this.#engine,
      release: agentVersion,
    };
    return toHex(blake2b256(utf8(canonicalJson(decides)))).slice(0, 40);
  }

  async #column(
    queued: Queued,
    column: Column,
    sites: readonly SimulatedSite[],
  ): Promise<ColumnResult> {
    const { run, seed } = queued;
    const { directory, plan, signal } = this.#options;
    const at = column.trainedAt === null ? '' : ` at ${column.trainedAt}`;
    const what = `${run.name}, seed ${seed}: ${column.name}${at}`;
    const records = await runColumn({
      ...{ column, sites, signal, measureEvery: plan.measureEvery },
      members: this.#members(column, sites),
      store: new WorkStore(join(workFolder(directory), this.#workKey(column, sites))),
      loadModel: this.#loadModel,
      onPasses: (passes) => {
        this.#tally.add(passes);
        this.#report(what);
      },
    });
    this.#tally.end({ run, seed, column });
    this.#report(what);
    return columnResult(column, records);
  }

  #report(what: string): void {
    this.#options.onProgress({ phase: 'training', what, ...this.#tally.passes });
  }
}

/**
 * Run a plan; its own mistakes are told before an image is drawn.
 *
 * @throws InputError CONFIG_INVALID where a run's task does not fit, NOT_FOUND or BACKBONE_UNSUPPORTED of the backbone,
 *   DATASET_INVALID and others of the agent's data reading
 * @throws StateError DATA_FOLDER_LOCKED while another simulation uses the folder
 * @throws the signal's reason once it is aborted; what was done until then is kept
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResults> {
  const { plan, directory, signal, onProgress } = options;
  await makePrivateDirectory(directory);
  const unlock = await lockDirectory(directory, lockPurpose);
  const { name, device, threads = defaultThreads(1) } = plan.engine;
  const choice: EngineChoice = name === 'onnx' ? { name, threads } : { name, device, threads };
  const cacheDirectory = join(directory, 'engine-cache');
  const model = new WarmModel();
  const report = (phase: 'drawing' | 'preparing') => (done: number, total: number) =>
    onProgress({ phase, what: 'images', done, total, worked: done });
  try {
    await removeHalfWritten(workFolder(directory));
    const basis = { ...(await backboneBasis(plan.backbone)), classes: classesOf(plan) };
    const queue = queueOf(plan, basis);
    const phantoms =
      plan.phantoms === undefined
        ? null
        : await drawPhantomPool(directory, {
            ...plan.phantoms,
            signal,
            onImage: report('drawing'),
          });
    const backboneDirectory = backboneFolder(plan.backbone);
    const modelSource = {
      backboneDirectory,
      engine: { name, device, threads, isAlone: false, cacheDirectory },
    };
    const loadModel: LoadModelFor = (specification) => model.get(modelSource, specification);
    const source = imageSource(plan, phantoms);
    const images = join(directory, 'images');
    const onImage = report('preparing');
    const sites = new SiteMaker({ source, directory: images, signal, onImage });
    return await new Simulation(options, { basis, queue, sites, loadModel, engine: choice }).run();
  } finally {
    await model.dispose();
    await unlock();
  }
}
