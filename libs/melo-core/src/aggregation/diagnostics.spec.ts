/** Figures of a round against dense matrices, and who is named as unlike the others. */
import { seededRng } from '#core/rng';
import { adapterLayout, adapterSpecification } from '#core/adapter';
import { aggregateRound, findOutliers, roundFigures, type ComparedSite } from './index.ts';
import {
  onlyTrained,
  planOf,
  runRound,
  smallLayout,
  smallNames,
  smallUpdates,
  smallValues,
} from './testing/small-round.ts';

const global = smallValues('global');
const figuresOf = (plan: ReturnType<typeof planOf>, updates = smallUpdates(1)) => {
  const result = runRound(plan, { global, updates, state: null });
  const { combined, trainedTensors, sent, values } = result;
  const input = { plan, layout: smallLayout, trainedTensors, global, updates: sent, combined };
  return { ...roundFigures(input), values, combined, sent };
};

/** sum p_k B_k A_k - B A and sum p_k B_k A_k, dense, over all adapted matrices. */
function denseGap({ sent, combined }: ReturnType<typeof figuresOf>): number {
  const total = sent.reduce((sum, { weight }) => sum + weight, 0);
  let [gap, whole] = [0, 0];
  for (const a of smallLayout.tensors.filter(({ name }) => name.endsWith('lora_A'))) {
    const b = smallLayout.tensors.find(({ name }) => name === a.name.replace(/A$/, 'B'));
    const [rank = 0, dimension = 0] = a.shape;
    for (let row = 0; row < dimension; row++) {
      for (let column = 0; column < dimension; column++) {
        const entry = (change: ArrayLike<number>): number => {
          let sum = 0;
          for (let k = 0; k < rank; k++) {
            const [atB, atA] = [
              (b?.offset ?? 0) + row * rank + k,
              a.offset + k * dimension + column,
            ];
            const valueB = (global[atB] ?? 0) + (change[atB] ?? 0);
            sum += valueB * ((global[atA] ?? 0) + (change[atA] ?? 0));
          }
          return sum;
        };
        const product = sent.reduce(
          (sum, { weight, delta }) => sum + (weight / total) * entry(delta),
          0,
        );
        gap += (product - entry(combined)) ** 2;
        whole += product ** 2;
      }
    }
  }
  return Math.sqrt(gap / whole);
}

describe('the aggregation gap', () => {
  test.each(['fedavg', 'ridge'] as const)('%s: as the dense matrices say', (method) => {
    const figures = figuresOf(planOf({ method }));
    const expected = denseGap(figures);
    expect(expected).toBeGreaterThan(0.1);
    expect(figures.aggregationGap).toBeCloseTo(expected, 10);
  });

  test('of a method whose factors are no means: as the dense matrices say', () => {
    const alike = smallUpdates(1).map((each) => ({ ...each, weight: 1 }));
    const figures = figuresOf(planOf({ method: 'median' }), alike);
    expect(figures.aggregationGap).toBeCloseTo(denseGap(figures), 10);
  });

  test('is closed by ridge in part, and by alternating and ffa to rounding', () => {
    const gapOf = (method: 'fedavg' | 'ridge' | 'alternating' | 'ffa') =>
      figuresOf(planOf({ method })).aggregationGap ?? Number.NaN;
    expect(gapOf('ridge')).toBeLessThan(gapOf('fedavg'));
    expect(gapOf('alternating')).toBeLessThan(1e-12);
    expect(gapOf('ffa')).toBeLessThan(1e-12);
  });

  test('keeps its digits where it is tiny', () => {
    const tiny = smallUpdates(1).map((each) => ({
      ...each,
      delta: each.delta.map((v) => v * 1e-6),
    }));
    const figures = figuresOf(planOf({}), tiny);
    const expected = denseGap(figures);
    expect(expected).toBeLessThan(1e-9);
    expect((figures.aggregationGap ?? 0) / expected).toBeCloseTo(1, 3);
  });

  test('of a large round is estimated: as the products by blocks of the dense matrices say, to a few in a hundred', () => {
    const shape = { dimension: 1024, blocks: 6, rank: 4, alpha: 4, classes: ['a', 'b'] };
    const layout = adapterLayout(adapterSpecification(shape));
    const rng = seededRng('large');
    const draw = (scale: number): Float32Array =>
      Float32Array.from({ length: layout.size }, () => scale * rng.nextNormal());
    const names = layout.tensors.map(({ name }) => name);
    const base = draw(0.1);
    // The same four updates over and over: the gap of four sites, which is exact, in the work of 64.
    const four = [1, 2, 3, 4].map((weight) => ({ weight, delta: draw(0.05) }));
    const gapOf = (copies: number): number => {
      const sites = Array.from({ length: copies }, (_, copy) =>
        four.map((each, at) => ({ ...each, site: `site-${copy}-${at}` })),
      ).flat();
      const input = { layout, trainedTensors: names, global: base, updates: sites };
      const { combined } = aggregateRound({ ...input, plan: planOf({}), state: null });
      return roundFigures({ ...input, plan: planOf({}), combined }).aggregationGap ?? Number.NaN;
    };
    const [exact, estimated] = [gapOf(1), gapOf(16)];
    expect(exact).toBeGreaterThan(0.01);
    expect(Math.abs(estimated / exact - 1)).toBeGreaterThan(1e-6);
    expect(Math.abs(estimated / exact - 1)).toBeLessThan(0.03);
    expect(gapOf(16)).toBe(estimated);
  });

  test('is not defined where the head alone was trained, or where there is no product yet', () => {
    const head = smallNames.filter((name) => name.startsWith('head.'));
    const updates = onlyTrained(smallUpdates(1), head);
    const input = { plan: planOf({}), layout: smallLayout, trainedTensors: head, global, updates };
    const combined = new Float64Array(smallLayout.size).fill(0.5);
    expect(roundFigures({ ...input, combined }).aggregationGap).toBeNull();
    const nothing = { global: new Float32Array(smallLayout.size), updates: [] };
    const zero = [{ site: 'a', weight: 1, delta: nothing.global }];
    const flat = { ...input, ...nothing, trainedTensors: smallNames, updates: zero };
    const still = roundFigures({ ...flat, combined: new Float64Array(smallLayout.size) });
    expect(still).toMatchObject({ aggregationGap: null, changeNorm: 0 });
    expect(still.sites).toEqual([{ site: 'a', updateNorm: 0, cosine: null, drift: 0 }]);
  });
});

test('norm, angle and distance of every site are those of plain numbers, in the order of names', () => {
  const { sites, combined, sent, changeNorm } = figuresOf(planOf({}), smallUpdates(1).reverse());
  expect(sites.map(({ site }) => site)).toEqual(['site-0', 'site-1', 'site-2', 'site-3', 'site-4']);
  expect(changeNorm).toBeCloseTo(Math.hypot(...combined), 10);
  for (const { site, updateNorm, cosine, drift } of sites) {
    const delta = [...(sent.find((each) => each.site === site)?.delta ?? [])];
    expect(updateNorm).toBeCloseTo(Math.hypot(...delta), 8);
    expect(drift).toBeCloseTo(Math.hypot(...delta.map((v, i) => v - (combined[i] ?? 0))), 8);
    const product = delta.reduce((sum, v, i) => sum + v * (combined[i] ?? 0), 0);
    expect(cosine).toBeCloseTo(product / (Math.hypot(...delta) * Math.hypot(...combined)), 8);
  }
});

describe('outliers', () => {
  const sitesOf = (count: number): ComparedSite[] => {
    const rng = seededRng('sites');
    return Array.from({ length: count }, (_, at) => ({
      site: `site-${at}`,
      updateNorm: 1 + 0.1 * rng.nextFloat(),
      cosine: 0.8 + 0.05 * rng.nextFloat(),
      drift: 0.6 + 0.05 * rng.nextFloat(),
      lossChange: -0.1 + 0.02 * rng.nextFloat(),
    }));
  };
  const named = (sites: readonly ComparedSite[]): string[] =>
    [...findOutliers(sites)].map(
      ([site, reasons]) => `${site}: ${reasons.map(({ figure }) => figure).join()}`,
    );

  test('sites that are alike are not named', () => {
    for (const count of [4, 5, 16, 50]) expect(named(sitesOf(count))).toEqual([]);
  });

  test('a longer or shorter update, a wider angle, a greater distance, a loss that rose: each is named with its figures', () => {
    const sites = sitesOf(6);
    const change = (at: number, part: Partial<ComparedSite>) =>
      sites.map((each, index) => (index === at ? { ...each, ...part } : each));
    expect(named(change(1, { updateNorm: 4 }))).toEqual(['site-1: updateNorm']);
    expect(named(change(1, { updateNorm: 0 }))).toEqual(['site-1: updateNorm']);
    expect(named(change(2, { cosine: -0.9 }))).toEqual(['site-2: cosine']);
    expect(named(change(3, { drift: 5, lossChange: 2 }))).toEqual(['site-3: drift,lossChange']);
    expect(named(change(4, { cosine: 1, drift: 0.1, lossChange: -3 }))).toEqual([]);
    const [reason] = findOutliers(change(1, { updateNorm: 4 })).get('site-1') ?? [];
    expect(reason).toMatchObject({ figure: 'updateNorm', value: 4 });
    expect(reason?.median).toBeGreaterThan(1);
    expect(reason?.score).toBeGreaterThan(3.5);
  });

  test('the score is that of Iglewicz and Hoaglin: 0.6745 (x - median) / MAD', () => {
    const values = [1, 2, 3, 4, 100];
    const sites = values.map((updateNorm, at) => ({
      ...{ site: `s${at}`, updateNorm, cosine: null, drift: null, lossChange: null },
    }));
    expect(findOutliers(sites).get('s4')?.[0]?.score).toBeCloseTo((0.6745 * (100 - 3)) / 1, 10);
  });

  test('where all others agree to the last bit the one that differs is named, in a large round', () => {
    const sites = Array.from({ length: 20 }, (_, at) => ({
      ...{
        site: `s${at}`,
        updateNorm: at === 7 ? 2 : 1,
        cosine: null,
        drift: null,
        lossChange: null,
      },
    }));
    expect(named(sites)).toEqual(['s7: updateNorm']);
    expect(named(sites.map((each) => ({ ...each, updateNorm: 1 })))).toEqual([]);
  });

  test('figures that are not defined are left out, and three sites are too few', () => {
    const sites = sitesOf(6).map((each, at) => ({
      ...each,
      lossChange: at < 3 ? each.lossChange : null,
    }));
    expect(named(sites.map((each, at) => (at === 0 ? { ...each, lossChange: 9 } : each)))).toEqual(
      [],
    );
    expect(
      named(sitesOf(3).map((each, at) => (at === 0 ? { ...each, updateNorm: 99 } : each))),
    ).toEqual([]);
  });
});
