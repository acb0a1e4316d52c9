/** Looks again whenever something may have changed, and shows it, until it is interrupted. */
import { request } from '#api';
import { MeloError } from '#core/errors';
import { evaluationRoutes } from '../evaluation/evaluation.contract.ts';
import type { SiteView } from '../sites/sites.contract.ts';
import { taskViewSchema, type TaskView } from '../tasks/tasks.contract.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import type { CoordinatorAddress, CoordinatorClient } from './coordinator-client.ts';
import type { WatchOutput } from './watch-output.ts';
import type { WatchPorts } from './watch-ports.ts';
import type { Freshness } from './watch-text.ts';
import { sitePages, taskPages } from './whole-lists.ts';
import { newestFigures, watchedTask, type WatchedFigures, type WatchedTask } from './watch-view.ts';

/** What a look is told of the time before it. */
interface LookHints {
  /** Whether changes are told, so that figures that nobody spoke of are still the same. */
  readonly isLive: boolean;
  readonly areFiguresHeard?: boolean;
}

const oneTask = (task: string) =>
  request('GET', '/v1/tasks/{task}', taskViewSchema, { path: { task } });

/** Looks at a coordinator; figures are read again only where they may be others. */
export class WatchLook {
  readonly #client: CoordinatorClient;
  readonly #clock: Pick<AdminEnvironment, 'nowMs'>;
  readonly #task: string | undefined;
  readonly #figures = new Map<string, { version: number; figures: WatchedFigures | null }>();

  constructor(
    client: CoordinatorClient,
    clock: Pick<AdminEnvironment, 'nowMs'>,
    task: string | undefined,
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#task = task;
  }

  async look(hints: LookHints): Promise<readonly WatchedTask[]> {
    const client = this.#client;
    const views: readonly TaskView[] =
      this.#task === undefined
        ? (await client.list(taskPages, (page) => page.tasks)).items
        : [await client.send(oneTask(this.#task))];
    const { items: sites } = await client.list(sitePages, (page) => page.sites);
    const bySite = new Map<string, SiteView>(sites.map((site) => [site.site, site]));
    const tasks: WatchedTask[] = [];
    for (const view of views) {
      const figures = await this.#figuresOf(view, hints);
      tasks.push(watchedTask(view, bySite, figures, this.#clock.nowMs()));
    }
    return tasks;
  }

  async #figuresOf(
    { task, latestVersion, status }: TaskView,
    { isLive, areFiguresHeard = false }: LookHints,
  ): Promise<WatchedFigures | null> {
    const known = this.#figures.get(task);
    const isSame = isLive ? !areFiguresHeard : status !== 'running';
    if (known !== undefined && known.version === latestVersion && isSame) return known.figures;
    const { evaluations } = await this.#client.send(
      request('GET', '/v1/tasks/{task}/evaluations', evaluationRoutes.list.response, {
        path: { task },
      }),
    );
    const figures = newestFigures(evaluations);
    this.#figures.set(task, { version: latestVersion, figures });
    return figures;
  }
}

/** Between two drawings, so that ages go on. */
const drawMs = 1000;
/** Between two looks while changes are told: what nobody speaks of, such as a heartbeat that stays away. */
const calmMs = 15_000;
/** Between two looks at least, however much changes. */
const gapMs = 500;

/** What a watch is made of. */
export interface WatchParts {
  readonly ports: WatchPorts;
  readonly environment: AdminEnvironment;
  readonly address: CoordinatorAddress;
  readonly look: WatchLook;
  readonly signal: AbortSignal;
  readonly intervalMs: number;
  /** Called once there is something to show. */
  readonly open: () => WatchOutput;
}

/** Looks and shows until it is interrupted. */
export class Watch {
  readonly #parts: WatchParts;
  #tasks: readonly WatchedTask[] = [];
  #lookedAtMs = 0;
  #startedAtMs = 0;
  #isLooking = false;
  #isHeard = false;
  #areFiguresHeard = false;
  #feed: { isLive: boolean; sinceMs: number; reason: string | null };
  /** Why the last look failed; null where it did not. */
  #failure: string | null = null;
  /** What ends the watch. */
  #end: { readonly error: unknown } | null = null;
  #wake: () => void = () => undefined;

  constructor(parts: WatchParts) {
    this.#parts = parts;
    this.#feed = { isLive: false, sinceMs: parts.environment.nowMs(), reason: null };
  }

  /**
   * Look and show until the signal aborts.
   *
   * @throws what the first look throws, and later what trying again does not mend
   */
  async run(): Promise<void> {
    const { ports, address, signal, open, look, environment } = this.#parts;
    try {
      this.#tasks = await look.look({ isLive: false });
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    this.#lookedAtMs = environment.nowMs();
    this.#startedAtMs = this.#lookedAtMs;
    const output = open();
    const closeFeed = ports.openFeed(address, {
      onChanged: (topics) => {
        this.#hear(topics.length === 0 || topics.includes('evaluations'));
      },
      onState: (isLive, reason) => {
        this.#setFeed(isLive, reason);
      },
    });
    try {
      await this.#showUntilEnd(output);
    } finally {
      closeFeed();
      output.end();
    }
  }

  async #showUntilEnd(output: WatchOutput): Promise<void> {
    const { environment, signal } = this.#parts;
    while (!signal.aborted) {
      if (this.#end !== null) throw this.#end.error;
      if (this.#isDue()) void this.#look();
      output.show({
        tasks: this.#tasks,
        freshness: this.#freshness(),
        nowMs: environment.nowMs(),
      });
      await this.#untilWokenOr(drawMs);
    }
  }

  #isDue(): boolean {
    if (this.#isLooking) return false;
    const sinceMs = this.#parts.environment.nowMs() - this.#startedAtMs;
    if (this.#isHeard && this.#failure === null) return sinceMs >= gapMs;
    return (
      sinceMs >= (this.#feed.isLive && this.#failure === null ? calmMs : this.#parts.intervalMs)
    );
  }

  async #look(): Promise<void> {
    const { look, environment } = this.#parts;
    const hints = { isLive: this.#feed.isLive, areFiguresHeard: this.#areFiguresHeard };
    this.#isLooking = true;
    this.#isHeard = false;
    this.#areFiguresHeard = false;
    this.#startedAtMs = environment.nowMs();
    try {
      this.#tasks = await look.look(hints);
      this.#lookedAtMs = environment.nowMs();
      this.#failure = null;
    } catch (error) {
      this.#areFiguresHeard = true; // whatever was heard is still to be read
      if (isPassing(error)) this.#failure = error.message;
      else this.#end = { error };
    } finally {
      this.#isLooking = false;
      this.#wake();
    }
  }

  #hear(areFigures: boolean): void {
    this.#isHeard = true;
    this.#areFiguresHeard ||= areFigures;
    this.#wake();
  }

  #setFeed(isLive: boolean, reason: string | null): void {
    const isOther = this.#feed.isLive !== isLive;
    const sinceMs = isOther ? this.#parts.environment.nowMs() : this.#feed.sinceMs;
    this.#feed = { isLive, sinceMs, reason };
    // What changed while nothing was heard, and whether the coordinator is there at all.
    if (isOther) this.#hear(true);
  }

  #freshness(): Freshness {
    const { isLive, sinceMs, reason } = this.#feed;
    if (this.#failure !== null) {
      return { state: 'stale', sinceMs: this.#lookedAtMs, reason: this.#failure };
    }
    return { state: isLive ? 'live' : 'polling', sinceMs, reason };
  }

  #untilWokenOr(durationMs: number): Promise<void> {
    const { ports, signal } = this.#parts;
    return new Promise((done) => {
      this.#wake = done;
      void ports.pause(durationMs, signal).then(done);
    });
  }
}

/** Whether trying again may help: the coordinator is away, busy, or a proxy answers in its place. */
export function isPassing(error: unknown): error is MeloError {
  if (!(error instanceof MeloError)) return false;
  const { family, retryable } = error.catalogEntry;
  return family === 'unavailable' || retryable;
}
