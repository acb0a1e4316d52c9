/** Evaluates a task's last version on this site's held-out images: no next round will do it. */
import { join } from 'node:path';
import { decodeAdapterFile } from '#core/adapter';
import { readIfPresent } from '../common/durable-file.ts';
import { WorkFiles } from '../trainer/work-files.ts';
import type { AgentContext } from './context.ts';
import { ProgressReporter } from './progress-reporter.ts';
import { failureOf, reportEvaluation, trainerJob } from './round-worker.ts';
import { SiteStates } from './site-states.ts';
import type { TaskState } from './task-journal.ts';

/** The evaluation of one final version. */
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
    try {
      await this.#evaluate(signal);
      return true;
    } catch (error) {
      if (signal.aborted) return false;
      const { code, message } = failureOf(error);
      logger.error({ code, task: this.#state.task }, `evaluation of the final version: ${message}`);
      return false;
    } finally {
      heartbeat.setIdle();
    }
  }

  async #evaluate(signal: AbortSignal): Promise<void> {
    const { task, known } = this.#state;
    const { versions, policy, trainer, config } = this.#context;
    const settings = policy.tasks.get(task);
    const adapterFile = versions.path(task, known.version);
    const bytes = await readIfPresent(adapterFile);
    if (settings === undefined || bytes === null || known.adapterDigest === null) return;
    const { card } = decodeAdapterFile(new Uint8Array(bytes));
    const backbone = policy.backbones.find(
      (each) => each.fingerprint === card.backbone.fingerprint,
    );
    if (backbone === undefined) return;
    const directory = join(config.dataDirectory, 'work', task, `final-${known.version}`);
    const progress = new ProgressReporter(this.#context, { task, round: null });
    const job = trainerJob(this.#context, {
      parts: ['evaluate-global'],
      directory,
      backboneDirectory: backbone.path,
      adapterFile,
      siteStateFile: await new SiteStates(config.dataDirectory).upTo(task, known.version),
      task: settings,
      preprocessing: card.preprocessing,
      training: null,
    });
    await trainer.run(
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
    const files = new WorkFiles(directory);
    await reportEvaluation(this.#context, files, {
      task,
      subject: 'global',
      version: known.version,
      round: null,
      adapterDigest: known.adapterDigest,
    });
    await files.removeAll();
  }
}
