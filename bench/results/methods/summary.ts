/** The table `methods` out of the results of its plans: AUC over the seeds, and whether every site gains over training alone. */
import { renderTable, type ResultsDevice, type ResultsTable } from '../table.ts';
import type { Method } from './method-list.ts';
import { runName, type ImageSet, type Setting } from './plans.ts';
import type { PlanResults } from './simulations.ts';
import { finalAuc, meanOf, type Tuned } from './tuning.ts';

/** The results of one setting, one for each seed. */
export interface Compared {
  readonly set: ImageSet;
  readonly setting: Setting;
  readonly tuned: readonly Tuned[];
  readonly results: readonly PlanResults[];
}

const digits = 3;

function spread(values: readonly number[]): string {
  const mean = meanOf(values).toFixed(digits);
  if (values.length === 1) return mean;
  return `${mean} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`;
}

const nameOf = ({ tuned }: Compared, method: Method): string => {
  const value = tuned.find((each) => each.method === method)?.value ?? Number.NaN;
  return runName({ method, value });
};

/** AUC of each seed. */
function aucsOf(compared: Compared, method: Method): number[] {
  return compared.results.map((results) => finalAuc(results, nameOf(compared, method)));
}

type Defined = number | null | undefined;
const difference = (a: Defined, b: Defined): number | null =>
  typeof a === 'number' && typeof b === 'number' ? a - b : null;

/** What a federated version has over each site alone, by site and seed: AUC on the union, and on the site's own held-out images. */
export function gainsOf(
  compared: Compared,
  method: Method,
  localOnly: Method,
): { readonly union: number; readonly here: number | null }[] {
  return compared.results.flatMap(({ runs }) => {
    const columnsOf = (wanted: Method) =>
      runs.find(({ run }) => run === nameOf(compared, wanted))?.columns ?? [];
    const federated = columnsOf(method)[0]?.rounds.at(-1);
    return columnsOf(localOnly).flatMap(({ trainedAt, rounds }) => {
      const local = rounds.at(-1);
      const site = trainedAt ?? '';
      const union = difference(federated?.union.auc, local?.union.auc);
      if (union === null) return [];
      return [{ union, here: difference(federated?.bySite[site]?.auc, local?.bySite[site]?.auc) }];
    });
  });
}

function gainText(gains: readonly number[]): string {
  if (gains.length === 0) return '-';
  const atLeast = gains.filter((gain) => gain >= 0).length;
  const least = Math.min(...gains);
  return `${atLeast} of ${gains.length}, least ${least >= 0 ? '+' : ''}${least.toFixed(digits)}`;
}

/** The best federated method of a setting beside plain averaging, as a sentence of figures. */
function bestSentence(compared: Compared): string {
  const federated = compared.tuned.filter(({ method }) => method.column === 'federated');
  const ranked = federated
    .map(({ method }) => ({ name: method.name, aucs: aucsOf(compared, method) }))
    .sort((a, b) => meanOf(b.aucs) - meanOf(a.aucs));
  const [best] = ranked;
  const fedavg = ranked.find(({ name }) => name === 'fedavg');
  if (best === undefined || fedavg === undefined) return '';
  const paired = best.aucs.map((auc, at) => auc - (fedavg.aucs[at] ?? Number.NaN));
  const beside = best === fedavg ? '' : `, ${spread(paired)} over \`fedavg\` seed by seed`;
  return `${compared.setting.name}: \`${best.name}\` ${spread(best.aucs)}${beside}`;
}

function tunedSentence({ set, tuned }: Compared): string {
  const parts = tuned.map(({ method, tried, value, isAtEnd }) => {
    const values = tried.map((each) => `${each.value}: ${each.auc.toFixed(digits)}`).join(', ');
    const end = isAtEnd ? ', at an end of what was tried' : '';
    const dial = method.dial === 'learning rate' ? '' : ` (${method.dial})`;
    return `${method.name}${dial} ${value}${end} of ${values}`;
  });
  return `Tuned on ${set.name}, value: AUC. ${parts.join('; ')}.`;
}

function sizesSentence({ set, results }: Compared): string {
  const sites = results[0]?.runs[0]?.sites.length ?? 0;
  const { images, phantoms, task, backbone } = set.base;
  const count = phantoms?.images ?? images?.imagesMax ?? 'all';
  const rounds = String(task?.['rounds']);
  const name = backbone.split(/[\\\\/]/).at(-1) ?? '';
  return `${name}, ${count} images, ${sites} sites, ${rounds} rounds of one local epoch`;
}

/** Make the table. */
export function methodsTable(
  compared: readonly Compared[],
  asked: {
    readonly part: string;
    readonly seeds: readonly number[];
    readonly device: ResultsDevice;
  },
): ResultsTable {
  const [first] = compared;
  if (first === undefined) throw new RangeError('expected a setting');
  const names = compared.map(({ setting }) => setting.name);
  const list = first.tuned.map(({ method }) => method);
  const localOnly = list.find(({ column }) => column === 'local-only');
  const gains = (part: 'union' | 'here') =>
    list
      .filter(({ column }) => column === 'federated')
      .map((method) => [
        method.name,
        ...compared.map((each) => {
          const own = localOnly === undefined ? [] : gainsOf(each, method, localOnly);
          return gainText(own.flatMap((gain) => gain[part] ?? []));
        }),
      ]);
  const seeds = asked.seeds.length;
  return {
    title: `Methods of aggregation: ${first.set.name}`,
    section: `methods-${asked.part}`,
    command: `npm run results -- methods --part ${asked.part} --seeds ${asked.seeds.join(',')}${asked.device === 'gpu' ? ' --device gpu' : ''}`,
    columns: ['method', ...names],
    rows: list.map((method) => [
      method.name,
      ...compared.map((each) => spread(aucsOf(each, method))),
    ]),
    notes: [
      `Macro AUC of the last version on the held-out images of all sites together: mean over ${seeds} seeds (smallest to largest); each seed has another split, ` +
        `another sharing-out and another start. \`local-only\` is the mean over the sites. ${sizesSentence(first)}. ` +
        'Columns train with as many passes over the images as the federated one. Where a part of the adapter stays at the sites (`private-head`, `private-b`), each ' +
        "site's images are measured with its own adapter, so that what it gains is told by the second table below.",
      'Best federated method by setting. ' +
        compared.map((each) => bestSentence(each)).join('; ') +
        '.',
      'Sites that the federated version serves at least as well as their own model, over all seeds, and the least gain in AUC, on the held-out images of all sites:',
      renderTable({ columns: ['method', ...names], rows: gains('union') }),
      "The same on each site's own held-out images, where both AUCs are defined:",
      renderTable({ columns: ['method', ...names], rows: gains('here') }),
      tunedSentence(first),
    ],
  };
}
