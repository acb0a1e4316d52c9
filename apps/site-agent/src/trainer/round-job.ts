/** The work of one round in the trainer process: prepare images, evaluate, train, evaluate; done parts are skipped. */
import { readFile, writeFile } from 'node:fs/promises';
import {
  activationOf,
  decodeAdapterFile,
  encodeAdapterFile,
  encodeFloats,
  encodeUpdate,
} from '#core/adapter';
import type { AdapterFile } from '#core/adapter';
import { canonicalJson, toHex, utf8 } from '#core/bytes';
import { noCrashPoints, type CrashPoints } from '#core/crash-points';
import { blake2b256, encodePieces } from '#core/crypto';
import { assert, StateError } from '#core/errors';
import type { EngineModel } from '#core/engine';
import { activationOfLoss, type Activation } from '#core/protocol';
import {
  decodeCheckpoint,
  decodeSiteState,
  emptySiteState,
  encodeCheckpoint,
  encodeSiteState,
  evaluate,
  personalised,
  trainLocally,
} from '#core/training';
import type { LocalTrainingResult, SiteState, TrainingCheckpoint } from '#core/training';
import { bootstrapIntervals, groupingOf, pairedDifference } from '#core/evaluation';
import { makePrivateDirectory } from '../common/durable-file.ts';
import { checkClasses, findDataset, labelText, type DatasetImage } from '../data/dataset.ts';
import type { ImageStore } from '../data/image-store.ts';
import { prepareImages, type DecodeImage, type PreparedImages } from '../data/labelled-images.ts';
import { keptState, localTraining, sentChange, type RoundStart } from './local-round.ts';
import type {
  RoundJob,
  RoundPart,
  TrainerMessage,
  TrainerProgress,
  TrainingSettings,
} from './messages.ts';
import { heldOutDigest, readScores, writeScores, type HeldOutScores } from './held-out-scores.ts';
import { WorkFiles, type KeptFiles, type StoredReport } from './work-files.ts';

/** What the work needs from outside: the process hands in sharp and the engine, a spec hands in fakes. */
export interface RoundJobPorts {
  readonly decode: DecodeImage;
  /** What is known of the site's images from jobs before. */
  readonly images: ImageStore;
  /**
   * Load the backbone under the adapter's specification; called only when something is left to compute, and the caller
   * disposes of the model.
   */
  readonly loadModel: (adapter: AdapterFile) => Promise<EngineModel>;
  readonly send: (message: TrainerMessage) => void;
  readonly monotonicTimeMs: () => number;
  readonly crashPoints?: CrashPoints;
}

/** Progress is sent at most so often: the agent's loop stays free. */
const progressIntervalMs = 500;
/** Steps between two offers of a checkpoint by the loop; the clock decides which are written. */
const checkpointEverySteps = 5;

class RoundWork {
  readonly #job: RoundJob;
  readonly #ports: RoundJobPorts;
  readonly #files: WorkFiles;
  readonly #crashPoints: CrashPoints;
  readonly #adapter: AdapterFile;
  readonly #siteState: SiteState;
  /** The global adapter with what this site keeps to itself: what it evaluates, and where it starts. */
  readonly #start: Float32Array;
  #model: EngineModel | null = null;
  #training: PreparedImages | null = null;
  #heldOut: PreparedImages | null = null;
  #lastProgressMs = -Infinity;
  #lastPhase: TrainerProgress['phase'] | null = null;

  constructor(job: RoundJob, ports: RoundJobPorts, adapter: AdapterFile, siteState: SiteState) {
    this.#job = job;
    this.#ports = ports;
    this.#adapter = adapter;
    this.#siteState = siteState;
    this.#start = personalised(adapter.layout, adapter.values, siteState);
    this.#files = new WorkFiles(job.workDirectory);
    this.#crashPoints = ports.crashPoints ?? noCrashPoints;
  }

  async runPart(part: RoundPart): Promise<void> {
    if (part === 'train') await this.#train();
    else await this.#evaluate(part === 'evaluate-global' ? 'global' : 'local');
    this.#ports.send({ type: 'finished', part });
  }

  /** By the loss of the round; where nothing is trained, by the adapter's card. */
  get #activation(): Activation {
    const { training } = this.#job;
    return training === null
      ? activationOf(this.#adapter.card)
      : activationOfLoss(training.plan.loss);
  }

  get #roundStart(): RoundStart {
    return { layout: this.#adapter.layout, values: this.#start, siteState: this.#siteState };
  }

  async #loadModel(): Promise<EngineModel> {
    this.#model ??= await this.#ports.loadModel(this.#adapter);
    return this.#model;
  }

  #progress(phase: TrainerProgress['phase'], done: number, total: number): void {
    const now = this.#ports.monotonicTimeMs();
    const isTooSoon = phase === this.#lastPhase && now - this.#lastProgressMs < progressIntervalMs;
    if (isTooSoon && done < total) return;
    this.#lastProgressMs = now;
    this.#lastPhase = phase;
    this.#ports.send({ type: 'progress', phase, done, total });
  }

  /** Decode both splits once; what cannot be read is named in a local file and counted to the agent. */
  async #prepare(): Promise<{ training: PreparedImages; heldOut: PreparedImages }> {
    if (this.#training !== null && this.#heldOut !== null)
      return { training: this.#training, heldOut: this.#heldOut };
    const { task, imageCache, preprocessing, engine, unreadableFile } = this.#job;
    const classes = this.#adapter.specification.classes;
    const store = this.#ports.images;
    await store.beginJob(imageCache.directory, imageCache.bytesMax);
    const about = { classes, activation: this.#activation };
    const dataset = await findDataset(task, about, (path) => store.hashOf(path));
    const total = dataset.training.length + dataset.heldOut.length;
    const prepare = (list: readonly DatasetImage[], before: number): Promise<PreparedImages> =>
      prepareImages(list, {
        store,
        decode: this.#ports.decode,
        preprocessing,
        concurrency: Math.min(4, engine.threads),
        onProgress: (done) => {
          this.#progress('preparing', before + done, total);
        },
      });
    const training = await prepare(dataset.training, 0);
    const heldOut = await prepare(dataset.heldOut, dataset.training.length);
    const unreadable = [...training.unreadable, ...heldOut.unreadable];
    await writeFile(unreadableFile, unreadable.map((path) => `${path}\n`).join(''), {
      mode: 0o600,
    });
    if (unreadable.length > 0) this.#ports.send({ type: 'unreadable', count: unreadable.length });
    checkClasses(training.images, classes);
    this.#training = training;
    this.#heldOut = heldOut;
    return { training, heldOut };
  }

  async #evaluate(subject: 'global' | 'local'): Promise<void> {
    if ((await this.#files.readReport(subject)) !== null) return;
    const { heldOut } = await this.#prepare();
    const model = await this.#loadModel();
    let logits: Float32Array = new Float32Array(0);
    const report = await evaluate({
      model,
      onScored: (all) => {
        logits = all;
      },
      images: heldOut.labelled,
      adapter: subject === 'global' ? this.#start : await this.#files.readLocal(),
      classes: this.#adapter.specification.classes.length,
      activation: this.#activation,
      batchSize: this.#job.evaluationBatchSize,
      onProgress: ({ done, count }) => {
        this.#progress('evaluating', done, count);
      },
    });
    const scores = this.#scoresOf(heldOut, logits);
    const comparison = subject === 'global' ? await this.#comparison(scores) : null;
    await writeScores(this.#files.scoresPath(subject), scores);
    await this.#files.writeReport(subject, {
      heldOutImages: heldOut.labelled.count,
      report,
      ...uncertaintyOf(scores),
      ...(comparison === null ? {} : { comparison }),
    });
    this.#crashPoints.reach('trainer.report-written');
  }

  #scoresOf({ images, labelled }: PreparedImages, logits: Float32Array): HeldOutScores {
    const { labels, findings } = labelled;
    return {
      images: heldOutDigest(images),
      scored: {
        classes: this.#adapter.specification.classes.length,
        activation: this.#activation,
        ...{ logits, labels },
        ...(findings === undefined ? {} : { findings }),
        groups: images.map(({ group }) => group),
      },
    };
  }

  /** How the version differs from another model on the same images; null where there is none, or it saw others. */
  async #comparison(
    scores: HeldOutScores,
  ): Promise<NonNullable<StoredReport['comparison']> | null> {
    const { compareWith } = this.#job;
    const other = compareWith === null ? null : await readScores(compareWith);
    if (other?.images !== scores.images) return null;
    const { interval, ...figures } = pairedDifference(scores.scored, other.scored, { seed });
    return { ...figures, interval: interval && [...interval] };
  }

  async #train(): Promise<void> {
    if ((await this.#files.readTrained()) !== null) return;
    const { training } = await this.#prepare();
    const settings = this.#job.training;
    assert(settings !== null, 'round job: expected settings to train with');
    const binding = this.#binding(training, settings);
    const checkpoint = await this.#readCheckpoint(binding);
    const result = await trainLocally({
      model: await this.#loadModel(),
      ...localTraining(settings, this.#roundStart, training.labelled),
      ...(checkpoint === null ? {} : { resumeFrom: checkpoint }),
      onCheckpoint: this.#checkpointWriter(binding),
      checkpointEverySteps,
      onProgress: ({ step, steps }) => {
        this.#progress('training', step, steps);
      },
    });
    const { layout } = this.#adapter;
    const { trainedTensors } = settings;
    const delta = sentChange(settings, this.#roundStart, result.values);
    await this.#files.writeTrained(
      {
        samples: training.images.length,
        steps: result.steps,
        meanLoss: result.meanLoss,
        localDigest: toHex(blake2b256(encodeFloats(result.values, 'F32'))),
      },
      {
        local: result.values,
        update: encodeUpdate({ layout, trainedTensors, delta }),
        kept: this.#kept(settings, result),
      },
    );
    this.#crashPoints.reach('trainer.update-written');
  }

  /** What this site keeps of the round for itself. */
  #kept(settings: TrainingSettings, result: LocalTrainingResult): KeptFiles | null {
    const state = keptState(settings, this.#roundStart, result);
    if (state === null) return null;
    const { layout, specification, card } = this.#adapter;
    const { values } = result;
    const isPersonal = state.tensors.size > 0;
    return {
      siteState: encodeSiteState(layout, state),
      personalAdapter: isPersonal ? encodeAdapterFile({ specification, values, card }) : null,
    };
  }

  async #readCheckpoint(binding: Uint8Array): Promise<TrainingCheckpoint | null> {
    const stored = await this.#files.readCheckpoint(binding);
    try {
      return stored === null ? null : decodeCheckpoint(stored, this.#adapter.layout.size);
    } catch (error) {
      if (error instanceof StateError && error.code === 'CHECKPOINT_INVALID') return null; // trained afresh
      throw error;
    }
  }

  #checkpointWriter(binding: Uint8Array): (checkpoint: TrainingCheckpoint) => Promise<void> {
    let lastMs = this.#ports.monotonicTimeMs();
    return async (checkpoint) => {
      if (this.#ports.monotonicTimeMs() - lastMs < this.#job.checkpointIntervalMs) return;
      await this.#files.writeCheckpoint(binding, encodeCheckpoint(checkpoint));
      this.#crashPoints.reach('trainer.checkpoint-written');
      lastMs = this.#ports.monotonicTimeMs();
    };
  }

  /** What a checkpoint belongs to: start, plan, order and images; anything else would not give the same bytes. */
  #binding(training: PreparedImages, settings: TrainingSettings): Uint8Array {
    const { preprocessing } = this.#job;
    return blake2b256(
      encodePieces([
        utf8('checkpoint'),
        encodeFloats(this.#start, 'F32'),
        encodeSiteState(this.#adapter.layout, this.#siteState),
        utf8(canonicalJson({ ...settings, preprocessing })),
        ...training.images.flatMap(({ path, label }) => [utf8(path), utf8(labelText(label))]),
      ]),
    );
  }
}

/** The draws are the same for every version, so that a site's intervals can be laid side by side. */
const seed = 'held-out';

/** How sure the figures are: how images belong together, and intervals drawn by patient. */
function uncertaintyOf({ scored }: HeldOutScores): Pick<StoredReport, 'grouping' | 'bootstrap'> {
  const { auc, ...rest } = bootstrapIntervals(scored, { seed });
  const copy = (ends: readonly [number, number] | null): [number, number] | null =>
    ends && [ends[0], ends[1]];
  return {
    grouping: groupingOf(scored.groups),
    bootstrap: {
      replicates: rest.replicates,
      auc: auc.map(copy),
      macroAuc: copy(rest.macroAuc),
      accuracy: copy(rest.accuracy),
      balancedAccuracy: copy(rest.balancedAccuracy),
    },
  };
}

/** Do a round's work part by part. */
export async function runRoundJob(job: RoundJob, ports: RoundJobPorts): Promise<void> {
  await makePrivateDirectory(job.workDirectory);
  const adapter = decodeAdapterFile(new Uint8Array(await readFile(job.adapterFile)));
  const siteState =
    job.siteStateFile === null
      ? emptySiteState
      : decodeSiteState(adapter.layout, new Uint8Array(await readFile(job.siteStateFile)));
  const work = new RoundWork(job, ports, adapter, siteState);
  for (const part of job.parts) await work.runPart(part);
}
