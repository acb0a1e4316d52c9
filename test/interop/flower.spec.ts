/** FedAvg, server momentum and FedAdam beside Flower's own strategies, over three rounds with unequal weights. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { adapterLayout, adapterSpecification } from '#core/adapter';
import { aggregateRound, type AggregationState, type SiteUpdate } from '#core/aggregation';
import { aggregationPlanSchema, type AggregationPlan } from '#core/protocol';
import { seededRng } from '#core/rng';
import { largestDifference, runPython } from './python.ts';

const layout = adapterLayout(
  adapterSpecification({ rank: 2, alpha: 2, classes: ['a', 'b'], dimension: 10, blocks: 2 }),
);
const trainedTensors = layout.tensors.map(({ name }) => name);
const values = (seed: string, scale: number): Float32Array => {
  const rng = seededRng(seed);
  return Float32Array.from({ length: layout.size }, () => {
    const value = 2 * rng.nextFloat() - 1;
    return scale * (value + 0.2 * Math.sign(value)); // away from zero, where Adam divides noise by noise
  });
};
const start = values('start', 1);
const rounds: readonly (readonly SiteUpdate[])[] = [1, 2, 3].map((round) =>
  [87, 272, 121, 7, 1040].map((weight, site) => ({
    ...{ site: `site-${site}`, weight, delta: values(`round ${round} site ${site}`, 0.3) },
  })),
);

const plan = (options: z.input<typeof aggregationPlanSchema>): AggregationPlan =>
  aggregationPlanSchema.parse(options);
/** Flower's correction of Adam's rate is 1 to the last bit so many rounds on. */
const farOn = 100_000;
const adam = { name: 'adam', learningRate: 0.03, beta1: 0.8, beta2: 0.95, epsilon: 0.01 } as const;
const adamOptions = { eta: 0.03, beta_1: 0.8, beta_2: 0.95, tau: 0.01 };
const cases = [
  { title: 'FedAvg', plan: plan({}), name: 'fedavg', options: {}, roundsBefore: 0 },
  {
    title: 'FedAvgM without damping',
    plan: plan({ serverStep: { name: 'momentum', momentum: 0.7, damping: 0, learningRate: 0.5 } }),
    ...{ name: 'momentum', options: { server_momentum: 0.7, server_learning_rate: 0.5 } },
    roundsBefore: 0,
  },
  {
    title: 'FedAdam',
    plan: plan({ serverStep: adam }),
    ...{ name: 'adam', options: adamOptions, roundsBefore: 0 },
  },
  {
    title: 'FedAdam without correction of the rate',
    plan: plan({ serverStep: { ...adam, biasCorrection: false } }),
    ...{ name: 'adam', options: adamOptions, roundsBefore: farOn },
  },
];

let theirs: number[][][];
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'melo-flower-'));
  const file = path.join(folder, 'task.json');
  const task = {
    start: [...start],
    rounds: rounds.map((updates) =>
      updates.map(({ weight, delta }) => ({ weight, delta: [...delta] })),
    ),
    strategies: cases.map(({ name, options, roundsBefore }) => ({ name, options, roundsBefore })),
  };
  writeFileSync(file, JSON.stringify(task));
  const answer: unknown = JSON.parse(runPython('flower.py', file));
  theirs = z.array(z.array(z.array(z.number()))).parse(answer);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

test.each(cases.map((each, at) => [each.title, each, at] as const))(
  '%s: the same versions, to float32',
  (_title, each, at) => {
    let global = start;
    let state: AggregationState | null = null;
    for (const [round, updates] of rounds.entries()) {
      const input = { plan: each.plan, layout, trainedTensors, global, updates, state };
      const next = aggregateRound(input);
      const expected = Float32Array.from(theirs[at]?.[round] ?? []);
      // Flower sums in float32: some units of the last place of numbers up to 2.
      expect(largestDifference(next.values, expected)).toBeLessThan(2e-6);
      expect(largestDifference(next.values, global)).toBeGreaterThan(1e-3);
      [global, state] = [next.values, next.state];
    }
  },
);
