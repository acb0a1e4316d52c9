/** Works on one accepted round: global adapter, trainer, score reports, one seal; then the outbox has it. */
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromHex, toHex } from '#core/bytes';
import { blake2b256, sealUpdate, signDomains, signPayload } from '#core/crypto';
import { MeloError, StateError } from '#core/errors';
import {
  encodePayload,
  evaluationPayloadSchema,
  keepsSiteState,
  manifestSchema,
  protocolVersion,
  roundKeySchema,
  type AdapterReference,
  type EvaluationSubject,
  type RoundKey,
  type TaskId,
} from '#core/protocol';
import { makePrivateDirectory } from '../common/durable-file.ts';
import type { TaskConfig } from '../config/agent-config.ts';
import type { ApprovedRound } from '../policy/policy.ts';
import type {
  RoundJob,
  RoundPart,
  TrainerProgress,
  TrainingSettings,
} from '../trainer/messages.ts';
import { WorkFiles, type TrainedRecord } from '../trainer/work-files.ts';
import type { AgentContext } from './context.ts';
import { pruneVersions } from './kept-versions.ts';
import { downloadReporter, ProgressReporter } from './progress-reporter.ts';
import { SiteStates } from './site-states.ts';
import { checkGlobalAdapter } from './version-store.ts';

/** A round that was accepted. */
export interface AcceptedRound {
  readonly approved: ApprovedRound;
  readonly key: RoundKey;
  readonly roundOpenDigest: string;
  readonly reference: AdapterReference;
  /** When the coordinator was asked, by the monotonic clock: its word is not newer than that. */
  readonly askedMs: number;
}

/** Losses are bounded on the wire; a training that diverged says so by the bound. */
const lossMax = 1e6;

/** Where a round's work is kept. */
export function workDirectory(context: AgentContext, { task, round, attempt }: RoundKey): string {
  return join(context.config.dataDirectory, 'work', task, `round-${round}-attempt-${attempt}`);
}

/** Describe work to the trainer: what the round asks, where this machine keeps things. */
export function trainerJob(
  context: AgentContext,
  work: {
    readonly parts: RoundPart[];
    readonly directory: string;
    readonly backboneDirectory: string;
    readonly adapterFile: string;
    readonly siteStateFile: string | null;
    readonly task: TaskConfig;
    readonly preprocessing: RoundJob['preprocessing'];
    readonly training: TrainingSettings | null;
    readonly taskName: string;
  },
): RoundJob {
  const { dataDirectory, engine, imageCacheBytesMax, trainer } = context.config;
  return {
    type: 'round',
    parts: work.parts,
    workDirectory: work.directory,
    backboneDirectory: work.backboneDirectory,
    adapterFile: work.adapterFile,
    siteStateFile: work.siteStateFile,
    engine: { ...engine, cacheDirectory: join(dataDirectory, 'engine-cache') },
    imageCache: { directory: join(dataDirectory, 'cache'), bytesMax: imageCacheBytesMax },
    unreadableFile: join(dataDirectory, 'unreadable-images.txt'),
    task: work.task,
    preprocessing: work.preprocessing,
    training: work.training,
    checkpointIntervalMs: trainer.checkpointIntervalMs,
    evaluationBatchSize: trainer.batchSizeEvaluation,
    compareWith: context.config.policy.comparison
      ? context.scores.baselinePath(work.taskName)
      : null,
  };
}

/** What a score report is of. */
export interface EvaluatedAdapter {
  readonly subject: EvaluationSubject;
  readonly version: number;
  readonly round: number | null;
  readonly adapterDigest: string;
}

/** What a score report is called in the outbox: a later one of the same adapter replaces it. */
export function reportName({ subject, version, round, adapterDigest }: EvaluatedAdapter): string {
  if (subject === 'cross') return `cross-${adapterDigest.slice(0, 16)}`;
  return `${subject}-${subject === 'local' ? (round ?? 0) : version}`;
}

/** Sign a score report and put it into the outbox; the journal then says that it need not be made again. */
export async function reportEvaluation(
  context: AgentContext,
  files: WorkFiles,
  about: EvaluatedAdapter & { readonly task: TaskId },
): Promise<void> {
  const isTrainedHere = about.subject === 'local' || about.subject === 'baseline';
  const file = isTrainedHere ? 'local' : 'global';
  const stored = await files.readReport(file);
  if (stored === null)
    throw new StateError('STATE_CONFLICT', 'score report: expected a file; evaluate again');
  const { heldOutImages, report, ...sureness } = stored;
  const { confidence: _, ...plainReport } = report;
  const isFull = context.abilities.takesFullReports;
  const payload = encodePayload(evaluationPayloadSchema, {
    type: 'evaluation',
    protocol: protocolVersion,
    federation: context.federation,
    site: context.site,
    ...about,
    heldOutImages,
    report: isFull ? report : plainReport,
    ...(isFull ? sureness : {}),
  });
  const evaluation = signPayload(signDomains.evaluation, payload, context.keys.signing.secretKey);
  const name = reportName(about);
  context.crashPoints.reach('agent.evaluation-signed');
  await context.outbox.addEvaluation(about.task, name, evaluation);
  context.crashPoints.reach('agent.evaluation-kept');
  if (about.subject === 'global') {
    await context.journal.update(about.task, ({ evaluatedVersion }) => ({
      evaluatedVersion: Math.max(evaluatedVersion, about.version), // an earlier one may have been asked for
    }));
  }
  if (about.subject === 'global' || about.subject === 'baseline') {
    const version = about.subject === 'global' ? about.version : null;
    await context.scores.keep(about.task, version, files.scoresPath(file));
  }
  const { task, version, subject } = about;
  context.emit({ event: 'evaluated', task, version, subject });
  context.pump.kick();
}

/** One round's work. */
export class RoundWorker {
  readonly #context: AgentContext;
  readonly #round: AcceptedRound;
  readonly #files: WorkFiles;
  readonly #progress: ProgressReporter;
  readonly #siteStates: SiteStates;

  constructor(context: AgentContext, round: AcceptedRound) {
    this.#context = context;
    this.#round = round;
    this.#files = new WorkFiles(workDirectory(context, round.key));
    this.#progress = new ProgressReporter(context, round.key);
    this.#siteStates = new SiteStates(context.config.dataDirectory);
  }

  /**
   * Work until the update is in the outbox.
   *
   * @throws MeloError where it cannot be done now; the files on disk let a later call go on
   */
  async run(signal: AbortSignal): Promise<void> {
    const { key } = this.#round;
    const { outbox, emit, pump } = this.#context;
    if (await this.#isSealed()) {
      // Asked for although it was acknowledged: the coordinator was restored from a backup of before.
      if (await outbox.sendAgain(key, this.#round.askedMs)) emit({ event: 'upload-again', ...key });
      pump.kick();
      return;
    }
    this.#context.heartbeat.set({
      phase: 'preparing',
      task: key.task,
      round: key.round,
      progress: 0,
    });
    await this.#removeOtherRounds();
    await outbox.removeSent(key.task);
    await pruneVersions(this.#context, key.task); // before the one that it starts from is fetched
    await this.#fetchGlobal(signal);
    await this.#train(signal);
    signal.throwIfAborted();
    await this.#seal();
    this.#context.pump.kick();
  }

  async #isSealed(): Promise<boolean> {
    const { key, roundOpenDigest } = this.#round;
    const { round } = this.#context.journal.get(key.task);
    const isRecorded =
      round !== null &&
      round.roundOpenDigest === roundOpenDigest &&
      round.phase !== 'accepted' &&
      round.phase !== 'declined';
    return isRecorded || (await this.#context.outbox.hasUpdate(key));
  }

  /** Files of rounds that ended without an update of this site are of no use any more. */
  async #removeOtherRounds(): Promise<void> {
    const own = workDirectory(this.#context, this.#round.key);
    await makePrivateDirectory(own);
    const parent = dirname(own);
    for (const name of await readdir(parent)) {
      const path = join(parent, name);
      if (name.startsWith('round-') && path !== own) await new WorkFiles(path).removeAll();
    }
  }

  async #fetchGlobal(signal: AbortSignal): Promise<void> {
    const { approved, reference } = this.#round;
    const { open } = approved;
    const { task, round, globalAdapterDigest: digest } = open;
    const report = downloadReporter(this.#context, { task, reference });
    const onProgress = (bytesDone: number): void => {
      const progress = Math.min(1, bytesDone / reference.ciphertextBytes);
      this.#context.heartbeat.set({ phase: 'downloading', task, round, progress });
      report(bytesDone);
    };
    const wanted = { task, reference, digest };
    const bytes = await this.#context.versions.ensure(wanted, { signal, onProgress });
    checkGlobalAdapter(bytes, approved);
    this.#context.crashPoints.reach('agent.global-fetched');
  }

  async #train(signal: AbortSignal): Promise<void> {
    const { open, backbone, task } = this.#round.approved;
    const { journal, trainer, versions, logger, site } = this.#context;
    const isGlobalReported = journal.get(open.task).evaluatedVersion >= open.globalVersion;
    const parts: RoundPart[] = isGlobalReported
      ? ['train', 'evaluate-local']
      : ['evaluate-global', 'train', 'evaluate-local'];
    const job = trainerJob(this.#context, {
      parts,
      directory: workDirectory(this.#context, this.#round.key),
      backboneDirectory: backbone.path,
      adapterFile: versions.path(open.task, open.globalVersion),
      siteStateFile: keepsSiteState(open.site)
        ? await this.#siteStates.upTo(open.task, open.globalVersion)
        : null,
      task,
      taskName: open.task,
      preprocessing: open.preprocessing,
      training: {
        plan: open.plan,
        trainedTensors: open.trainedTensors,
        ...(open.site === undefined ? {} : { site: open.site }),
        scheduleOffset: open.scheduleOffset,
        stream: `${open.task}/${site}/${open.round}`,
      },
    });
    let reported: Promise<void> = Promise.resolve();
    await trainer.run(
      job,
      {
        onProgress: (progress: TrainerProgress) => {
          this.#progress.report(progress);
        },
        onFinished: (part) => {
          reported = reported.then(() => this.#reportPart(part));
          reported.catch(() => undefined); // awaited below; without this a crash of the trainer would hide it
        },
        onUnreadable: (count) => {
          logger.warn({ count }, 'images: some cannot be read; unreadable-images.txt names them');
        },
      },
      signal,
    );
    await reported;
  }

  async #reportPart(part: RoundPart): Promise<void> {
    const { open } = this.#round.approved;
    const about = { task: open.task, version: open.globalVersion, round: open.round };
    if (part === 'evaluate-global') {
      const adapterDigest = open.globalAdapterDigest;
      await reportEvaluation(this.#context, this.#files, {
        ...about,
        subject: 'global',
        round: null,
        adapterDigest,
      });
    }
    if (part === 'evaluate-local') {
      const { localDigest } = await this.#trained();
      const local = { ...about, subject: 'local', adapterDigest: localDigest } as const;
      await reportEvaluation(this.#context, this.#files, local);
    }
  }

  async #trained(): Promise<TrainedRecord> {
    const trained = await this.#files.readTrained();
    if (trained !== null) return trained;
    throw new StateError('STATE_CONFLICT', 'local round: expected its record; it is trained again');
  }

  /** Seal once for this attempt: the outbox entry is durable before the journal says so, and both before a byte leaves. */
  async #seal(): Promise<void> {
    const { key, roundOpenDigest, approved } = this.#round;
    const { open, layout } = approved;
    const { site, federation, keys, outbox, journal, crashPoints } = this.#context;
    const trained = await this.#trained();
    const { ciphertext, ephemeralPublicKey } = sealUpdate({
      plaintext: await this.#files.readUpdate(),
      roundPublicKey: fromHex(open.roundPublicKey),
      roundOpenDigest,
      context: { federation, ...key, site, layoutHash: layout.hash },
    });
    const uploadId = toHex(blake2b256(ciphertext));
    const payload = encodePayload(manifestSchema, {
      type: 'manifest',
      protocol: protocolVersion,
      federation,
      ...key,
      site,
      roundOpenDigest,
      layoutHash: layout.hash,
      ephemeralPublicKey: toHex(ephemeralPublicKey),
      ciphertextDigest: uploadId,
      ciphertextBytes: ciphertext.length,
      samples: trained.samples,
      steps: trained.steps,
      trainingLoss: Math.min(lossMax, Math.max(0, trained.meanLoss)),
    });
    const manifest = signPayload(signDomains.manifest, payload, keys.signing.secretKey);
    crashPoints.reach('agent.update-sealed');
    const kept = await this.#files.readKept();
    if (kept !== null) await this.#siteStates.keep(key.task, key.round, kept);
    await outbox.addUpdate({ key: roundKeySchema.parse(key), uploadId, manifest, ciphertext });
    crashPoints.reach('agent.update-kept');
    await journal.update(key.task, { round: { key, roundOpenDigest, phase: 'sealed' } });
    crashPoints.reach('agent.seal-journalled');
  }
}

/** Say what a failed round's work failed with, for events and the log. */
export function failureOf(error: unknown): { readonly code: string; readonly message: string } {
  if (error instanceof MeloError) return { code: error.code, message: error.message };
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}
