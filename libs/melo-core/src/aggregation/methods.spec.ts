/** Every method against the rule written once more: dense matrices, plain numbers, entry by entry. */
import fc from 'fast-check';
import { initialAdapter, adapterSpecification, tensorView, type TensorPlace } from '#core/adapter';
import { toHex } from '#core/bytes';
import { aggregationMethodNames, type AggregationPlan } from '#core/protocol';
import { aggregationMethod, aggregationMethods, aggregateRound, type SiteUpdate } from './index.ts';
import { median } from './median.ts';
import {
  planOf,
  runRound,
  runRounds,
  smallLayout,
  smallNames,
  smallUpdates,
  smallValues,
} from './testing/small-round.ts';

const global = smallValues('global');
const updates = smallUpdates(1);
const bytesOf = (floats: Float32Array): string =>
  toHex(new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength));
const plans: readonly AggregationPlan[] = aggregationMethodNames.map((method) =>
  planOf(method === 'norm-bound' ? { method, normMax: 2 } : { method }),
);
const run = (plan: AggregationPlan, sites: readonly SiteUpdate[] = updates) =>
  runRound(plan, { global, updates: sites, state: null });

/** p_k by samples. */
const sharesOf = (sites: readonly SiteUpdate[]): number[] => {
  const total = sites.reduce((sum, { weight }) => sum + weight, 0);
  return sites.map(({ weight }) => weight / total);
};
type Matrix = number[][];
const matrixOf = (values: Float32Array, { offset, shape }: TensorPlace): Matrix => {
  const [rows = 0, columns = 1] = shape;
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (_, column) => values[offset + row * columns + column] ?? 0),
  );
};
const multiply = (x: Matrix, y: Matrix): Matrix =>
  x.map((row) =>
    (y[0] ?? []).map((_, j) => row.reduce((sum, v, k) => sum + v * (y[k]?.[j] ?? 0), 0)),
  );
const transpose = (x: Matrix): Matrix => (x[0] ?? []).map((_, j) => x.map((row) => row[j] ?? 0));
const mix = (parts: readonly { share: number; matrix: Matrix }[]): Matrix =>
  (parts[0]?.matrix ?? []).map((row, i) =>
    row.map((_, j) => parts.reduce((sum, p) => sum + p.share * (p.matrix[i]?.[j] ?? 0), 0)),
  );
const lengthOf = (x: Matrix): number => Math.hypot(...x.flat());
/** Solve X S = R by Gauss and Jordan, with pivots: another way than the method's. */
const solve = (s: Matrix, r: Matrix): Matrix => {
  const rows = transpose(s).map((row, i) => [...row, ...(transpose(r)[i] ?? [])]);
  for (let column = 0; column < s.length; column++) {
    const pivot = rows
      .slice(column)
      .reduce((a, b) => (Math.abs(b[column] ?? 0) > Math.abs(a[column] ?? 0) ? b : a));
    rows.splice(rows.indexOf(pivot), 1);
    rows.splice(column, 0, pivot);
    const scaled = pivot.map((value) => value / (pivot[column] ?? 1));
    for (const [at, row] of rows.entries()) {
      const factor = row[column] ?? 0;
      rows[at] = at === column ? scaled : row.map((value, j) => value - factor * (scaled[j] ?? 0));
    }
  }
  return transpose(rows.map((row) => row.slice(s.length)));
};
const place = (name: string): TensorPlace => {
  const found = smallLayout.tensors.find((each) => each.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};
const local = ({ delta }: SiteUpdate): Float32Array =>
  global.map((value, index) => value + (delta[index] ?? 0));
const expectClose = (actual: Float32Array, expected: readonly number[], relative = 1e-5): void => {
  const size = Math.max(...expected.map(Math.abs));
  for (const [index, value] of expected.entries()) {
    expect(Math.abs((actual[index] ?? Number.NaN) - value)).toBeLessThanOrEqual(relative * size);
  }
};

const entryReference = (rule: (values: number[]) => number): number[] =>
  Array.from(global, (value, index) =>
    Math.fround(value + rule(updates.map(({ delta }) => delta[index] ?? 0).sort((a, b) => a - b))),
  );

describe('against the rule written once more', () => {
  test('median: the middle of five, and the mean of the two in the middle of four', () => {
    expect([...run(planOf({ method: 'median' })).values]).toEqual(
      entryReference((values) => values[2] ?? 0),
    );
    const four = updates.slice(0, 4);
    const expected = Array.from(global, (value, index) => {
      const sorted = four.map(({ delta }) => delta[index] ?? 0).sort((a, b) => a - b);
      return Math.fround(value + ((sorted[1] ?? 0) + (sorted[2] ?? 0)) / 2);
    });
    expect([...run(planOf({ method: 'median' }), four).values]).toEqual(expected);
  });

  test('trimmed mean: without one of five at either end; with too small a share nobody is left out', () => {
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
    const trimmed = (trimShare: number) => [
      ...run(planOf({ method: 'trimmed-mean', trimShare })).values,
    ];
    expect(trimmed(0.2)).toEqual(entryReference((values) => mean(values.slice(1, 4))));
    expect(trimmed(0.49)).toEqual(entryReference((values) => mean(values.slice(2, 3))));
    expect(trimmed(0.1)).toEqual(entryReference(mean));
  });

  test('norm bound: longer updates are scaled to the bound, shorter ones count in full', () => {
    const lengths = updates.map(({ delta }) => Math.hypot(...delta));
    const normMax = 2;
    expect(lengths.some((length) => length > normMax)).toBe(true);
    expect(lengths.some((length) => length < normMax)).toBe(true);
    const shares = sharesOf(updates);
    const expected = Array.from(global, (value, index) => {
      const change = updates.reduce((sum, { delta }, k) => {
        return (
          sum + (shares[k] ?? 0) * Math.min(1, normMax / (lengths[k] ?? 0)) * (delta[index] ?? 0)
        );
      }, 0);
      return value + change;
    });
    expectClose(run(planOf({ method: 'norm-bound', normMax })).values, expected, 1e-6);
  });

  test('ridge: A and head are averaged, every B solves the normal equation of the dense problem', () => {
    const shares = sharesOf(updates);
    const { values } = run(planOf({ method: 'ridge', ridge: 0.05 }));
    const averaged = run(planOf({})).values;
    for (const name of smallNames.filter((each) => !each.endsWith('lora_B'))) {
      expect(tensorView(smallLayout, values, name)).toEqual(
        tensorView(smallLayout, averaged, name),
      );
    }
    for (const name of smallNames.filter((each) => each.endsWith('lora_B'))) {
      const [a, b] = [place(name.replace(/B$/, 'A')), place(name)];
      const parts = updates.map((update, k) => ({
        share: shares[k] ?? 0,
        a: matrixOf(local(update), a),
        b: matrixOf(local(update), b),
      }));
      const meanA = mix(parts.map(({ share, a: matrix }) => ({ share, matrix })));
      const meanB = mix(parts.map(({ share, b: matrix }) => ({ share, matrix })));
      const product = mix(
        parts.map((each) => ({ share: each.share, matrix: multiply(each.b, each.a) })),
      );
      const gram = multiply(meanA, transpose(meanA));
      const penalty = (0.05 * gram.reduce((sum, row, i) => sum + (row[i] ?? 0), 0)) / gram.length;
      const left = gram.map((row, i) => row.map((value, j) => value + (i === j ? penalty : 0)));
      const right = mix([
        { share: 1, matrix: multiply(product, transpose(meanA)) },
        { share: penalty, matrix: meanB },
      ]);
      expectClose(tensorView(smallLayout, values, name), solve(left, right).flat());
      const distance = (matrix: Matrix): number =>
        lengthOf(
          mix([
            { share: 1, matrix: product },
            { share: -1, matrix: multiply(matrix, meanA) },
          ]),
        );
      expect(distance(matrixOf(values, b))).toBeLessThan(distance(meanB));
    }
  });

  test('alternating: the product of what comes out is the mean of the products, to 1e-6', () => {
    const shares = sharesOf(updates);
    for (const roundsDone of [0, 1]) {
      const state = { roundsDone, moments: new Map() };
      const plan = planOf({ method: 'alternating' });
      const { values, sent } = runRound(plan, { global, updates, state });
      for (const name of smallNames.filter((each) => each.endsWith('lora_B'))) {
        const [a, b] = [place(name.replace(/B$/, 'A')), place(name)];
        const product = mix(
          sent.map((update, k) => {
            const matrix = multiply(matrixOf(local(update), b), matrixOf(local(update), a));
            return { share: shares[k] ?? 0, matrix };
          }),
        );
        const made = multiply(matrixOf(values, b), matrixOf(values, a));
        const apart = lengthOf(
          mix([
            { share: 1, matrix: product },
            { share: -1, matrix: made },
          ]),
        );
        expect(apart).toBeLessThan(1e-6 * lengthOf(product));
      }
    }
  });
});

describe('what a round trains', () => {
  const endings = (names: readonly string[]): string[] =>
    [...new Set(names.map((name) => name.replace(/.*\./, '')))].sort();

  test('alternating: B and head, then A and head; what rests keeps its bytes', () => {
    const versions = runRounds(planOf({ method: 'alternating' }), 4);
    expect(versions.map(({ trainedTensors }) => endings(trainedTensors))).toEqual([
      ['bias', 'lora_B', 'weight'],
      ['bias', 'lora_A', 'weight'],
      ['bias', 'lora_B', 'weight'],
      ['bias', 'lora_A', 'weight'],
    ]);
    expect(versions.map(({ state }) => state?.roundsDone)).toEqual([1, 2, 3, 4]);
    let before = smallValues('start');
    for (const { values, trainedTensors } of versions) {
      for (const name of smallNames) {
        const [was, is] = [
          tensorView(smallLayout, before, name),
          tensorView(smallLayout, values, name),
        ];
        expect(bytesOf(is.slice()) === bytesOf(was.slice())).toBe(!trainedTensors.includes(name));
      }
      before = values;
    }
  });

  test('a number that rests keeps its bytes even where it is minus zero', () => {
    const start = global.slice();
    start[place('blocks.0.attn.q.lora_A').offset] = -0;
    const { values } = runRound(planOf({ method: 'ffa' }), { global: start, updates, state: null });
    expect(Object.is(values[place('blocks.0.attn.q.lora_A').offset], -0)).toBe(true);
  });

  test('ffa: A stays what the public seed gives', () => {
    const specification = adapterSpecification({
      ...{ rank: 2, alpha: 2, classes: ['a', 'b'], dimension: 6, blocks: 2 },
    });
    const start = initialAdapter(specification, 'ab'.repeat(32));
    let values = start;
    for (const round of [1, 2, 3]) {
      values = runRound(planOf({ method: 'ffa' }), {
        ...{ global: values, updates: smallUpdates(round), state: null },
      }).values;
    }
    for (const name of smallNames) {
      const isSame =
        bytesOf(tensorView(smallLayout, values, name).slice()) ===
        bytesOf(tensorView(smallLayout, start, name).slice());
      expect(isSame).toBe(name.endsWith('lora_A'));
    }
  });

  test.each(['fedavg', 'ridge', 'median', 'trimmed-mean', 'norm-bound'])(
    '%s: everything, in every round',
    (name) => {
      for (const round of [0, 1, 7]) {
        expect(aggregationMethod(name).tensorsOfRound(smallNames, round)).toEqual(smallNames);
      }
    },
  );
});

describe.each(plans.map((plan) => [plan.method, plan] as const))('%s', (name, plan) => {
  test('declares what it needs, and changes nothing passed in', () => {
    const needs = ['ridge', 'median', 'trimmed-mean', 'norm-bound'].includes(name)
      ? 'clear'
      : 'sum-only';
    expect(aggregationMethods[name].needs).toBe(needs);
    const before = [bytesOf(global), ...updates.map(({ delta }) => bytesOf(delta))];
    run(plan);
    expect([bytesOf(global), ...updates.map(({ delta }) => bytesOf(delta))]).toEqual(before);
  });

  test('one site alone gives its own adapter', () => {
    const quiet = { ...plan, ...(name === 'norm-bound' ? { normMax: 10_000 } : {}) };
    const [only] = updates.slice(1, 2);
    if (only === undefined) throw new Error('there is a second site');
    const { values, sent } = run(quiet, [only]);
    const expected = local(sent[0] ?? only);
    expectClose(values, [...expected], name === 'ridge' ? 1e-5 : 1e-7);
  });

  test('scaling all weights changes nothing but the last bit; where sites count alike, weights change nothing', () => {
    const scaled = (factor: number) =>
      updates.map((each) => ({ ...each, weight: each.weight * factor }));
    expect(bytesOf(run(plan, scaled(8)).values)).toBe(bytesOf(run(plan).values));
    expectClose(run(plan, scaled(1 / 3)).values, [...run(plan).values], 1e-6);
    if (aggregationMethods[name].isWeighted) return;
    const others = updates.map((each, at) => ({ ...each, weight: at + 1 }));
    expect(bytesOf(run(plan, others).values)).toBe(bytesOf(run(plan).values));
  });

  test('the order of arrival changes no bit', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(updates, { minLength: 1 }), (some) => {
        const sorted = [...some].sort((a, b) => (a.site < b.site ? -1 : 1));
        expect(bytesOf(run(plan, some).values)).toBe(bytesOf(run(plan, sorted).values));
        // In float64, where the order of a sum shows: rounded to float32 it seldom would.
        expect(run(plan, some).combined).toEqual(run(plan, sorted).combined);
      }),
      { numRuns: 30 },
    );
  });

  test('an update that is not a number is refused by the name of its site, and the others go on', () => {
    const spoilt = updates.map((each, at) =>
      at === 3 ? { ...each, delta: each.delta.slice().fill(Number.NaN) } : each,
    );
    expect(() => run(plan, spoilt)).toThrow(
      expect.objectContaining({
        code: 'NON_FINITE_UPDATE',
        message: expect.stringContaining('site-3'),
      }),
    );
    expect(
      run(
        plan,
        spoilt.filter(({ site }) => site !== 'site-3'),
      ).values.every(Number.isFinite),
    ).toBe(true);
  });

  test('an update of another rank is refused by the name of its site', () => {
    const input = { plan, layout: smallLayout, trainedTensors: smallNames, global, state: null };
    const [first, ...others] = updates;
    const foreign = {
      site: first?.site ?? '',
      weight: 1,
      delta: new Float32Array(smallLayout.size + 24),
    };
    expect(() => aggregateRound({ ...input, updates: [foreign, ...others] })).toThrow(
      expect.objectContaining({
        code: 'UPDATE_SHAPE_MISMATCH',
        message: expect.stringContaining('site-0'),
      }),
    );
  });
});

test.each(['fedavg', 'ridge', 'alternating', 'ffa', 'norm-bound'] as const)(
  '%s: a site without weight counts for nothing; where none has any, all are named',
  (method) => {
    const plan = plans.find((each) => each.method === method) ?? planOf({});
    const without = updates.slice(1);
    const zero = updates.map((each, at) => (at === 0 ? { ...each, weight: 0 } : each));
    expect([...run(plan, zero).values]).toEqual([...run(plan, without).values]);
    const none = updates.map((each) => ({ ...each, weight: 0 }));
    expect(() => run(plan, none)).toThrow(
      expect.objectContaining({
        code: 'WEIGHTS_ALL_ZERO',
        message: expect.stringContaining('site-0, site-1'),
      }),
    );
  },
);

test('a far-away minority moves no number of a median beyond the others', () => {
  const shifted = updates.map((each, at) =>
    at < 2 ? { ...each, delta: each.delta.slice().fill(at === 0 ? 1e6 : -1e6) } : each,
  );
  const honest = shifted.slice(2);
  const change = median.combine({
    ...{ global, updates: shifted, shares: [], places: [], plan: planOf({ method: 'median' }) },
  });
  for (const [index, value] of change.entries()) {
    const values = honest.map(({ delta }) => delta[index] ?? 0);
    expect(value).toBeGreaterThanOrEqual(Math.min(...values));
    expect(value).toBeLessThanOrEqual(Math.max(...values));
  }
});
