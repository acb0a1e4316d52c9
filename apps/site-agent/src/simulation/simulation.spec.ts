/** A whole simulation on a small random ViT: what it finds, and that stopping it anywhere changes nothing. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeSmallBackbone } from '../../../../test/support/small-federation.ts';
import { checkOutput } from '../commands/simulate.ts';
import { parsePlan, type SimulationPlan } from './plan.ts';
import { resultsFigure } from './results-figure.ts';
import { resultsCsv, resultsTable } from './results-text.ts';
import { simulate, type SimulationProgress } from './simulation.ts';

let directory: string;
let plan: SimulationPlan;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-simulation-'));
  const backbone = join(directory, 'backbone');
  await writeSmallBackbone(backbone);
  plan = parsePlan(
    `
version: 1
title: Small & quick
backbone: ${backbone}
phantoms: { images: 48 }
engine: { threads: 1 }
sites: 2
partition: { name: dirichlet, alpha: 1 }
task: { rounds: 2, rank: 2, alpha: 2, plan: { optimiser: { name: adamw, learningRate: 1e-2 } } }
learningRates: { head-only: 5e-3 }
runs:
  - name: fedavg
  - name: momentum
    columns: [federated, pooled]
    task: { aggregation: { serverStep: { name: momentum, momentum: 0.5 } } }
  - name: private-head
    columns: [federated]
    task: { site: { privatePart: head, optimiserState: kept } }
`,
    join(directory, 'plan.yaml'),
  );
});
afterAll(() => rm(directory, { recursive: true, force: true }));

type StopsAt = (progress: SimulationProgress) => boolean;

/** Run in a folder; `stopsAt` says when a signal comes. */
async function run(folder: string, stopsAt: StopsAt = () => false): Promise<string> {
  const controller = new AbortController();
  const results = await simulate({
    plan,
    directory: join(directory, folder),
    signal: controller.signal,
    onProgress: (progress) => {
      if (stopsAt(progress)) controller.abort(new Error('stopped'));
    },
  });
  return [
    JSON.stringify(results),
    resultsCsv(results),
    resultsFigure(results),
    resultsTable(results),
  ].join('\n');
}

/** Hold at the `count`th of the moments that fit. */
function atThe(count: number, fits: StopsAt): StopsAt {
  let seen = 0;
  return (progress) => {
    if (fits(progress)) seen += 1;
    return seen === count;
  };
}

test('every column is measured on the same images, and what two runs share is trained once', async () => {
  const results = await simulate({
    ...{ plan, directory: join(directory, 'whole'), signal: new AbortController().signal },
    onProgress: () => undefined,
  });
  expect(results.runs.map((each) => each.run)).toEqual(['fedavg', 'momentum', 'private-head']);
  const [fedavg, momentum, privateHead] = results.runs;
  const columns = fedavg?.columns ?? [];
  expect(columns.map(({ column, trainedAt }) => [column, trainedAt])).toEqual([
    ['federated', null],
    ['local-only', 'site-1'],
    ['local-only', 'site-2'],
    ['head-only', null],
    ['pooled', null],
  ]);
  const heldOut = (fedavg?.sites ?? []).map((site) => site.heldOut);
  for (const { rounds } of columns) {
    const [last] = rounds.slice(-1);
    expect(last?.union.images).toBe(heldOut.reduce((sum, count) => sum + count, 0));
    expect(Object.values(last?.bySite ?? {}).map(({ images }) => images)).toEqual(heldOut);
    expect(last?.union.auc).toBeGreaterThan(0);
  }
  expect(columns.map(({ rounds }) => rounds.length)).toEqual([2, 1, 1, 2, 1]);
  const digests = columns.map(({ rounds }) => rounds.at(-1)?.digest);
  expect(new Set(digests).size).toBe(digests.length);
  expect(momentum?.columns.at(-1)).toEqual(columns.at(-1));
  expect(momentum?.columns[0]).not.toEqual(columns[0]);
  expect(privateHead?.columns[0]).not.toEqual(columns[0]);
  // Five columns of one run and the federated one of the others.
  expect(await readdir(join(directory, 'whole', 'work'))).toHaveLength(7);
  const figure = resultsFigure(results);
  expect(figure).toContain('<title id="title">Small &amp; quick: AUC by round</title>');
  expect(figure).toMatch(
    /<desc[^>]*>fedavg: from \d\.\d+ in round 1 to \d\.\d+ in round 2; momentum: /,
  );
  expect(resultsCsv(results).trimEnd().split('\n')).toHaveLength(
    1 + 3 * (2 + 1 + 1 + 2 + 1 + 2 + 1 + 2),
  );
  expect(resultsTable(results)).toMatch(/^fedavg +\d\.\d{3} .* [012] of 2$/m);
});

test('stopped while images are drawn and prepared, amid a round and between two, it ends with the same bytes', async () => {
  const whole = await run('whole');
  const stops = [
    atThe(10, ({ phase }) => phase === 'drawing'),
    atThe(10, ({ phase }) => phase === 'preparing'),
    atThe(2, ({ what }) => what === 'fedavg, seed 1: federated'),
    atThe(1, ({ what }) => what.includes('head-only')),
    // In their second rounds.
    atThe(8, ({ what }) => what.startsWith('momentum')),
    atThe(8, ({ what }) => what.startsWith('private-head')),
  ];
  for (const stopsAt of stops) await expect(run('stopped', stopsAt)).rejects.toThrow('stopped');
  expect(await run('stopped')).toBe(whole);
  // What is done is not done again: nothing is left to stop.
  expect(await run('stopped', ({ phase, worked }) => phase === 'training' && worked > 0)).toBe(
    whole,
  );
});

describe('a plan with a mistake', () => {
  const start = (folder: string, over: Partial<SimulationPlan>): Promise<unknown> =>
    simulate({
      ...{ plan: { ...plan, ...over }, directory: join(directory, folder) },
      ...{ signal: new AbortController().signal, onProgress: () => undefined },
    });
  const wrongTask = { runs: [{ name: 'fedavg' }, { name: 'odd', task: { rounds: 0 } }] };

  test.each<[string, string, Partial<SimulationPlan>]>([
    ['an unknown backbone', 'NOT_FOUND', { backbone: '/nowhere/vit' }],
    ['a task that no federation takes', 'CONFIG_INVALID', wrongTask],
  ])('%s is told before an image is drawn', async (what, code, over) => {
    await expect(start(what, over)).rejects.toMatchObject({ code });
    const left = await readdir(join(directory, what));
    expect(left.filter((name) => name.startsWith('phantoms-'))).toEqual([]);
  });

  test('and corrected starts in the same folder, until a round is done there', async () => {
    const folder = join(directory, 'corrected');
    await expect(start('corrected', { sites: 40 })).rejects.toMatchObject({
      code: 'DATASET_INVALID',
    });
    await mkdir(join(folder, 'work', 'a-column'), { recursive: true }); // its first round was not finished
    await expect(checkOutput(folder, false)).resolves.toBeUndefined();
    const afterTheFirst = atThe(1, ({ what }) => what.includes('local-only'));
    await expect(run('corrected', afterTheFirst)).rejects.toThrow('stopped');
    await expect(checkOutput(folder, false)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(checkOutput(folder, true)).resolves.toBeUndefined();
  });
});
