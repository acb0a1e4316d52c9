/**
 * Every method of the table `methods`, and the values of its one dial that are tried before the comparison. Adding one is an entry here.
 *
 * The dial is the site's learning rate where nothing else is said; the values stand in ascending order.
 */
import type { ColumnName } from '../../../apps/site-agent/src/simulation/plan.ts';

/** What a method's task lays over the plan's. */
type TaskPart = Readonly<Record<string, unknown>>;

/** One row of the table. */
export interface Method {
  readonly name: string;
  readonly column: ColumnName;
  /** Whether it stands in the table of real images too, where a run takes minutes. */
  readonly isChosen: boolean;
  /** What the dial turns, for people. */
  readonly dial: string;
  /** What is tried first; null where the set of images says which learning rates. */
  readonly values: readonly number[] | null;
  /** The task at a value of the dial. */
  readonly taskAt: (value: number) => TaskPart;
}

/** Of the sites, where the dial is the server's. */
const siteRate = 4e-3;

/** The sites' mean step, rolling on undamped. */
const momentum = { serverStep: { name: 'momentum', momentum: 0.7, damping: 0 } };

const atRate = (learningRate: number): TaskPart => ({ plan: { optimiser: { learningRate } } });

/** A federated method with the site's learning rate as its dial. */
function federated(name: string, task: TaskPart, isChosen = false): Method {
  return {
    ...{ name, column: 'federated', isChosen, dial: 'learning rate', values: null },
    taskAt: (rate) => ({ ...atRate(rate), ...task }),
  };
}

/** A column beside the federated one. */
function beside(column: ColumnName, values: readonly number[] | null = null): Method {
  return { name: column, column, isChosen: true, dial: 'learning rate', values, taskAt: atRate };
}

/** All methods, in the order of the table. */
export const methods: readonly Method[] = [
  beside('local-only'),
  beside('head-only', [5e-3, 1e-2, 2e-2, 4e-2]),
  beside('pooled'),
  federated('fedavg', {}, true),
  federated('alternating', { aggregation: { method: 'alternating' } }, true),
  federated('ffa', { aggregation: { method: 'ffa' } }),
  federated('ridge', { aggregation: { method: 'ridge' } }),
  federated('median', { aggregation: { method: 'median' } }),
  federated('trimmed-mean', { aggregation: { method: 'trimmed-mean', trimShare: 0.2 } }),
  federated('norm-bound', { aggregation: { method: 'norm-bound', normMax: 1 } }),
  federated('momentum', { aggregation: momentum }, true),
  {
    ...{ name: 'adam', column: 'federated', isChosen: false },
    ...{ dial: "server's learning rate", values: [2e-3, 5e-3, 1e-2] },
    taskAt: (learningRate) => ({
      ...atRate(siteRate),
      aggregation: { serverStep: { name: 'adam', learningRate } },
    }),
  },
  federated('prox', { site: { proximalWeight: 0.1 } }),
  federated('class-prior', { site: { classPriorCorrection: true } }, true),
  federated(
    'momentum-class-prior',
    {
      aggregation: momentum,
      site: { classPriorCorrection: true },
    },
    true,
  ),
  federated(
    'momentum-kept-optimiser',
    {
      aggregation: momentum,
      site: { optimiserState: 'kept' },
    },
    true,
  ),
  federated('private-head', { site: { privatePart: 'head' } }),
  federated('private-b', { site: { privatePart: 'lora_B' } }),
  federated('kept-optimiser', { site: { optimiserState: 'kept' } }),
];
