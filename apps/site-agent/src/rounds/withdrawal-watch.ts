/** Looks whether a person has withdrawn this site from a task, and then stops at once what runs for it, link or no link. */
import type { AgentContext } from './context.ts';
import { removeSealedBaselines } from './share-baseline.ts';
import type { WorkQueue } from './work-queue.ts';

const checkIntervalMs = 1000;

/** Whether a piece of work is for a task: a round of it, or an evaluation. */
const isFor = (key: string, task: string): boolean =>
  ['', 'final/', 'asked/'].some((kind) => key.startsWith(`${kind}${task}/`));

/** Watches the folder of withdrawals. */
export class WithdrawalWatch {
  readonly #context: AgentContext;
  readonly #queue: WorkQueue;
  readonly #onChanged: () => void;
  #timer: NodeJS.Timeout | null = null;
  #checking: Promise<void> | null = null;

  /** @param onChanged - called when what was withdrawn is stopped, so that it is told; also when a task is rejoined */
  constructor(context: AgentContext, queue: WorkQueue, onChanged: () => void) {
    this.#context = context;
    this.#queue = queue;
    this.#onChanged = onChanged;
  }

  /** Stop what was withdrawn while the agent was not running, and watch from now on. */
  async start(): Promise<void> {
    for (const { task } of this.#context.journal.list()) {
      if (this.#context.withdrawals.of(task) !== undefined) await this.#stopTask(task);
    }
    this.#timer = setInterval(() => {
      this.#checking ??= this.#check().finally(() => {
        this.#checking = null;
      });
    }, checkIntervalMs);
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#checking;
  }

  async #check(): Promise<void> {
    const { withdrawals, logger, emit } = this.#context;
    try {
      const changed = await withdrawals.refresh();
      for (const task of changed) {
        const withdrawal = withdrawals.of(task);
        if (withdrawal === undefined) {
          this.#context.pump.release(task);
          emit({ event: 'task-rejoined', task });
        } else {
          emit({ event: 'task-withdrawn', task, reason: withdrawal.reason });
          await this.#stopTask(task);
        }
      }
      if (changed.length > 0) this.#onChanged();
    } catch (error) {
      logger.error({ error: String(error) }, 'withdrawals: they could not be read; tried again');
    }
  }

  /** The upload under way ends first, then the journal says so: after a crash nothing of this attempt goes out any more. */
  async #stopTask(task: string): Promise<void> {
    const { config, journal, outbox, pump, withdrawals } = this.#context;
    const held = pump.hold(task);
    await this.#queue.callOff((key) => isFor(key, task));
    const reason = withdrawals.of(task)?.reason ?? 'the site has withdrawn';
    await journal.update(task, ({ round }) =>
      round === null || !['accepted', 'sealed', 'uploaded'].includes(round.phase)
        ? {}
        : { round: { ...round, phase: 'withdrawn', because: { code: 'TASK_WITHDRAWN', reason } } },
    );
    await outbox.removeTask(task);
    await removeSealedBaselines(config.dataDirectory, task);
    await held;
    pump.release(task);
  }
}
