/** One run: a small federation whose rounds go on while its processes are killed, and what became of all of it. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { siteRoutes } from '../../apps/coordinator/src/sites/sites.contract.ts';
import { taskRoutes } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import {
  collectionTask,
  drawnCollection,
  enrollSites,
  layOutSites,
} from '../support/collections.ts';
import type { SiteShare } from '../support/image-sites.ts';
import { Checker } from './checker.ts';
import { CrashFederation } from './crash-federation.ts';
import { planKills } from './kill-plan.ts';
import { Killer } from './killer.ts';
import { checkLeftovers } from './leftovers.ts';
import { quantile } from './quantile.ts';
import { Violations, type Violation } from './violations.ts';
import { Witness } from './witness.ts';

const task = 'crash';
const sites = ['site-a', 'site-b', 'site-c'];
/** A federation that publishes nothing for so long, although nobody is killed, is stuck. */
const publishTimeoutMs = 240_000;

/** How a run is made. */
export interface CrashRunOptions {
  readonly directory: string;
  readonly kills: number;
  readonly seed: string;
  readonly databaseUrl?: string;
  readonly say: (line: string) => void;
}

/** What a run came to. */
export interface CrashReport {
  readonly seed: string;
  readonly database: 'pglite' | 'postgresql';
  readonly kills: number;
  readonly killsByPoint: Readonly<Record<string, number>>;
  readonly killsAtRandom: number;
  readonly pauses: number;
  /** From a restart's first instruction to an answer of health. */
  readonly servingSeconds: { readonly p50: number; readonly p95: number; readonly max: number };
  /** From a restart's first instruction to the return of the last site that was cut off. */
  readonly reconnectedSeconds: { readonly p50: number; readonly p95: number; readonly max: number };
  readonly versions: number;
  readonly attemptsPublished: number;
  readonly attemptsAbandoned: number;
  readonly reasons: Readonly<Record<string, number>>;
  readonly acknowledgements: number;
  readonly acknowledgedUpdates: number;
  readonly blobs: number;
  readonly seconds: number;
  readonly violations: readonly Violation[];
}

/** Give each site another number of images, so that a weight that is not its own would show. */
function unequal(share: SiteShare, at: number): SiteShare {
  const training = Object.entries(share.training).map(([name, count]) => [name, count + 2 * at]);
  return { ...share, training: Object.fromEntries(training) };
}

const summary = (values: readonly number[]) => ({
  p50: quantile(values, 0.5),
  p95: quantile(values, 0.95),
  max: quantile(values, 1),
});

/** Kill so many processes and report. */
export async function runCrashes(options: CrashRunOptions): Promise<CrashReport> {
  const run = new CrashRun(options);
  try {
    await run.prepare();
    await run.kill();
    return await run.finish();
  } finally {
    await run.stop();
  }
}

class CrashRun {
  readonly #options: CrashRunOptions;
  readonly #violations = new Violations();
  readonly #federation: CrashFederation;
  readonly #startedMs = performance.now();
  #witness: Witness | null = null;
  #checker: Checker | null = null;
  #killer: Killer | null = null;

  constructor(options: CrashRunOptions) {
    this.#options = options;
    this.#federation = new CrashFederation(
      join(options.directory, 'federation'),
      options.databaseUrl,
    );
  }

  get #parts(): { witness: Witness; checker: Checker; killer: Killer } {
    const [witness, checker, killer] = [this.#witness, this.#checker, this.#killer];
    if (witness === null || checker === null || killer === null)
      throw new Error('crash: expected a federation that was prepared');
    return { witness, checker, killer };
  }

  /** Start everything: rank 64 makes an update of two ranges, a small backbone a round of a second. */
  async prepare(): Promise<void> {
    const { directory } = this.#options;
    const federation = this.#federation;
    const violations = this.#violations;
    const drawn = await drawnCollection(directory, sites, { dimension: 192, blocks: 2 });
    const collection = { ...drawn, shares: drawn.shares.map(unequal) };
    const images = await layOutSites(collection, join(directory, 'images'), 'crash');
    await federation.startCoordinator();
    const witness = await Witness.open(federation.port, violations);
    this.#witness = witness;
    await enrollSites({ federation, collection, sites: images, tasks: [task], url: witness.url });
    for (const site of sites) federation.startAgent(site);
    const definition = collectionTask(collection, { task, members: sites, rounds: 5000 });
    const plan = { ...definition.plan, duration: { unit: 'steps' as const, count: 12 } };
    const rules = { quorumSites: 2, deadlineMs: 60_000 };
    await federation.createTask({ ...definition, plan, rules, rank: 64, alpha: 64 });
    this.#checker = new Checker({ federation, witness, violations, task });
    this.#killer = new Killer({ federation, witness, violations, sites });
    await this.#untilPublished(1);
  }

  /** Kill as planned; what was published meanwhile is checked after each. */
  async kill(): Promise<void> {
    const { checker, killer } = this.#parts;
    const { kills, seed, say } = this.#options;
    const plan = planKills({ kills, seed, sites });
    for (const [index, kill] of plan.entries()) {
      const aim = kill.kind === 'point' ? kill.point : kill.kind;
      await killer.run(kill);
      await checker.advance();
      await this.#keepRunning();
      say(
        `${index + 1} of ${plan.length}: ${aim}; version ${checker.version}, ${this.#violations.list.length} violations`,
      );
    }
  }

  /** Three abandoned attempts end a task: its administrator lets it go on. A site is never suspended by this. */
  async #keepRunning(): Promise<void> {
    const { status } = await this.#federation.call(taskRoutes.get, { params: { task } });
    if (status === 'failed') await this.#federation.call(taskRoutes.resume, { params: { task } });
    for (const site of sites) {
      const found = await this.#federation.call(siteRoutes.get, { params: { site } });
      if (found.status === 'active') continue;
      this.#violations.add('left-out', `${site} is ${found.status}`);
      await this.#federation.call(siteRoutes.resume, { params: { site } });
    }
  }

  /** Left alone, the federation publishes again; then, with no work to do, a start clears away what was interrupted. */
  async finish(): Promise<CrashReport> {
    const { checker, witness } = this.#parts;
    const federation = this.#federation;
    await checker.advance();
    await this.#untilPublished(checker.version + 1);
    await federation.call(taskRoutes.pause, { params: { task } });
    await federation.waitUntil('the last round has ended', async () => {
      const { currentRound } = await federation.call(taskRoutes.get, { params: { task } });
      return currentRound?.phase === 'published' || currentRound?.phase === 'abandoned';
    });
    await checker.finish();
    await federation.stop();
    await federation.startCoordinator();
    const agents = sites.map((site) => federation.startAgent(site));
    await Promise.all(agents.map((agent) => agent.waitForEvent('connected')));
    await federation.stop();
    await witness.close();
    const { blobs } = await checkLeftovers(federation, sites, this.#violations);
    return this.#report(blobs);
  }

  async #untilPublished(version: number): Promise<void> {
    const { checker } = this.#parts;
    const deadline = performance.now() + publishTimeoutMs;
    while (checker.version < version) {
      if (performance.now() > deadline) {
        this.#violations.add('stuck', `version ${version} was not published`);
        return;
      }
      await checker.advance();
      await sleep(200);
    }
  }

  #report(blobs: number): CrashReport {
    const { checker, killer, witness } = this.#parts;
    const killsByPoint = Object.fromEntries([...killer.killsByPoint].sort());
    const atPoints = Object.values(killsByPoint).reduce((sum, count) => sum + count, 0);
    return {
      seed: this.#options.seed,
      database: this.#options.databaseUrl === undefined ? 'pglite' : 'postgresql',
      kills: atPoints + killer.killsAtRandom,
      killsByPoint,
      killsAtRandom: killer.killsAtRandom,
      pauses: killer.pauses,
      servingSeconds: summary(killer.recovery.servingSeconds),
      reconnectedSeconds: summary(killer.recovery.reconnectedSeconds),
      versions: checker.version,
      attemptsPublished: checker.outcomes.published,
      attemptsAbandoned: checker.outcomes.abandoned,
      reasons: Object.fromEntries(checker.reasons),
      acknowledgements: witness.acknowledgements,
      acknowledgedUpdates: checker.acknowledgedUpdates,
      blobs,
      seconds: (performance.now() - this.#startedMs) / 1000,
      violations: this.#violations.list,
    };
  }

  /** End whatever still runs. */
  async stop(): Promise<void> {
    await this.#federation.stop('SIGKILL');
    await this.#witness?.close();
  }
}
