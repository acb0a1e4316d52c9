/** One run: a federation behind a bad line, fault after fault, and what each cost. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRng } from '#core/rng';
import { evaluationRoutes } from '../../apps/coordinator/src/evaluation/evaluation.contract.ts';
import { roundRoutes } from '../../apps/coordinator/src/rounds/rounds.contract.ts';
import { taskRoutes } from '../../apps/coordinator/src/tasks/tasks.contract.ts';
import { residentMegabytesMax } from '../../bench/round/cpu-time.ts';
import { FaultProxy, type ProxyDirection } from '../support/fault-proxy.ts';
import { networkTask, parameters } from './adapter.ts';
import type { Fault } from './faults.ts';
import { NetworkFederation } from './network-federation.ts';
import { lightSites, measureReturn, type ReturnReport } from './return-of-sites.ts';
import { Transfers, windowBytes, type TransferCosts } from './transfers.ts';

/** Seconds in which every site is back once a restarted coordinator serves. */
const returnSecondsMax = 30;
/** Megabytes that a process may have at its peak, whatever the line does: half more than it has over a good one. */
const residentMegabytesLimit = { coordinator: 1000, site: 400 };
const pollMs = 100;
/** Longer than two dead links, one after the other, and a round. */
const roundTimeoutMs = 300_000;

/** How a run is made. */
export interface NetworkRunOptions {
  readonly directory: string;
  readonly seed: string;
  readonly sites: number;
  readonly faults: readonly Fault[];
  /** Whether the return of fifty sites is measured after the faults. */
  readonly isReturnMeasured: boolean;
  readonly say: (line: string) => void;
}

/** What one fault came to. */
export interface FaultReport {
  readonly fault: string;
  readonly rounds: number;
  readonly seconds: number;
  /** Connections of sites beyond the first of each. */
  readonly reconnects: number;
  readonly cuts: number;
  readonly resets: number;
  readonly halfOpened: number;
  readonly restarts: number;
  readonly up: TransferCosts;
  readonly down: TransferCosts;
}

/** What a run came to. */
export interface NetworkReport {
  readonly seed: string;
  readonly sites: number;
  readonly parameters: number;
  /** The most that one cut may cost of one file. */
  readonly windowBytes: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly worstResentBytes: number;
  readonly faults: readonly FaultReport[];
  readonly returns: readonly ReturnReport[];
  /** Peaks of the coordinator and of the largest site's agent; null where the system does not tell. */
  readonly residentMegabytesMax: {
    readonly coordinator: number | null;
    readonly site: number | null;
  };
  readonly violations: readonly string[];
}

/** Go through the faults and report. */
export async function runNetwork(options: NetworkRunOptions): Promise<NetworkReport> {
  const run = new NetworkRun(options);
  try {
    return await run.run();
  } finally {
    await run.stop();
  }
}

const taskOf = ({ name }: Fault): string => `network-${name}`;

class NetworkRun {
  readonly #options: NetworkRunOptions;
  readonly #violations: string[] = [];
  readonly #sites: readonly string[];
  readonly #federation: NetworkFederation;
  readonly #transfers = new Transfers((what) => this.#violate(what));
  readonly #startedMs = performance.now();
  readonly #peak: Record<'coordinator' | 'site', number | null> = { coordinator: null, site: null };
  #proxy: FaultProxy | undefined;
  #fault = 'none';
  #isStuck = false;
  /** Settled while the coordinator serves; another promise from each restart's beginning on. */
  #serving: Promise<void> = Promise.resolve();
  #restarts = 0;

  constructor(options: NetworkRunOptions) {
    this.#options = options;
    this.#sites = Array.from({ length: options.sites }, (_, at) => `site-${at + 1}`);
    this.#federation = new NetworkFederation(join(options.directory, 'federation'));
  }

  async run(): Promise<NetworkReport> {
    const { faults, say } = this.#options;
    const proxy = await this.#prepare();
    const reports: FaultReport[] = [];
    for (const [at, fault] of faults.entries()) {
      say(`${at + 1} of ${faults.length}: ${fault.name}: ${fault.what}`);
      const report = await this.#suffer(proxy, fault);
      reports.push(report);
      say(
        `${fault.name}: ${report.rounds} rounds in ${report.seconds} s, ${report.reconnects} reconnects, ` +
          `${report.up.resentBytes} bytes up and ${report.down.resentBytes} down sent again, ` +
          `${this.#violations.length} violations`,
      );
      if (this.#isStuck) break;
    }
    await this.#noteMemory();
    return this.#report(reports, this.#isStuck ? [] : await this.#measureReturn());
  }

  #violate(what: string): void {
    this.#violations.push(`${this.#fault}: ${what}`);
  }

  async #prepare(): Promise<FaultProxy> {
    const { seed, faults, say } = this.#options;
    const federation = this.#federation;
    await federation.startCoordinator();
    const listen = (connection: number) => this.#transfers.listen(connection);
    const proxy = await FaultProxy.open({ upstreamPort: federation.port, seed, listen });
    this.#proxy = proxy;
    for (const site of this.#sites) {
      await federation.bringIn(site, faults.map(taskOf), proxy.url);
      say(`${site} is enrolled`);
    }
    const agents = this.#sites.map((site) => federation.startAgent(site));
    await Promise.all(agents.map((agent) => agent.waitForEvent('connected')));
    return proxy;
  }

  /** Let all rounds of one task happen under a fault, and see what they cost. */
  async #suffer(proxy: FaultProxy, fault: Fault): Promise<FaultReport> {
    this.#fault = fault.name;
    const startedMs = performance.now();
    const before = { ...proxy.counts, ...this.#marks() };
    proxy.faults = fault.line ?? {};
    await this.#federation.createTask(networkTask(taskOf(fault), this.#sites, fault.rounds));
    const over = new AbortController();
    const meanwhile = this.#harm(proxy, fault, over.signal);
    // It fails only where the run as a whole does, and is awaited below.
    meanwhile.catch(() => over.abort());
    try {
      await this.#untilDone(fault, over.signal);
    } finally {
      over.abort();
      await meanwhile;
      proxy.faults = {};
    }
    await this.#checkRounds(fault);
    await this.#noteMemory();
    const after = { ...proxy.counts, ...this.#marks() };
    return {
      fault: fault.name,
      rounds: fault.rounds,
      seconds: Math.round((performance.now() - startedMs) / 100) / 10,
      reconnects: after.reconnects - before.reconnects,
      cuts: after.cuts - before.cuts,
      resets: after.resets - before.resets,
      halfOpened: after.halfOpened - before.halfOpened,
      restarts: after.restarts - before.restarts,
      ...this.#transfers.take(),
    };
  }

  #marks(): { readonly reconnects: number; readonly restarts: number } {
    const { connections } = this.#transfers;
    return { reconnects: connections - this.#sites.length, restarts: this.#restarts };
  }

  async #harm(proxy: FaultProxy, fault: Fault, signal: AbortSignal): Promise<void> {
    const context = {
      proxy,
      signal,
      rng: seededRng(`${this.#options.seed}/${fault.name}`),
      amidTransfer: (direction: ProxyDirection, ranges: number) =>
        this.#amidTransfer(direction, ranges, signal),
      restart: (how: NodeJS.Signals) => this.#restart(how),
    };
    await fault.meanwhile?.(context);
    for (let strike = 0; strike < fault.rounds && fault.strike !== undefined; strike++) {
      while ((await this.#latestVersion(fault)) < strike && !signal.aborted) await sleep(pollMs);
      if (signal.aborted) return;
      await fault.strike(context, strike);
    }
  }

  async #amidTransfer(
    direction: ProxyDirection,
    ranges: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { begun } = this.#transfers;
    const wanted = begun[direction] + ranges;
    while (begun[direction] < wanted && !signal.aborted) await sleep(5);
    return !signal.aborted;
  }

  async #restart(how: NodeJS.Signals): Promise<void> {
    const federation = this.#federation;
    const restart = async (): Promise<void> => {
      await this.#noteMemory();
      if (how === 'SIGKILL') await federation.coordinator?.kill();
      else await federation.coordinator?.stop(how);
      await federation.startCoordinator();
    };
    this.#restarts += 1;
    this.#serving = restart();
    await this.#serving;
  }

  /** Ask the coordinator; a question that a restart came in between is asked again. */
  async #ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      await this.#serving;
      const restarts = this.#restarts;
      try {
        return await question();
      } catch (error) {
        if (restarts === this.#restarts) throw error;
      }
    }
  }

  async #latestVersion(fault: Fault): Promise<number> {
    const params = { task: taskOf(fault) };
    const task = await this.#ask(() => this.#federation.call(taskRoutes.get, { params }));
    if (task.status === 'failed')
      throw new Error(`${fault.name}: the task failed: ${task.reason ?? ''}`);
    return task.latestVersion;
  }

  /** Until every site has fetched the last version and told what it is worth, or nothing goes on. */
  async #untilDone(fault: Fault, signal: AbortSignal): Promise<void> {
    const { rounds, name } = fault;
    const params = { task: taskOf(fault) };
    const told = async (): Promise<number> => {
      const { evaluations } = await this.#ask(() =>
        this.#federation.call(evaluationRoutes.list, { params }),
      );
      return evaluations.find(({ version }) => version === rounds)?.sites.length ?? 0;
    };
    let version = 0;
    let changedMs = performance.now();
    while (version < rounds || (await told()) < this.#sites.length) {
      if (signal.aborted) throw new Error(`${name}: could not be done to the line`);
      if (performance.now() - changedMs > roundTimeoutMs) {
        this.#isStuck = true;
        this.#violate(
          `nothing went on after round ${version} of ${rounds} for ${roundTimeoutMs} ms`,
        );
        return;
      }
      await sleep(pollMs);
      const latest = await this.#latestVersion(fault);
      if (latest === version) continue;
      version = latest;
      changedMs = performance.now();
      this.#options.say(`${name}: round ${version} of ${rounds}`);
    }
  }

  /** Every round at its first attempt, with every site in it. */
  async #checkRounds(fault: Fault): Promise<void> {
    const params = { task: taskOf(fault) };
    const { rounds } = await this.#ask(() => this.#federation.call(roundRoutes.list, { params }));
    if (rounds.length !== fault.rounds)
      this.#violate(`${rounds.length} attempts at ${fault.rounds} rounds`);
    for (const { round, attempt, members, phase, summary } of rounds) {
      const counted = members.filter(({ status }) => status === 'reported');
      if (phase !== 'published' || counted.length !== this.#sites.length)
        this.#violate(`round ${round}, attempt ${attempt}: ${summary}`);
    }
  }

  async #noteMemory(): Promise<void> {
    const federation = this.#federation;
    const note = async (who: 'coordinator' | 'site', processId: number): Promise<void> => {
      const megabytes = await residentMegabytesMax(processId);
      if (megabytes !== null) this.#peak[who] = Math.max(this.#peak[who] ?? 0, megabytes);
    };
    await note('coordinator', federation.coordinator?.pid ?? -1);
    for (const { pid } of federation.agents.values()) await note('site', pid);
  }

  async #measureReturn(): Promise<ReturnReport[]> {
    const { isReturnMeasured, say } = this.#options;
    if (!isReturnMeasured) return [];
    this.#fault = 'return';
    say(`return: ${lightSites} sites beside the others`);
    const returns = await measureReturn(this.#federation, say);
    for (const { awaySeconds, lastSeconds } of returns)
      if (lastSeconds > returnSecondsMax)
        this.#violate(
          `after ${awaySeconds} s without a coordinator the last site was back ${lastSeconds} s after its start, not in ${returnSecondsMax} s`,
        );
    return returns;
  }

  #report(faults: readonly FaultReport[], returns: readonly ReturnReport[]): NetworkReport {
    for (const who of ['coordinator', 'site'] as const) {
      const [peak, limit] = [this.#peak[who] ?? 0, residentMegabytesLimit[who]];
      if (peak > limit) this.#violations.push(`memory: ${who} had ${peak} MB, not ${limit}`);
    }
    const { seed, sites } = this.#options;
    return {
      ...{ seed, sites, parameters, windowBytes },
      rounds: faults.reduce((sum, { rounds }) => sum + rounds, 0),
      seconds: Math.round((performance.now() - this.#startedMs) / 1000),
      worstResentBytes: Math.max(
        0,
        ...faults.flatMap(({ up, down }) => [up.worstResentBytes, down.worstResentBytes]),
      ),
      faults,
      returns,
      residentMegabytesMax: { ...this.#peak },
      violations: this.#violations,
    };
  }

  /** End whatever still runs. */
  async stop(): Promise<void> {
    await this.#federation.stop('SIGKILL');
    await this.#proxy?.close();
  }
}
