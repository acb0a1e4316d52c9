/** What a seed decides before anything happens: who takes part, what breaks and when it is over. */
import { siteIdSchema, type SiteId } from '#core/protocol';
import type { World } from './world.ts';

/** A run's circumstances. */
export interface Scenario {
  readonly sites: readonly SiteId[];
  readonly rounds: number;
  readonly quorumSites: number;
  readonly quorumSampleShare: number;
  readonly deadlineMs: number;
  /** From here on the network is whole and nothing crashes any more. */
  readonly healedAtMs: number;
  readonly dropRate: number;
  readonly duplicateRate: number;
  readonly delayMaxMs: number;
  /** Chance of a crash at each named point. */
  readonly coordinatorCrashRate: number;
  readonly siteCrashRate: number;
  /** Chance that a write fails and changes nothing. */
  readonly diskErrorRate: number;
  readonly partitions: readonly {
    readonly site: SiteId;
    readonly fromMs: number;
    readonly untilMs: number;
  }[];
  /** Sites that never come back, with the time of their end. */
  readonly deaths: ReadonlyMap<SiteId, number>;
  readonly revocation: { readonly site: SiteId; readonly atMs: number } | null;
  /** A site takes its update back although it has reported. */
  readonly withdrawal: SiteId | null;
  /** Chance that a site's policy declines an attempt. */
  readonly declineRate: number;
  /** Once, a crashed coordinator comes back on an old copy of its disk. */
  readonly hasRollback: boolean;
}

/** Attempts at a round, the first one counted, before the task fails. */
export const attemptsMax = 3;

/** Draw a scenario. */
export function drawScenario(world: World): Scenario {
  const count = world.between(2, 5);
  const sites = Array.from({ length: count }, (_, index) => siteIdSchema.parse(`site-${index}`));
  const pick = (): SiteId => {
    const site = sites[world.rng.nextInteger(count)];
    if (site === undefined) throw new Error('scenario: expected a site');
    return site;
  };
  const isCalm = world.isChance(0.1);
  const rate = (most: number): number => (isCalm ? 0 : most * world.rng.nextFloat() ** 2);
  const chaosMs = world.between(60, 400) * 1000;
  const quorumSites = world.between(1, count);
  const partitions = Array.from({ length: world.between(0, isCalm ? 1 : 3) }, () => {
    const fromMs = world.between(0, isCalm ? 60_000 : chaosMs);
    return { site: pick(), fromMs, untilMs: Math.min(chaosMs, fromMs + world.between(1, 90_000)) };
  });
  // Where nothing but a cut line is wrong, all is well as soon as the line is whole again.
  const healedAtMs = isCalm ? Math.max(0, ...partitions.map(({ untilMs }) => untilMs)) : chaosMs;
  const mayDie = world.isChance(0.25) ? world.between(0, count - quorumSites) : 0;
  const deaths = new Map(
    world.rng
      .shuffle([...sites])
      .slice(0, mayDie)
      .map((site) => [site, world.between(0, 200_000)]),
  );
  return {
    sites,
    rounds: world.between(1, 3),
    quorumSites,
    quorumSampleShare: world.isChance(0.3) ? 0.5 : 0,
    deadlineMs: world.between(60, 180) * 1000,
    healedAtMs,
    dropRate: rate(0.4),
    duplicateRate: rate(0.4),
    delayMaxMs: world.between(10, 4000),
    coordinatorCrashRate: rate(0.05),
    siteCrashRate: rate(0.12),
    diskErrorRate: rate(0.1),
    partitions,
    deaths,
    revocation: world.isChance(0.1) ? { site: pick(), atMs: world.between(0, 200_000) } : null,
    withdrawal: world.isChance(0.15) ? pick() : null,
    declineRate: world.isChance(0.2) ? 0.2 : 0,
    hasRollback: !isCalm && world.isChance(0.08),
  };
}

/** The network between the sites and the coordinator: one way at a time. */
export class Network {
  readonly #world: World;
  readonly #scenario: Scenario;

  constructor(world: World, scenario: Scenario) {
    this.#world = world;
    this.#scenario = scenario;
  }

  /** Carry a message: late, twice, or not at all. */
  send(site: SiteId, what: string, deliver: () => void): void {
    const world = this.#world;
    const isHealed = world.nowMs >= this.#scenario.healedAtMs;
    if (this.#isCut(site) || (!isHealed && world.isChance(this.#scenario.dropRate))) {
      world.note(`lost: ${what}`);
      return;
    }
    const delayMs = (): number => world.between(1, isHealed ? 50 : this.#scenario.delayMaxMs);
    world.after(delayMs(), what, deliver);
    if (!isHealed && world.isChance(this.#scenario.duplicateRate))
      world.after(delayMs(), `again: ${what}`, deliver);
  }

  #isCut(site: SiteId): boolean {
    const { nowMs } = this.#world;
    return this.#scenario.partitions.some(
      (cut) => cut.site === site && nowMs >= cut.fromMs && nowMs < cut.untilMs,
    );
  }
}
