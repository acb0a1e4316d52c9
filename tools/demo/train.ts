/** Runs the demo's federation: starts the processes, trains every column, shows where each hospital stands. */
import { evaluationRoutes } from '../../apps/coordinator/src/evaluation/evaluation.contract.ts';
import { taskRoutes } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import type { Federation } from '../../test/support/federation.ts';
import type { BackboneFolder } from '../../test/support/small-federation.ts';
import { demoColumns, federatedTask, pooledSite, tasksOf, type Column } from './columns.ts';
import type { Hospitals } from './hospitals.ts';
import type { Figures } from './outcome.ts';
import { bar, leftText, TimeLeft, type ProgressView } from './progress.ts';
import { RunTracker } from './tracker.ts';

const waitMaxMs = 24 * 3_600_000;
const checkIntervalMs = 3000;
const labelWidth = 12;

/** What training leaves. */
export interface TrainedColumns {
  /** The last version of each task. */
  readonly adapters: ReadonlyMap<string, Uint8Array>;
  /** Of the federated task, version 0 first, over the reports of all hospitals. */
  readonly byRound: readonly Figures[];
  /** Bytes sent for the federated task, by hospital. */
  readonly bytesSent: ReadonlyMap<string, number>;
}

/** Enrol every hospital and the site with all images, and start their agents. */
export async function startSites(
  federation: Federation,
  { hospitals, pooled }: Hospitals,
  backbone: string,
): Promise<void> {
  const sites = [...hospitals, { name: pooledSite, images: pooled }];
  const enrollAndStart = async ({ name, images }: (typeof sites)[number]): Promise<void> => {
    await federation.enroll(name, {
      backbone,
      tasks: Object.fromEntries(tasksOf(name).map((task) => [task, images])),
      threads: 1, // with more sites than cores a second thread only takes turns with the others
      isMeasured: true,
    });
    federation.startAgent(name);
  };
  await Promise.all(sites.map(enrollAndStart));
}

/** Trains the columns of one federation. */
export class ColumnTraining {
  readonly #federation: Federation;
  readonly #hospitals: readonly string[];
  readonly #columns: ReturnType<typeof demoColumns>;
  readonly #tracker: RunTracker;
  readonly #view: ProgressView;
  readonly #timeLeft = new TimeLeft();
  readonly #saidVersions = new Map<string, number>();
  #checkedAtMs = 0;

  constructor(options: {
    readonly federation: Federation;
    readonly hospitals: Hospitals;
    readonly backbone: BackboneFolder;
    readonly rounds: number;
    readonly seed: number;
    readonly view: ProgressView;
  }) {
    this.#federation = options.federation;
    this.#view = options.view;
    const { hospitals, classes } = options.hospitals;
    this.#hospitals = hospitals.map(({ name }) => name);
    this.#columns = demoColumns({ ...options, hospitals, classes });
    const { federated, pooled, head, locals } = this.#columns;
    this.#tracker = new RunTracker([federated, pooled, head, ...locals]);
  }

  /**
   * Train all: the federated rounds with the pooled column beside them, then each hospital alone, then the head. The
   * processor is never idle where two tasks of different sites are open. At the end the federated adapter is the one to use.
   */
  async run(): Promise<TrainedColumns> {
    const { federated, pooled, head, locals } = this.#columns;
    for (const { definition } of [federated, pooled]) await this.#federation.createTask(definition);
    await this.#waitFor([federated], [pooled]);
    for (const { definition } of [...locals, head]) await this.#federation.createTask(definition);
    const all = [federated, pooled, head, ...locals];
    await this.#waitFor(all, []);
    await this.#federation.waitForEvaluations(
      federatedTask,
      federated.rounds,
      this.#hospitals.length,
    );
    await this.#federation.call(taskRoutes.promote, {
      params: { task: federatedTask },
      body: { version: federated.rounds, reason: 'the last one of the demo' },
    });
    this.#view.clear();
    const adapters = new Map<string, Uint8Array>();
    for (const { task, rounds } of all)
      adapters.set(task, await this.#federation.download(task, rounds));
    const bytesOf = (site: string): number => this.#tracker.bytesSent(federatedTask, site);
    return {
      adapters,
      byRound: await this.#figuresByRound(federated.rounds),
      bytesSent: new Map(this.#hospitals.map((site) => [site, bytesOf(site)])),
    };
  }

  /** Wait until every column has its last version, and show how far they and those beside them are. */
  async #waitFor(columns: readonly Column[], beside: readonly Column[]): Promise<void> {
    const shown = [...columns, ...beside];
    await this.#federation.waitUntil(
      columns.map(({ task }) => task).join(', '),
      async () => {
        // The agents' own events tell of versions too: asking the coordinator as often would cost it more than its rounds.
        for (const [site, agent] of this.#federation.agents) this.#tracker.follow(site, agent);
        for (const column of shown) this.#sayNews(column);
        this.#view.draw(this.#bars(shown));
        await this.#checkTasks(columns);
        return columns.every(({ task, rounds }) => this.#tracker.version(task) >= rounds);
      },
      waitMaxMs,
    );
  }

  /** Every now and then ask the coordinator too: no event of an agent tells that a task has failed. */
  async #checkTasks(columns: readonly Column[]): Promise<void> {
    if (Date.now() - this.#checkedAtMs < checkIntervalMs) return;
    this.#checkedAtMs = Date.now();
    for (const { task } of columns) {
      const state = await this.#federation.call(taskRoutes.get, { params: { task } });
      if (state.status === 'failed')
        throw new Error(`${task} failed: ${state.reason ?? 'no reason is given'}`);
      this.#tracker.take('', { event: 'version', task, version: state.latestVersion });
    }
  }

  #sayNews({ task, label, rounds }: Column): void {
    const version = this.#tracker.version(task);
    if (version <= (this.#saidVersions.get(task) ?? 0)) return;
    this.#saidVersions.set(task, version);
    const what = rounds === 1 ? 'done' : `round ${version} of ${rounds} published`;
    const isWorthALine = !this.#view.isTerminal || version >= rounds;
    if (isWorthALine) this.#view.say(`${label}: ${what}; ${this.#left()}`);
  }

  #left(): string {
    return leftText(this.#timeLeft.at(performance.now() / 1000, this.#tracker.totalShare));
  }

  #bars(columns: readonly Column[]): string[] {
    const open = columns.filter(({ task, rounds }) => this.#tracker.version(task) < rounds);
    const rounds = open.map((column) => {
      const round = Math.min(column.rounds, this.#tracker.version(column.task) + 1);
      const where = column.rounds === 1 ? '' : `, round ${round} of ${column.rounds}`;
      return `${bar(this.#tracker.share(column))} ${column.label}${where}`;
    });
    const sites = [...this.#hospitals, pooledSite].map((site) => {
      const { phase, task, share } = this.#tracker.site(site);
      const what = task === null ? phase : `${phase} for ${task}`;
      return `  ${site.padEnd(labelWidth)} ${bar(share ?? 0, 16)} ${what}`;
    });
    const total = this.#tracker.totalShare;
    return [...rounds, ...sites, `${bar(total)} all, ${this.#left()}`];
  }

  async #figuresByRound(rounds: number): Promise<Figures[]> {
    const { evaluations } = await this.#federation.call(evaluationRoutes.list, {
      params: { task: federatedTask },
    });
    const byVersion = new Map(evaluations.map(({ version, pooled }) => [version, pooled]));
    return Array.from({ length: rounds + 1 }, (_, version) => ({
      auc: byVersion.get(version)?.macroAuc ?? null,
      accuracy: byVersion.get(version)?.accuracy ?? null,
    }));
  }
}
