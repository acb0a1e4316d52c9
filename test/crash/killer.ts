/** Ends processes of a federation, starts them again at once, and measures how long they were missed. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CrashPointName } from '#core/crash-points';
import { siteIdSchema } from '#core/protocol';
import { siteRoutes } from '../../apps/coordinator/src/sites/sites.contract.ts';
import type { MeloProcess } from '../support/melo-process.ts';
import { ScriptedSite } from '../support/scripted-site.ts';
import { armPoint, disarmPoint, isPointHit } from './armed-points.ts';
import type { CrashFederation } from './crash-federation.ts';
import { coordinatorName, type Kill } from './kill-plan.ts';
import type { Violations } from './violations.ts';
import type { Witness } from './witness.ts';

const pollMs = 20;
/** A named moment that is not reached for so long is reported. */
const reachTimeoutMs = 120_000;
/** A coordinator or an agent that is not back after so long is reported. */
const backTimeoutMs = 120_000;

/** Seconds from a kill to the next answer of health, and to the last site's return. */
export interface Recovery {
  readonly servingSeconds: number[];
  readonly reconnectedSeconds: number[];
}

/** Ends processes and starts them again. */
export class Killer {
  readonly recovery: Recovery = { servingSeconds: [], reconnectedSeconds: [] };
  readonly killsByPoint = new Map<CrashPointName, number>();
  killsAtRandom = 0;
  pauses = 0;
  readonly #federation: CrashFederation;
  readonly #witness: Witness;
  readonly #violations: Violations;
  readonly #sites: readonly string[];
  #enrolled = 0;

  constructor(options: {
    readonly federation: CrashFederation;
    readonly witness: Witness;
    readonly violations: Violations;
    readonly sites: readonly string[];
  }) {
    this.#federation = options.federation;
    this.#witness = options.witness;
    this.#violations = options.violations;
    this.#sites = options.sites;
  }

  /** Do one kill and see everybody come back. */
  async run(kill: Kill): Promise<void> {
    if (kill.kind === 'point') return this.#killAtPoint(kill);
    await sleep(kill.delayMs);
    if (kill.kind === 'pause') return this.#pause(kill.victim, kill.forMs);
    const victims = kill.victims.map((name) => ({ name, process: this.#process(name) }));
    await Promise.all(victims.map(({ process }) => process.kill()));
    this.killsAtRandom += victims.length;
    await this.#restart(victims.map(({ name }) => name));
  }

  #process(name: string): MeloProcess {
    const { coordinator, agents } = this.#federation;
    const found = name === coordinatorName ? coordinator : agents.get(name);
    if (found === undefined) throw new Error(`crash: expected a running ${name}`);
    return found;
  }

  async #pause(name: string, forMs: number): Promise<void> {
    const process = this.#process(name);
    process.signal('SIGSTOP');
    await sleep(forMs);
    process.signal('SIGCONT');
    this.pauses += 1;
  }

  async #killAtPoint(kill: Extract<Kill, { kind: 'point' }>): Promise<void> {
    const { point, passes } = kill;
    const [whose] = point.split('.');
    const victim = whose === coordinatorName ? coordinatorName : kill.site;
    const file = this.#federation.armedFile(whose === 'trainer' ? `${victim}-trainer` : victim);
    const process = this.#process(victim);
    if (whose !== 'trainer') process.expectEnd();
    armPoint(file, point, passes);
    const isHit = await this.#provoke(point, file);
    if (!isHit) {
      disarmPoint(file);
      this.#violations.add('not-reached', `${point} at ${victim}`);
      return;
    }
    this.killsByPoint.set(point, (this.killsByPoint.get(point) ?? 0) + 1);
    if (whose === 'trainer') return; // its agent starts another
    await this.#process(victim).exit();
    await this.#restart([victim]);
    if (point.startsWith('coordinator.enrollment')) await this.#enrollAgain();
  }

  /** Wait until the point was hit; where rounds do not lead to it, do what does. */
  async #provoke(point: CrashPointName, file: string): Promise<boolean> {
    if (point === 'coordinator.resuming') {
      await this.#process(coordinatorName).kill();
      this.killsAtRandom += 1;
      await this.#federation.startCoordinator().catch(() => undefined); // it is to end before it listens
      return isPointHit(file);
    }
    if (point.startsWith('coordinator.enrollment')) await this.#enroll();
    const deadline = performance.now() + reachTimeoutMs;
    while (!isPointHit(file)) {
      if (performance.now() > deadline) return false;
      await sleep(pollMs);
    }
    return true;
  }

  #candidate: { readonly site: ScriptedSite; readonly name: string; readonly code: string } | null =
    null;

  /** Enrol another site; the coordinator ends amid it, so that no answer comes. */
  async #enroll(): Promise<void> {
    this.#enrolled += 1;
    const name = siteIdSchema.parse(`candidate-${this.#enrolled}`);
    const site = new ScriptedSite({ site: name, url: this.#federation.url });
    const code = await this.#federation.invite(name);
    this.#candidate = { site, name, code };
    const isAnswered = await site.enroll(code).then(
      () => true,
      () => false,
    );
    if (isAnswered) throw new Error('crash: expected the coordinator to end amid an enrolment');
  }

  /** The same keys and the same code: whether it was stored before or not, now the site is enrolled, once. */
  async #enrollAgain(): Promise<void> {
    if (this.#candidate === null) return;
    const { site, name, code } = this.#candidate;
    await site.enroll(code);
    const { status } = await this.#federation.call(siteRoutes.get, { params: { site: name } });
    if (status !== 'pending') this.#violations.add('left-out', `${name} is ${status}`);
  }

  async #restart(names: readonly string[]): Promise<void> {
    const startedMs = performance.now();
    const isCoordinator = names.includes(coordinatorName);
    for (const name of names) if (name !== coordinatorName) this.#federation.startAgent(name);
    if (isCoordinator) {
      await this.#federation.startCoordinator();
      await this.#untilServing(startedMs);
    }
    // A coordinator's end cuts every site off, an agent's its own.
    await this.#untilConnected(isCoordinator ? this.#sites : names, startedMs);
  }

  async #untilServing(startedMs: number): Promise<void> {
    while (performance.now() - startedMs < backTimeoutMs) {
      const isOk = await this.#federation.raw('GET', '/v1/health').then(
        (response) => response.ok,
        () => false,
      );
      if (isOk) {
        this.recovery.servingSeconds.push((performance.now() - startedMs) / 1000);
        return;
      }
      await sleep(pollMs);
    }
    this.#violations.add('not-serving', `not after ${backTimeoutMs} ms`);
  }

  async #untilConnected(sites: readonly string[], startedMs: number): Promise<void> {
    const missing = (): string[] =>
      sites.filter((site) => (this.#witness.connectedAtMs.get(site) ?? 0) < startedMs);
    while (missing().length > 0) {
      if (performance.now() - startedMs > backTimeoutMs) {
        this.#violations.add('left-out', `${missing().join(', ')} did not connect again`);
        return;
      }
      const ended = sites.find((site) => this.#process(site).hasFailed);
      if (ended !== undefined) {
        const { lastLines } = this.#process(ended);
        this.#violations.add('ended-by-itself', `${ended}: ${lastLines}`);
        this.#federation.startAgent(ended);
      }
      await sleep(pollMs);
    }
    const last = Math.max(...sites.map((site) => this.#witness.connectedAtMs.get(site) ?? 0));
    this.recovery.reconnectedSeconds.push((last - startedMs) / 1000);
  }
}
