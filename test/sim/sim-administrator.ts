/** An administrator of the simulation: does what the scenario says, asks again until answered, and tidies up afterwards. */
import type { SiteId } from '#core/protocol';
import type { Command } from './commands.ts';
import { latestVersion } from './root.ts';
import type { Act, Scenario } from './scenario.ts';
import type { SimCoordinator } from './sim-coordinator.ts';
import type { World } from './world.ts';

const answerWaitMs = 5000;
const lookMs = 30_000;

/** The administrator. */
export class SimAdministrator {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #coordinator: SimCoordinator;
  /** Acts and commands that are not through. */
  #pending: number;
  #commands = 0;
  #resumptions = 0;
  #hasResumedFailed = false;

  constructor(world: World, scenario: Scenario, coordinator: SimCoordinator) {
    this.#world = world;
    this.#scenario = scenario;
    this.#coordinator = coordinator;
    this.#pending = scenario.acts.length;
  }

  /** Whether nothing is left to do. */
  get isDone(): boolean {
    return this.#pending === 0;
  }

  start(): void {
    for (const act of this.#scenario.acts)
      this.#world.after(act.atMs, '', () => {
        this.#pending -= 1;
        this.#do(act);
      });
    this.#look();
  }

  /** Let back who was suspended, a failed task go on, once, and one that an old copy of the disk says is paused. */
  #look(): void {
    const { root } = this.#coordinator;
    for (const [site, status] of root.out)
      if (status === 'suspended' && this.#world.isChance(0.5))
        this.#command({ type: 'let-back', site });
    if (root.status === 'paused' && this.#resumptions === 0) this.#command({ type: 'resume' });
    if (root.status === 'failed' && !this.#hasResumedFailed && this.#scenario.acts.length > 0) {
      this.#hasResumedFailed = true;
      this.#command({ type: 'resume' });
    }
    this.#world.after(lookMs, '', () => {
      this.#look();
    });
  }

  #do({ kind, site }: Act): void {
    const world = this.#world;
    switch (kind) {
      case 'pause':
        this.#command({ type: 'pause' }, () => {
          this.#pending += 1;
          this.#resumptions += 1;
          world.after(world.between(1000, 90_000), '', () => {
            this.#command({ type: 'resume' });
            this.#pending -= 1;
            this.#resumptions -= 1;
          });
        });
        return;
      case 'abandon':
        this.#command({ type: 'abandon' });
        return;
      case 'suspend':
        this.#command({ type: 'shut-out', site, status: 'suspended' });
        return;
      case 'revoke':
        this.#command({ type: 'shut-out', site, status: 'revoked' });
        return;
      case 'leave':
        this.#command({ type: 'shut-out', site, status: 'left' });
        return;
      case 'leave and run again':
        this.#command({ type: 'shut-out', site, status: 'left' }, () => {
          this.#runWithout(site);
        });
        return;
      case 'rerun':
      case 'rollback': {
        const from = world.between(0, latestVersion(this.#coordinator.root));
        this.#command({ type: kind, from, rounds: world.between(1, 2) });
      }
    }
  }

  #runWithout(site: SiteId): void {
    const from = this.#coordinator.rerunWithout(site);
    if (from !== null) this.#command({ type: 'rerun', from, rounds: 1 });
  }

  /** Draw whether an answer is lost on its way. */
  #isLost(): boolean {
    const { healedAtMs, dropRate } = this.#scenario;
    return this.#world.nowMs < healedAtMs && this.#world.isChance(dropRate);
  }

  /** Ask with one key until there is an answer. */
  #command(command: Command, granted: () => void = () => undefined): void {
    this.#commands += 1;
    this.#pending += 1;
    this.#ask(`command ${this.#commands}`, command, granted);
  }

  #ask(key: string, command: Command, granted: () => void): void {
    const world = this.#world;
    let isAnswered = false;
    world.note(`an administrator: ${command.type}${'site' in command ? ` ${command.site}` : ''}`);
    this.#coordinator.command(key, command, (isGranted) => {
      if (isAnswered || this.#isLost()) return;
      isAnswered = true;
      this.#pending -= 1;
      if (isGranted) granted();
    });
    world.after(answerWaitMs, '', () => {
      if (isAnswered) return;
      isAnswered = true;
      this.#ask(key, command, granted);
    });
  }
}
