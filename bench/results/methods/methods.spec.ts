import { columnsOf, federatedDefinition } from '../../../apps/site-agent/src/simulation/columns.ts';
import { parsePlan, runsOf } from '../../../apps/site-agent/src/simulation/plan.ts';
import { renderTable } from '../table.ts';
import { methods, type Method } from './method-list.ts';
import {
  comparisonPlan,
  imageSet,
  longSet,
  nanoSet,
  onDevice,
  runName,
  tuningPlan,
} from './plans.ts';
import type { PlanResults } from './simulations.ts';
import { methodsTable, type Compared } from './summary.ts';
import { beyond, bestOf } from './tuning.ts';

const basis = {
  backbone: {
    ...{ name: 'nano', fingerprint: 'ab'.repeat(32), dimension: 96, blocks: 6 },
    ...{ patchSize: 8, imageSize: 64 },
  },
  preprocessing: {
    ...{ version: 1, imageSize: 64, resize: 'fill', crop: 'none', kernel: 'cubic' },
    ...{ channels: 'rgb', mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  },
  classes: ['a', 'b', 'c'],
} satisfies Parameters<typeof federatedDefinition>[1];

const sets = [
  ...[nanoSet(false), nanoSet(true), longSet(false), longSet(true)],
  ...(['breast-ultrasound', 'chest-xray'] as const).map((name) => imageSet(name, 'shared', false)),
];

test('every method is a task that a federation would take, at every value of its dial', () => {
  for (const set of sets) {
    const trials = methods.flatMap((method) =>
      (method.values ?? set.rates).map((value) => ({ method, value })),
    );
    const [setting] = set.settings;
    if (setting === undefined) throw new Error('expected a setting');
    for (const plan of [comparisonPlan(set, setting, 1, trials), tuningPlan(set, 0, trials)]) {
      const runs = runsOf(parsePlan(JSON.stringify(plan), 'plan.yaml'));
      expect(runs.map(({ name }) => name)).toEqual(trials.map(runName));
      const definitions = runs.map((run) => columnsOf(run, federatedDefinition(run, basis, 1)));
      const texts = definitions.map((columns) => JSON.stringify([columns[0]?.definition]));
      expect(new Set(texts).size).toBe(trials.length);
    }
  }
});

test('on a GPU the plans name the engine that computes there, and are otherwise the same', () => {
  for (const set of sets) {
    const [setting] = set.settings;
    if (setting === undefined) throw new Error('expected a setting');
    const [cpu, gpu] = (['cpu', 'gpu'] as const).map((device) => {
      const plan = comparisonPlan(onDevice(set, device), setting, 1, [
        { method: methods[0] as Method, value: 1 },
      ]);
      return parsePlan(JSON.stringify(plan), 'plan.yaml');
    });
    expect(cpu?.engine).toEqual({ name: 'onnx', device: 'auto', threads: 1 });
    expect(gpu).toEqual({ ...cpu, engine: { name: 'tfjs', device: 'gpu', threads: 1 } });
  }
});

test('no seed and no sharing-out of the comparison is tuned on', () => {
  for (const set of sets) {
    const { seeds = [], partition, phantoms } = tuningPlan(set, 1, []);
    expect(Math.min(...seeds)).toBeGreaterThan(1000);
    expect(set.settings.map((setting) => setting.partition)).not.toContainEqual(partition);
    if (phantoms !== undefined) expect(phantoms.seed).not.toBe(set.base.phantoms?.seed);
  }
});

const [first] = methods;
const dial = first as Method;
const tried = (...aucs: number[]) => aucs.map((auc, at) => ({ value: 2 ** at, auc }));

test('the best value is taken, and looked beyond where it lies at an end', () => {
  expect(bestOf(dial, tried(0.6, 0.8, 0.7))).toMatchObject({ value: 2, isAtEnd: false });
  const low = bestOf(dial, tried(0.9, 0.8, 0.7));
  expect([low.isAtEnd, beyond(low)]).toEqual([true, 0.5]);
  const high = bestOf(dial, tried(0.6, 0.8, 0.9));
  expect([high.isAtEnd, beyond(high)]).toEqual([true, 8]);
});

describe('the table', () => {
  const localOnly = methods.find(({ column }) => column === 'local-only') as Method;
  const fedavg = methods.find(({ name }) => name === 'fedavg') as Method;
  const tuned = [localOnly, fedavg].map((method) => bestOf(method, [{ value: 1, auc: 0.5 }]));
  const measured = (union: number, here: number) => [
    { union: { auc: union }, bySite: { 'site-1': { auc: here }, 'site-2': { auc: null } } },
  ];
  const results = (federated: number): PlanResults => ({
    runs: [
      {
        ...{ run: 'local-only.1', seed: 1, sites: [{ name: 'site-1' }, { name: 'site-2' }] },
        columns: [
          { column: 'local-only', trainedAt: 'site-1', rounds: measured(0.6, 0.9) },
          { column: 'local-only', trainedAt: 'site-2', rounds: measured(0.8, 0.5) },
        ],
      },
      {
        ...{ run: 'fedavg.1', seed: 1, sites: [{ name: 'site-1' }, { name: 'site-2' }] },
        columns: [{ column: 'federated', trainedAt: null, rounds: measured(federated, 0.85) }],
      },
    ],
  });
  const set = nanoSet(false);
  const [setting] = set.settings;
  const compared = { set, setting, tuned, results: [results(0.75), results(0.85)] } as Compared;
  const table = methodsTable([compared], { part: 'nano', seeds: [1, 2], device: 'cpu' });

  test('has mean and range over the seeds', () => {
    expect(table.section).toBe('methods-nano');
    expect(table.rows).toEqual([
      ['local-only', '0.700 (0.700 to 0.700)'],
      ['fedavg', '0.800 (0.750 to 0.850)'],
    ]);
  });

  test('counts the sites that gain, on the same images and on their own', () => {
    const notes = table.notes.join('\n\n');
    const gains = (text: string): string =>
      renderTable({ columns: ['method', 'label skew 0.1'], rows: [['fedavg', text]] });
    expect(notes).toContain(gains('3 of 4, least -0.050'));
    expect(notes).toContain(gains('0 of 2, least -0.050'));
    expect(notes).toContain('label skew 0.1: `fedavg` 0.800 (0.750 to 0.850)');
  });
});
