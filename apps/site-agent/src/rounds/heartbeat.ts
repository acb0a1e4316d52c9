/** What the agent is doing now, told to the coordinator at an interval and whenever the phase changes. */
import { loadavg } from 'node:os';
import type { SiteRequest } from '#core/protocol';
import type { Logger } from '../common/events.ts';
import { isLinkError, type CoordinatorCommands } from '../transport/connection.ts';

/** What the agent is doing. */
export type Activity = Omit<SiteRequest<'heartbeat'>, 'load'>;

const idle: Activity = { phase: 'idle', task: null, round: null, progress: null };

/** Tells the coordinator that this site is alive. */
export class Heartbeat {
  readonly #commands: CoordinatorCommands;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #activity: Activity = idle;

  constructor(commands: CoordinatorCommands, intervalMs: number, logger: Logger) {
    this.#commands = commands;
    this.#logger = logger;
    this.#timer = setInterval(() => {
      this.beat();
    }, intervalMs);
  }

  /** Set what the agent is doing; a change of phase, task or round is told at once. */
  set(activity: Activity): void {
    const before = this.#activity;
    this.#activity = activity;
    const isChanged =
      before.phase !== activity.phase ||
      before.task !== activity.task ||
      before.round !== activity.round;
    if (isChanged) this.beat();
  }

  /** The agent has nothing to do. */
  setIdle(): void {
    this.set(idle);
  }

  /** Tell it now; a heartbeat that does not get through is made good by the next. */
  beat(): void {
    const load = Math.min(100_000, loadavg()[0] ?? 0);
    this.#commands.command('heartbeat', { ...this.#activity, load }).catch((error: unknown) => {
      if (!isLinkError(error)) this.#logger.warn({ error: String(error) }, 'heartbeat: refused');
    });
  }

  /** Send no more. */
  stop(): void {
    clearInterval(this.#timer);
  }
}
