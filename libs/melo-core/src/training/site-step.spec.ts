/** What departs from plain local training: the proximal term, the class shares, kept moments, and the file of a site's state. */
import { tensorView } from '#core/adapter';
import { trainingPlanSchema } from '#core/protocol';
import { smallPlan } from '#core/protocol/testing';
import { seededRng } from '#core/rng';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';
import { classLogPriors, withLogPriors } from './class-prior.ts';
import { trainLocally } from './local-training.ts';
import { decodeSiteState, emptySiteState, encodeSiteState, personalised } from './site-state.ts';
import { classNames, linearImages, linearModel } from './testing/linear-model.ts';
import type { LocalTrainingOptions } from './types.ts';

const { layout } = linearModel();
const names = layout.tensors.map(({ name }) => name);
const plan = trainingPlanSchema.parse({
  ...smallPlan,
  optimiser: { name: 'adamw', learningRate: 0.02, weightDecay: 0 },
  schedule: { name: 'cosine', totalRounds: 50 },
  duration: { unit: 'epochs', count: 3 },
});
const global = ((): Float32Array => {
  const rng = seededRng('global');
  return Float32Array.from({ length: layout.size }, () => rng.nextNormal());
})();
const options = (parts: Partial<LocalTrainingOptions> = {}): LocalTrainingOptions => ({
  ...{ model: linearModel(), plan, images: linearImages(11), global, trainedTensors: names },
  ...{ scheduleOffset: 0, stream: 'task/1/site', ...parts },
});
const distance = (values: Float32Array, tensors: readonly string[] = names): number =>
  Math.hypot(
    ...tensors.flatMap((name) => {
      const start = tensorView(layout, global, name);
      return [...tensorView(layout, values, name)].map((value, at) => value - (start[at] ?? 0));
    }),
  );

describe('the proximal term', () => {
  test('adds mu (w - w_global) to the gradient: the step of a model whose own gradient has it', async () => {
    const inner = linearModel();
    const model: LocalTrainingOptions['model'] = {
      ...inner,
      step: async (batch, adapter, part) => {
        const result = await inner.step(batch, adapter, part);
        const gradients = result.gradients.map(
          (value, at) => value + 0.7 * ((adapter[at] ?? 0) - (global[at] ?? 0)),
        );
        return { ...result, gradients };
      },
    };
    const proximal = { weight: 0.7, trainedTensors: names };
    const [actual, expected] = [
      await trainLocally(options({ proximal })),
      await trainLocally(options({ model })),
    ];
    expect(actual.values).toEqual(expected.values);
    expect(actual.meanLoss).toBe(expected.meanLoss);
  });

  test('the greater mu, the nearer the adapter stays; what is not named is not held', async () => {
    const held = names.filter((name) => name.startsWith('head.'));
    const free = names.filter((name) => !name.startsWith('head.'));
    const runs = [];
    for (const weight of [0.01, 1, 50]) {
      runs.push(
        (await trainLocally(options({ proximal: { weight, trainedTensors: held } }))).values,
      );
    }
    const plain = (await trainLocally(options())).values;
    const distances = [plain, ...runs].map((values) => distance(values, held));
    expect([...distances].sort((a, b) => b - a)).toEqual(distances);
    for (const values of runs) expect(distance(values, free)).toBe(distance(plain, free));
  });
});

describe('the class shares', () => {
  test('are log((n + 1) / (N + C)), finite for a class without images, with one image and with one class', () => {
    const shares = (labels: number[]) => [...classLogPriors(labels, 3)].map(Math.exp);
    const cases = [
      { labels: [0, 0, 0, 1], expected: [4 / 7, 2 / 7, 1 / 7] },
      { labels: [2], expected: [1 / 4, 1 / 4, 2 / 4] },
      { labels: [], expected: [1 / 3, 1 / 3, 1 / 3] },
    ];
    for (const { labels, expected } of cases) {
      for (const [c, share] of shares(labels).entries()) {
        expect(share).toBeCloseTo(expected[c] ?? Number.NaN, 12);
      }
    }
    expect(() => classLogPriors([3], 3)).toThrow(
      expect.objectContaining({ code: 'DATASET_INVALID' }),
    );
  });

  test('shift the bias that a step computes with, and nothing that is kept', async () => {
    const logPriors = Float64Array.of(Math.log(0.7), Math.log(0.2), Math.log(0.1));
    const inner = linearModel();
    const seen: Float32Array[] = [];
    const model: LocalTrainingOptions['model'] = {
      ...inner,
      step: (batch, adapter, part) => {
        seen.push(adapter.slice());
        return inner.step(batch, adapter, part);
      },
    };
    const trainedTensors = names.filter((name) => name !== 'head.bias');
    const { values } = await trainLocally(options({ model, logPriors, trainedTensors }));
    expect(tensorView(layout, values, 'head.bias')).toEqual(
      tensorView(layout, global, 'head.bias'),
    );
    const bias = tensorView(layout, global, 'head.bias');
    for (const adapter of seen) {
      const shifted = tensorView(layout, adapter, 'head.bias');
      expect([...shifted]).toEqual(
        [...bias].map((value, c) => Math.fround(value + (logPriors[c] ?? 0))),
      );
    }
    expect(withLogPriors(layout, global, new Float64Array(classNames.length))).toEqual(global);
  });

  test('two sites of opposite shares whose classes look alike learn heads that favour none', async () => {
    // The pixels say nothing, so that a plain head learns the shares of its site.
    const blank = (labels: number[]) => ({
      count: labels.length,
      labels,
      load: () => Promise.resolve(new Float32Array(12)),
    });
    const labels = Array.from({ length: 40 }, (_, at) => (at % 10 === 0 ? 1 : 0));
    const long = { ...plan, batchSize: 40, duration: { unit: 'steps' as const, count: 400 } };
    const train = async (isCorrected: boolean) => {
      const logPriors = classLogPriors(labels, 3);
      const { values } = await trainLocally(
        options({
          ...{ plan: long, images: blank(labels), global: new Float32Array(layout.size) },
          ...(isCorrected ? { logPriors } : {}),
        }),
      );
      const [first = 0, second = 0] = tensorView(layout, values, 'head.bias');
      return first - second;
    };
    expect(await train(false)).toBeGreaterThan(1.5); // about log 9
    expect(Math.abs(await train(true))).toBeLessThan(0.3);
  });
});

describe('kept moments', () => {
  const first = () => trainLocally(options());

  test('two rounds with them are one round of the same steps, where batches and rates are the same', async () => {
    const constant = {
      ...plan,
      batchSize: 11,
      schedule: { ...plan.schedule, totalRounds: 1, minimumLearningRate: 0.02 },
    };
    const steps = (count: number) => ({ ...constant, duration: { unit: 'steps' as const, count } });
    const images = { ...linearImages(1) };
    const whole = await trainLocally(options({ images, plan: steps(8) }));
    const half = await trainLocally(options({ images, plan: steps(4) }));
    const other = { images, plan: steps(4), global: half.values };
    const through = await trainLocally(options({ ...other, moments: half.moments }));
    expect(through.values).toEqual(whole.values);
    expect(through.moments).toEqual(whole.moments);
    expect((await trainLocally(options(other))).values).not.toEqual(whole.values);
  });

  test('a tensor that rests keeps its moments and its count of steps', async () => {
    const { moments } = await first();
    const trainedTensors = ['head.weight'];
    const next = await trainLocally(options({ moments, trainedTensors }));
    expect([...next.moments.keys()]).toEqual(trainedTensors);
    expect(next.moments.get('head.weight')?.steps).toBe(
      2 * (moments.get('head.weight')?.steps ?? 0),
    );
  });

  test('a kill at any step changes no byte', async () => {
    const { moments } = await first();
    const checkpoints: Uint8Array[] = [];
    const parts = {
      moments,
      proximal: { weight: 0.1, trainedTensors: names },
      logPriors: Float64Array.of(-1, -1, -2),
    };
    const whole = await trainLocally(
      options({
        ...parts,
        checkpointEverySteps: 1,
        onCheckpoint: (checkpoint) => {
          checkpoints.push(encodeCheckpoint(checkpoint));
          return Promise.resolve();
        },
      }),
    );
    for (const bytes of checkpoints) {
      const resumeFrom = decodeCheckpoint(bytes, layout.size);
      expect(await trainLocally(options({ ...parts, resumeFrom }))).toEqual(whole);
    }
  });
});

describe('the file of a site', () => {
  test('gives back what was written, and puts private tensors in place of the global ones', async () => {
    const { moments, values } = await trainLocally(options());
    const tensors = new Map(
      ['head.weight', 'head.bias'].map((name) => [name, tensorView(layout, values, name).slice()]),
    );
    const state = { tensors, moments };
    const back = decodeSiteState(layout, encodeSiteState(layout, state));
    expect(back).toEqual(state);
    const own = personalised(layout, global, back);
    for (const name of names) {
      const source = name.startsWith('head.') ? values : global;
      expect(tensorView(layout, own, name)).toEqual(tensorView(layout, source, name));
    }
    expect(personalised(layout, global, emptySiteState)).toEqual(global);
  });

  test('of another layout, damaged or without a moment is refused', async () => {
    const { moments } = await first();
    const file = encodeSiteState(layout, { tensors: new Map(), moments });
    expect(() => decodeSiteState({ ...layout, hash: '00'.repeat(32) }, file)).toThrow(
      expect.objectContaining({ code: 'SITE_STATE_INVALID' }),
    );
    expect(() => decodeSiteState(layout, file.subarray(0, 40))).toThrow(
      expect.objectContaining({ code: 'SAFETENSORS_INVALID' }),
    );
    const text = Buffer.from(file).toString('latin1');
    const renamed = Buffer.from(text.replace('head.bias.second', 'head.bias.sekond'), 'latin1');
    expect(() => decodeSiteState(layout, new Uint8Array(renamed))).toThrow(
      expect.objectContaining({ code: 'SITE_STATE_INVALID' }),
    );
  });

  async function first() {
    return trainLocally(options());
  }
});
