/**
 * Every way to aggregate beside each site alone, the head alone and all images in one place, on sites that differ in several ways.
 *
 * All is done by `melo simulate`: the code of a real federation in one process. Each method's learning rate (or another dial) is tuned first, on
 * other seeds and another sharing-out. What is done is kept in the cache folder of the repository, and a run that was stopped goes on there.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../test/support/package-root.ts';
import { methods, type Method } from './methods/method-list.ts';
import {
  comparisonPlan,
  imageSet,
  longSet,
  nanoSet,
  onDevice,
  type ImageSet,
} from './methods/plans.ts';
import { simulatePlans } from './methods/simulations.ts';
import { methodsTable, type Compared } from './methods/summary.ts';
import { tune } from './methods/tuning.ts';
import { remainingText, type ResultsContext, type ResultsTable } from './table.ts';

const slug = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
/** Seeds of the tuning: one where a run takes minutes. */
const tuningSeeds = { nano: 2, 'thirty-two-rounds': 2, 'breast-ultrasound': 1, 'chest-xray': 1 };
/** What is asked of thirty-two rounds is whether the default serves every site; plain averaging is beside it. */
const longMethods = new Set(['local-only', 'pooled', 'fedavg', 'class-prior']);

/** So many plans for each core, where that can be: the last ones end at about the same time then. */
const plansPerCore = 8;

/** Share methods out among plans. */
function inGroups<T>(methodsTuned: readonly T[], groups: number): T[][] {
  const count = Math.min(methodsTuned.length, Math.max(1, groups));
  return Array.from({ length: count }, (_, at) =>
    methodsTuned.filter((_method, index) => index % count === at),
  );
}

/** Tune and compare on one image set. */
async function compareOn(
  set: ImageSet,
  chosen: readonly Method[],
  context: ResultsContext,
): Promise<Compared[]> {
  const { seeds, part, device, isQuick } = context;
  const folder = slug(`methods-${part}${device === 'gpu' ? '-gpu' : ''}${isQuick ? '-quick' : ''}`);
  const directory = join(packageRoot, '.cache', 'results', folder);
  const sideBySide = availableParallelism();
  const startedAtMs = Date.now();
  const common = { directory, sideBySide };
  const tuned = await tune({
    ...{ ...common, set, methods: chosen, isExtended: !isQuick },
    seeds: isQuick ? 1 : tuningSeeds[part],
    onDone: (name) => context.progress(`${set.name}: ${name} done`),
  });
  const tunedAtMs = Date.now();
  context.progress(`${set.name}: tuned in ${Math.round((tunedAtMs - startedAtMs) / 1000)} s`);
  const compared = set.settings.flatMap((setting) => seeds.map((seed) => ({ setting, seed })));
  const groups = inGroups(tuned, Math.ceil((plansPerCore * sideBySide) / compared.length));
  const works = compared.flatMap(({ setting, seed }) =>
    groups.map((group, at) => {
      const suffix = groups.length === 1 ? '' : `-part-${at + 1}-of-${groups.length}`;
      const name = slug(`${setting.name}-seed-${seed}${suffix}`);
      return { name, setting, seed, plan: comparisonPlan(set, setting, seed, group) };
    }),
  );
  let done = 0;
  const onDone = (name: string): void => {
    done += 1;
    const left = remainingText(tunedAtMs, Date.now(), done / works.length);
    context.progress(`${set.name}: ${name} done; ${left}`);
  };
  const results = await simulatePlans({ ...common, plans: works, onDone });
  return set.settings.map((setting) => ({
    set,
    setting,
    tuned,
    results: seeds.map((seed) => {
      const own = results.filter((_, at) => {
        const work = works[at];
        return work?.setting === setting && work.seed === seed;
      });
      return { runs: own.flatMap(({ runs }) => runs) };
    }),
  }));
}

/** Phantoms are drawn: they need nothing. */
export const needsShared = (part: ResultsContext['part']): boolean =>
  part === 'breast-ultrasound' || part === 'chest-xray';

/** What a part trains on, and which methods stand in its table. */
function partOf({ part, isQuick, sharedDirectory }: ResultsContext): [ImageSet, Method[]] {
  if (part === 'nano') return [nanoSet(isQuick), [...methods]];
  if (part === 'thirty-two-rounds') {
    return [longSet(isQuick), methods.filter(({ name }) => longMethods.has(name))];
  }
  return [imageSet(part, sharedDirectory, isQuick), methods.filter(({ isChosen }) => isChosen)];
}

/** Make the table of one part: the small ViT on phantoms, or ViT-Tiny on real images. */
export async function run(context: ResultsContext): Promise<ResultsTable> {
  const { part, device, seeds } = context;
  const [set, chosen] = partOf(context);
  const compared = await compareOn(onDevice(set, device), chosen, context);
  return methodsTable(compared, { part, seeds, device });
}
