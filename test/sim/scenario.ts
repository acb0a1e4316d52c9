/** What a seed decides before anything happens: who takes part, what breaks and when it is over. */
import { siteIdSchema, type RoundWait, type SiteId } from '#core/protocol';
import type { World } from './world.ts';

/** A run's circumstances. */
export interface Scenario {
  readonly sites: readonly SiteId[];
  readonly rounds: number;
  readonly quorumSites: number;
  readonly quorumSampleShare: number;
  readonly wait: RoundWait;
  readonly samplesMinimum: number;
  readonly agentMinimum: number;
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
  /** Training images of each site. */
  readonly samples: ReadonlyMap<SiteId, number>;
  /** When each site's agent is updated: one that is too old before may take part from then on. */
  readonly updatedAtMs: ReadonlyMap<SiteId, number>;
  /** A site that takes its part back, at one of these moments of an attempt, drawn anew for each. */
  readonly withdrawal: SiteId | null;
  /** What administrators do, and when. */
  readonly acts: readonly Act[];
  /** Chance that a site's policy declines an attempt. */
  readonly declineRate: number;
  /** Once, a crashed coordinator comes back on an old copy of its disk. */
  readonly hasRollback: boolean;
}

/** Moments of an attempt at which a site may take its part back. */
export const withdrawalMoments = ['accepted', 'trained', 'amid its upload', 'reported'] as const;

/** What an administrator does, once. */
export interface Act {
  readonly kind:
    | 'pause'
    | 'abandon'
    | 'suspend'
    | 'revoke'
    | 'leave'
    | 'leave and run again'
    | 'rerun'
    | 'rollback';
  readonly atMs: number;
  readonly site: SiteId;
}

/** Attempts at a round, the first one counted, before the task fails. */
export const attemptsMax = 3;
/** Rounds lost in a row before a site is suspended. */
export const lostRoundsMax = 3;
/** Acts that end a site's part for good: one a run at most. */
const farewells = ['revoke', 'leave', 'leave and run again'] as const;
const others = ['pause', 'abandon', 'suspend', 'rerun', 'rollback'] as const;

/** Draw what administrators do: nothing in most runs, a lot in some. */
function drawActs(world: World, pick: () => SiteId): Act[] {
  const one = (kind: Act['kind']): Act => ({ kind, atMs: world.between(0, 300_000), site: pick() });
  const count = world.isChance(0.5) ? world.between(1, 4) : 0;
  const acts = Array.from({ length: count }, () =>
    one(others[world.rng.nextInteger(others.length)] ?? 'pause'),
  );
  const farewell = farewells[world.rng.nextInteger(farewells.length)] ?? 'revoke';
  return world.isChance(0.25) ? [...acts, one(farewell)] : acts;
}

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
  const hasRollback = !isCalm && world.isChance(0.12);
  const mayDie = world.isChance(0.25) ? world.between(0, count - quorumSites) : 0;
  const deaths = new Map(
    world.rng
      .shuffle([...sites])
      .slice(0, mayDie)
      .map((site) => [site, world.between(0, 200_000)]),
  );
  return {
    sites,
    rounds: world.between(1, 3) + (hasRollback ? 1 : 0),
    quorumSites,
    quorumSampleShare: world.isChance(0.3) ? 0.5 : 0,
    wait: world.isChance(0.25) ? 'quorum' : 'all',
    samplesMinimum: world.isChance(0.2) ? world.between(2, 20) : 1,
    agentMinimum: world.isChance(0.2) ? 2 : 1,
    deadlineMs: world.between(60, 180) * 1000,
    healedAtMs,
    dropRate: rate(0.4),
    duplicateRate: rate(0.4),
    delayMaxMs: world.between(10, 4000),
    coordinatorCrashRate: hasRollback ? 0.02 : rate(0.08),
    siteCrashRate: rate(0.12),
    diskErrorRate: rate(0.1),
    partitions,
    deaths,
    samples: new Map(sites.map((site) => [site, world.between(1, 50)])),
    updatedAtMs: new Map(
      sites.map((site) => [site, world.isChance(0.5) ? 0 : world.between(0, 400_000)]),
    ),
    acts: drawActs(world, pick),
    withdrawal: world.isChance(0.15) ? pick() : null,
    declineRate: world.isChance(0.2) ? 0.2 : 0,
    hasRollback,
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
