/** One run of the simulation: a seed, the decisions, and what was broken. */
import { Observer, type Violation } from './observer.ts';
import { rightPorts, type Ports } from './ports.ts';
import { attemptsMax, drawScenario, Network } from './scenario.ts';
import { SimAdministrator } from './sim-administrator.ts';
import { SimCoordinator } from './sim-coordinator.ts';
import { SimSite } from './sim-site.ts';
import { World } from './world.ts';

/** What a run was. */
export interface RunResult {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly events: number;
  readonly versions: number;
  readonly attempts: number;
  /** SHA-256 of the trace: equal for two runs of one seed. */
  readonly traceDigest: string;
}

const eventsMax = 200_000;
/** An attempt takes its deadline, a restart and the aggregation at most. */
const attemptSlackMs = 60_000;

/**
 * Run one seed to its end.
 *
 * @param ports - the decisions, right ones unless a fault is planted
 * @param onLine - receives the trace
 */
export function simulate(
  seed: number,
  ports: Partial<Ports> = {},
  onLine?: (line: string) => void,
): RunResult {
  const world = new World(seed, onLine);
  const scenario = drawScenario(world);
  const network = new Network(world, scenario);
  const observer = new Observer(world, scenario);
  const sites: SimSite[] = [];
  const all = { ...rightPorts, ...ports };
  const coordinator = new SimCoordinator({
    world,
    scenario,
    ports: all,
    observer,
    hint: () => {
      for (const each of sites)
        network.send(each.site, `hint to ${each.site}`, () => {
          each.hint();
        });
    },
  });
  for (const site of scenario.sites) {
    const options = { world, site, scenario, ports: all, observer, network, coordinator };
    sites.push(new SimSite(options));
  }
  coordinator.start();
  for (const each of sites) each.start();
  planEnds(world, scenario.deaths, sites);
  const administrator = new SimAdministrator(world, scenario, coordinator);
  administrator.start();
  // Every act may make a round be tried again, and so may the resumption of a failed task.
  const attempts = (scenario.rounds + 2 * scenario.acts.length) * attemptsMax * 2;
  const untilMs =
    scenario.healedAtMs + attempts * (scenario.deadlineMs + attemptSlackMs) + attemptSlackMs;
  const isDone = (): boolean => coordinator.isUp && coordinator.isFinished && administrator.isDone;
  let events = 0;
  try {
    events = world.run({ untilMs, eventsMax, isDone });
    observer.conclude(coordinator);
  } catch (error) {
    observer.broken('no-surprise', String(error));
  }
  return {
    seed,
    violations: observer.violations,
    events,
    versions: coordinator.root.versions.length - 1,
    attempts: coordinator.root.attempts.length,
    traceDigest: world.traceDigest,
  };
}

function planEnds(
  world: World,
  deaths: ReadonlyMap<string, number>,
  sites: readonly SimSite[],
): void {
  for (const site of sites) {
    const atMs = deaths.get(site.site);
    if (atMs !== undefined)
      world.after(atMs, '', () => {
        site.die();
      });
  }
}
