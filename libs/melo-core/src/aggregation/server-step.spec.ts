/** Server steps against the rule in plain numbers, their state in its file, and rounds that stop and go on. */
import { toHex } from '#core/bytes';
import { decodeState, encodeState, initialState, isStateful, stateDigest } from './index.ts';
import {
  planOf,
  runRounds,
  smallLayout,
  smallNames,
  smallUpdates,
  smallValues,
} from './testing/small-round.ts';

const bytesOf = (floats: Float32Array): string =>
  toHex(new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength));
const momentumPlan = planOf({
  serverStep: { name: 'momentum', momentum: 0.7, damping: 0.25, learningRate: 1.5 },
});
const adamPlan = planOf({ serverStep: { name: 'adam', learningRate: 0.05, epsilon: 1e-3 } });
const alternatingAdam = planOf({
  method: 'alternating',
  serverStep: { name: 'adam', learningRate: 0.05 },
});

/** FedAvg's change of a round, in float64. */
function changeOf(round: number): number[] {
  const updates = smallUpdates(round);
  const total = updates.reduce((sum, { weight }) => sum + weight, 0);
  return Array.from({ length: smallLayout.size }, (_, index) =>
    updates.reduce((sum, { weight, delta }) => sum + (weight / total) * (delta[index] ?? 0), 0),
  );
}
/** Run a rule of one number over three rounds, state in float32. */
function reference(
  rule: (change: number, state: { m: number; v: number }, round: number) => number,
): number[] {
  const changes = [1, 2, 3].map(changeOf);
  return Array.from(smallValues('start'), (start, index) => {
    const state = { m: 0, v: 0 };
    return changes.reduce((value, change, at) => {
      const next = Math.fround(value + rule(change[index] ?? 0, state, at + 1));
      state.m = Math.fround(state.m);
      state.v = Math.fround(state.v);
      return next;
    }, start);
  });
}

test('momentum: m = b m + (1 - t) change, the adapter moves by eta m', () => {
  const expected = reference((change, state) => {
    state.m = 0.7 * state.m + (1 - 0.25) * change;
    return 1.5 * state.m;
  });
  expect([...(runRounds(momentumPlan, 3).at(-1)?.values ?? [])]).toEqual(expected);
});

test('momentum that leaves damping out is damped by the momentum: one round moves by 1 - b of the change', () => {
  const [first] = runRounds(planOf({ serverStep: { name: 'momentum', momentum: 0.75 } }), 1);
  const expected = Array.from(smallValues('start'), (value, index) =>
    Math.fround(value + 0.25 * (changeOf(1)[index] ?? 0)),
  );
  expect([...(first?.values ?? [])]).toEqual(expected);
});

test.each([true, false])(
  'adam: the paper, with Flower correction of the rate %s',
  (biasCorrection) => {
    const expected = reference((change, state, round) => {
      state.m = 0.9 * state.m + (1 - 0.9) * change;
      state.v = 0.99 * state.v + (1 - 0.99) * change * change;
      const rate = biasCorrection
        ? 0.05 * (Math.sqrt(1 - 0.99 ** (round + 1)) / (1 - 0.9 ** (round + 1)))
        : 0.05;
      return (rate * state.m) / (Math.sqrt(state.v) + 1e-3);
    });
    const plan = planOf({ serverStep: { name: 'adam', learningRate: 0.05, biasCorrection } });
    expect([...(runRounds(plan, 3).at(-1)?.values ?? [])]).toEqual(expected);
  },
);

test('alternating with a step: the tensors that rest keep bytes, moments and count of steps', () => {
  const versions = runRounds(alternatingAdam, 4);
  const countOf = (at: number, ending: string) =>
    versions[at]?.state?.moments.get(`blocks.0.attn.q.${ending}`)?.steps;
  expect([0, 1, 2, 3].map((at) => countOf(at, 'lora_B'))).toEqual([1, 1, 2, 2]);
  expect([0, 1, 2, 3].map((at) => countOf(at, 'lora_A'))).toEqual([undefined, 1, 1, 2]);
  const moments = (at: number) => versions[at]?.state?.moments.get('blocks.0.attn.q.lora_B');
  expect(moments(1)).toBe(moments(0));
  expect(moments(2)).not.toEqual(moments(1));
});

describe('the state of a lineage', () => {
  test.each([
    ['fedavg', planOf({}), false],
    ['ridge', planOf({ method: 'ridge' }), false],
    ['alternating', planOf({ method: 'alternating' }), true],
    ['momentum', momentumPlan, true],
    ['adam', adamPlan, true],
  ])('%s: whether there is one', (_name, plan, expected) => {
    expect(isStateful(plan)).toBe(expected);
    expect(runRounds(plan, 1)[0]?.state === null).toBe(!expected);
  });

  test.each([
    ['momentum', momentumPlan],
    ['adam', adamPlan],
    ['alternating', planOf({ method: 'alternating' })],
    ['alternating with adam', alternatingAdam],
  ])(
    '%s: written and read between all rounds, five versions have the bytes they have without',
    (_name, plan) => {
      const through = runRounds(plan, 5, (state) =>
        state === null ? null : decodeState(smallLayout, encodeState(smallLayout, state)),
      );
      const without = runRounds(plan, 5);
      expect(through.map(({ values }) => bytesOf(values))).toEqual(
        without.map(({ values }) => bytesOf(values)),
      );
      const files = [through, without].map((versions) =>
        versions.map(({ state }) => stateDigest(encodeState(smallLayout, state ?? initialState))),
      );
      expect(files[0]).toEqual(files[1]);
      expect(new Set(files[0]).size).toBe(5);
    },
  );

  test('a state that is forgotten gives other versions: it matters', () => {
    for (const plan of [momentumPlan, adamPlan, planOf({ method: 'alternating' })]) {
      const forgotten = runRounds(plan, 3, () => null).at(-1);
      expect(bytesOf(forgotten?.values ?? new Float32Array())).not.toBe(
        bytesOf(runRounds(plan, 3).at(-1)?.values ?? new Float32Array()),
      );
    }
  });

  test('a file of another layout, a damaged one, or one that lacks a moment is refused', () => {
    const state = runRounds(adamPlan, 1)[0]?.state ?? initialState;
    const file = encodeState(smallLayout, state);
    const other = { ...smallLayout, hash: '00'.repeat(32) };
    expect(() => decodeState(other, file)).toThrow(
      expect.objectContaining({ code: 'AGGREGATION_STATE_INVALID' }),
    );
    expect(() => decodeState(smallLayout, file.subarray(0, file.length - 4))).toThrow(
      expect.objectContaining({ code: 'SAFETENSORS_INVALID' }),
    );
    const name = smallNames[0] ?? '';
    const moments = new Map(state.moments).set(name, {
      ...{ steps: 1, second: null, first: new Float32Array(12).fill(Infinity) },
    });
    const infinite = encodeState(smallLayout, { ...state, moments });
    expect(() => decodeState(smallLayout, infinite)).toThrow(
      expect.objectContaining({ code: 'NON_FINITE_UPDATE' }),
    );
  });
});

test('options stand beside the method that knows them, or are refused by name', () => {
  const refusal = (plan: Parameters<typeof planOf>[0]): string => {
    try {
      planOf(plan);
    } catch (error) {
      return String(error);
    }
    return 'taken';
  };
  expect(refusal({ method: 'fedavg', ridge: 0.1 })).toContain('only with method ridge');
  expect(refusal({ method: 'median', trimShare: 0.1 })).toContain('only with method trimmed-mean');
  expect(refusal({ method: 'ridge', normMax: 1 })).toContain('only with method norm-bound');
  expect(refusal({ method: 'norm-bound' })).toContain('expected a bound');
  expect(refusal({ method: 'trimmed-mean', trimShare: 0.5 })).not.toBe('taken');
  expect(refusal({ method: 'ridge', ridge: 0 })).not.toBe('taken');
  expect(planOf({})).toEqual({ method: 'fedavg', weights: 'samples' });
});
