/** Evaluates adapters outside a round on this site's held-out images: a version, or what the site trains alone. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { activationOf, decodeAdapterFile } from '#core/adapter';
import { InputError } from '#core/errors';
import { planDigest, type AdapterReference, type BaselinePlan, type TaskId } from '#core/protocol';
import { baselinePlanOf } from '#core/training';
import { makePrivateDirectory, readIfPresent } from '../common/durable-file.ts';
import { findDataset } from '../data/dataset.ts';
import type { RoundJob } from '../trainer/messages.ts';
import { WorkFiles } from '../trainer/work-files.ts';
import type { AgentContext } from './context.ts';
import { ProgressReporter } from './progress-reporter.ts';
import { failureOf, reportEvaluation, trainerJob } from './round-worker.ts';
import { SiteStates } from './site-states.ts';
import type { TaskState } from './task-journal.ts';

/** A version whose file is on this machine. */
export interface StoredVersion {
  readonly task: TaskId;
  readonly version: number;
  readonly adapterDigest: string;
}

/** What a piece of work needs from the file it starts from and from the site's configuration. */
async function prepare(
  { policy }: AgentContext,
  { task, version }: StoredVersion,
  adapterFile: string,
): Promise<
  Pick<RoundJob, 'adapterFile' | 'task' | 'preprocessing' | 'backboneDirectory'> & {
    readonly card: ReturnType<typeof decodeAdapterFile>['card'];
  }
> {
  const settings = policy.tasks.get(task);
  const bytes = await readIfPresent(adapterFile);
  if (settings === undefined || bytes === null) {
    throw new InputError(
      'NOT_FOUND',
      `${task}: expected version ${version} and the task's entry on this machine; add the task to the configuration, the version comes again`,
    );
  }
  const { card } = decodeAdapterFile(new Uint8Array(bytes));
  const backbone = policy.backbones.find((each) => each.fingerprint === card.backbone.fingerprint);
  if (backbone === undefined) {
    throw new InputError(
      'BACKBONE_MISMATCH',
      `${task}: expected a backbone of fingerprint ${card.backbone.fingerprint.slice(0, 16)}, this site allows none; list it in the configuration`,
    );
  }
  const { preprocessing } = card;
  return { adapterFile, task: settings, preprocessing, backboneDirectory: backbone.path, card };
}

async function runJob(
  context: AgentContext,
  task: TaskId,
  job: RoundJob,
  signal: AbortSignal,
): Promise<void> {
  const progress = new ProgressReporter(context, { task, round: null });
  await context.trainer.run(
    job,
    {
      onProgress: (each) => {
        progress.report(each);
      },
      onFinished: () => undefined,
      onUnreadable: () => undefined,
    },
    signal,
  );
}

/** Make a folder for one evaluation; what an earlier one left is removed, since one piece of work runs at a time. */
async function evaluationFolder(
  { config }: AgentContext,
  task: TaskId,
  own: string,
): Promise<string> {
  const parent = await makePrivateDirectory(join(config.dataDirectory, 'work', task));
  for (const name of await readdir(parent)) {
    const isLeft = /^(?:version|cross)-/.test(name) && name !== own;
    if (isLeft) await new WorkFiles(join(parent, name)).removeAll();
  }
  return join(parent, own);
}

/**
 * Evaluate a version and put its report into the outbox.
 *
 * @param occasion - what it is done for: a report that was made for another occasion is not sent again
 */
export async function evaluateVersion(
  context: AgentContext,
  about: StoredVersion,
  occasion: string,
  signal: AbortSignal,
): Promise<void> {
  const { task, version, adapterDigest } = about;
  const { card: _, ...prepared } = await prepare(
    context,
    about,
    context.versions.path(task, version),
  );
  const directory = await evaluationFolder(context, task, `version-${version}-${occasion}`);
  const job = trainerJob(context, {
    ...{ parts: ['evaluate-global'], directory, ...prepared, training: null },
    siteStateFile: await new SiteStates(context.config.dataDirectory).upTo(task, version),
    taskName: task,
  });
  await runJob(context, task, job, signal);
  const files = new WorkFiles(directory);
  const subject = 'global';
  await reportEvaluation(context, files, { task, subject, version, round: null, adapterDigest });
  await files.removeAll();
}

/** Evaluate an adapter that a site of the task trained alone, and put the report into the outbox; the adapter is not kept. */
export async function evaluateCross(
  context: AgentContext,
  { task, adapterDigest }: StoredVersion,
  reference: AdapterReference,
  signal: AbortSignal,
): Promise<void> {
  const about = { task, version: 0, adapterDigest };
  const directory = await evaluationFolder(context, task, `cross-${adapterDigest.slice(0, 16)}`);
  const files = new WorkFiles(directory);
  try {
    const adapterFile = join(directory, 'adapter.safetensors');
    await context.versions.fetchTo(adapterFile, { reference, digest: adapterDigest }, { signal });
    const { card: _, ...prepared } = await prepare(context, about, adapterFile);
    const job = trainerJob(context, {
      ...{ parts: ['evaluate-global'], directory, ...prepared, training: null },
      ...{ siteStateFile: null, taskName: task },
    });
    await runJob(context, task, { ...job, compareWith: null }, signal);
    await reportEvaluation(context, files, { ...about, subject: 'cross', round: null });
  } finally {
    await files.removeAll(); // called off or failed, too: it comes again
  }
}

/** Remove, at the start, what a crash left of adapters of other sites. */
export async function removeOthersAdapters(dataDirectory: string): Promise<void> {
  const work = join(dataDirectory, 'work');
  for (const task of await readdir(work).catch(() => []))
    for (const name of await readdir(join(work, task)).catch(() => []))
      if (name.startsWith('cross-')) await new WorkFiles(join(work, task, name)).removeAll();
}

/** Where what a site trains alone for a task is kept. */
export function baselineDirectory(
  { config }: AgentContext,
  task: TaskId,
  { plan }: BaselinePlan,
): string {
  return join(config.dataDirectory, 'work', task, `baseline-${planDigest(plan).slice(0, 16)}`);
}

/**
 * Train alone from version 0 under the budget of all rounds, once, and put the report into the outbox. The adapter and its scores stay
 * here; what was called off goes on at its checkpoint.
 */
export async function trainBaseline(
  context: AgentContext,
  about: StoredVersion,
  baseline: BaselinePlan,
  signal: AbortSignal,
): Promise<void> {
  const { task } = about;
  const { site, versions } = context;
  const { card, ...prepared } = await prepare(context, about, versions.path(task, about.version));
  const directory = baselineDirectory(context, task, baseline);
  const dataset = await findDataset(prepared.task, {
    classes: card.classes,
    activation: activationOf(card),
  });
  const job = trainerJob(context, {
    ...{ parts: ['train', 'evaluate-local'], directory, ...prepared },
    siteStateFile: null,
    taskName: task,
    training: {
      plan: baselinePlanOf(baseline, dataset.training.length),
      trainedTensors: baseline.trainedTensors,
      scheduleOffset: 0,
      stream: `${task}/${site}/baseline`,
    },
  });
  await runJob(context, task, job, signal);
  const files = new WorkFiles(directory);
  const trained = await files.readTrained();
  if (trained === null) throw new InputError('NOT_FOUND', `${task}: expected a trained baseline`);
  await reportEvaluation(context, files, {
    ...{ task, subject: 'baseline', version: 0, round: null, adapterDigest: trained.localDigest },
  });
}

/** The evaluation of a task's last version: no next round will do it. */
export class FinalEvaluation {
  readonly #context: AgentContext;
  readonly #state: TaskState;

  constructor(context: AgentContext, state: TaskState) {
    this.#context = context;
    this.#state = state;
  }

  /** Whether this site still owes the evaluation. */
  get isDue(): boolean {
    const { known, evaluatedVersion, task } = this.#state;
    return (
      known.isFinal && evaluatedVersion < known.version && this.#context.policy.tasks.has(task)
    );
  }

  /** Evaluate and report; a failure is logged. Tells whether it is done. */
  async run(signal: AbortSignal): Promise<boolean> {
    const { logger, heartbeat } = this.#context;
    const { task, known } = this.#state;
    const { version, adapterDigest } = known;
    try {
      if (adapterDigest !== null)
        await evaluateVersion(this.#context, { task, version, adapterDigest }, 'final', signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const { code, message } = failureOf(error);
      logger.error({ code, task }, `evaluation of the final version: ${message}`);
      return false;
    } finally {
      heartbeat.setIdle();
    }
  }
}
