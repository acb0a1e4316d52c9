/** Which processes end when: every named moment, and others at random; the same for the same seed. */
import { crashPointNames, type CrashPointName } from '#core/crash-points';
import { seededRng } from '#core/rng';

/** What a kill is aimed at. */
export type Kill =
  | {
      readonly kind: 'point';
      readonly point: CrashPointName;
      readonly passes: number;
      readonly site: string;
    }
  | { readonly kind: 'random'; readonly victims: readonly string[]; readonly delayMs: number }
  | {
      readonly kind: 'pause';
      readonly victim: string;
      readonly delayMs: number;
      readonly forMs: number;
    };

/** Name of the coordinator among the victims. */
export const coordinatorName = 'coordinator';

/** Moments that are reached several times in a round. */
const frequent: ReadonlySet<CrashPointName> = new Set<CrashPointName>([
  'coordinator.event-uncommitted',
  'coordinator.event-stored',
  'coordinator.range-written',
  'coordinator.range-synced',
  'coordinator.range-stored',
  'coordinator.update-verified',
  'coordinator.update-stored',
  'agent.evaluation-signed',
  'agent.evaluation-kept',
]);

const randomShareOfPauses = 0.15;
const randomShareOfPairs = 0.15;
const delayMsMax = 2500;
const pauseMsMax = 3000;

/** Plan so many kills; pauses come on top. The named moments come first in every lap, in an order of their own. */
export function planKills(options: {
  readonly kills: number;
  readonly seed: string;
  readonly sites: readonly string[];
}): Kill[] {
  const rng = seededRng(`kills/${options.seed}`);
  const below = (limit: number): number => Math.floor(rng.nextFloat() * limit);
  const pick = <T>(list: readonly T[], fallback: T): T => list[below(list.length)] ?? fallback;
  const anySite = (): string => pick(options.sites, coordinatorName);
  const points = shuffled(crashPointNames, below).map((point) => ({
    kind: 'point' as const,
    point,
    passes: frequent.has(point) ? below(4) : 0,
    site: anySite(),
  }));
  const random = (): Kill => {
    const delayMs = below(delayMsMax);
    const isCoordinator = rng.nextFloat() < 0.5;
    const victim = isCoordinator ? coordinatorName : anySite();
    const share = rng.nextFloat();
    if (share < randomShareOfPauses)
      return { kind: 'pause', victim, delayMs, forMs: 200 + below(pauseMsMax) };
    const other = isCoordinator ? anySite() : coordinatorName;
    const isPair = share < randomShareOfPauses + randomShareOfPairs;
    return { kind: 'random', victims: isPair ? [victim, other] : [victim], delayMs };
  };
  const plan: Kill[] = [];
  let kills = 0;
  const add = (kill: Kill): void => {
    plan.push(kill);
    kills += kill.kind === 'point' ? 1 : kill.kind === 'random' ? kill.victims.length : 0;
  };
  // Half of a short run goes to named moments; a long one visits each of them twice.
  const visits = Math.min(2 * points.length, Math.ceil(options.kills / 2));
  for (let visit = 0; kills < options.kills; visit++) {
    const point = points[visit % points.length];
    if (visit < visits && point !== undefined) add(point);
    if (kills < options.kills) add(random());
  }
  return plan;
}

function shuffled<T>(list: readonly T[], below: (limit: number) => number): T[] {
  const rest = [...list];
  const result: T[] = [];
  while (rest.length > 0) result.push(...rest.splice(below(rest.length), 1));
  return result;
}
