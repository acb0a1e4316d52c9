import { tensorView } from '#core/adapter';
import { seededRng } from '#core/rng';
import { trainingPlanSchema } from '#core/protocol';
import type { TrainingPlan } from '#core/protocol';
import { decodeCheckpoint, encodeCheckpoint } from './checkpoint.ts';
import { trainLocally } from './local-training.ts';
import { drawDropout } from './dropout.ts';
import { linearImages, linearModel, pixelNumbers } from './testing/linear-model.ts';
import type { LocalTrainingOptions, TrainingCheckpoint } from './types.ts';

const plan = (parts: Partial<TrainingPlan> = {}): TrainingPlan => ({
  ...trainingPlanSchema.parse({
    version: 1,
    optimiser: { name: 'adamw', learningRate: 0.05 },
    schedule: { name: 'cosine', totalRounds: 4, warmupRounds: 1 },
    duration: { unit: 'epochs', count: 3 },
    batchSize: 4,
    loss: { name: 'cross-entropy', labelSmoothing: 0.1 },
    augmentation: { name: 'none' },
    seed: 5,
  }),
  ...parts,
});

const layout = linearModel().layout;
const names = layout.tensors.map(({ name }) => name);
const headNames = names.filter((name) => name.startsWith('head.'));

function globalAdapter(): Float32Array {
  const rng = seededRng('global');
  return Float32Array.from({ length: layout.size }, () => rng.nextNormal());
}

const options = (parts: Partial<LocalTrainingOptions> = {}): LocalTrainingOptions => ({
  model: linearModel(),
  plan: plan(),
  images: linearImages(11),
  global: globalAdapter(),
  trainedTensors: names,
  scheduleOffset: 1,
  stream: 'task/2/site',
  ...parts,
});

describe('a local round', () => {
  test('lowers the loss, and leaves the global adapter as it was', async () => {
    const global = globalAdapter();
    const losses: number[] = [];
    const result = await trainLocally(
      options({ global, onProgress: ({ loss }) => losses.push(loss) }),
    );
    expect(result.steps).toBe(9);
    expect(losses).toHaveLength(9);
    expect(result.meanLoss).toBeCloseTo(losses.reduce((a, b) => a + b) / 9, 12);
    expect(losses.slice(-3).reduce((a, b) => a + b)).toBeLessThan(
      losses.slice(0, 3).reduce((a, b) => a + b),
    );
    expect(global).toEqual(globalAdapter());
    expect(result.values).not.toEqual(global);
  });

  test('gives the same bytes for the same stream, and others for another', async () => {
    const first = await trainLocally(options());
    expect((await trainLocally(options())).values).toEqual(first.values);
    expect((await trainLocally(options({ stream: 'task/3/site' }))).values).not.toEqual(
      first.values,
    );
  });

  test('gives the same bytes when it is killed and goes on, at every step', async () => {
    const checkpoints: Uint8Array[] = [];
    const whole = await trainLocally(
      options({
        checkpointEverySteps: 1,
        onCheckpoint: (checkpoint) => {
          checkpoints.push(encodeCheckpoint(checkpoint));
          return Promise.resolve();
        },
      }),
    );
    expect(checkpoints).toHaveLength(8); // not after the last step
    for (const [index, bytes] of checkpoints.entries()) {
      const model = linearModel();
      const resumeFrom = decodeCheckpoint(bytes, layout.size);
      const resumed = await trainLocally(options({ model, resumeFrom }));
      expect(model.calls).toHaveLength(9 - (index + 1));
      expect(resumed).toEqual(whole);
    }
  });

  test('keeps checkpoints at the interval asked for, each a copy', async () => {
    const kept: TrainingCheckpoint[] = [];
    const result = await trainLocally(
      options({
        checkpointEverySteps: 4,
        onCheckpoint: (checkpoint) => {
          kept.push(checkpoint);
          return Promise.resolve();
        },
      }),
    );
    expect(kept.map(({ state }) => state.step)).toEqual([4, 8]);
    expect(kept[0]?.values).not.toEqual(kept[1]?.values);
    expect(kept[1]?.values).not.toEqual(result.values);
  });

  test('trains what is named and keeps the bytes of all else', async () => {
    const trained = ['blocks.0.attn.q.lora_B', 'head.bias'];
    const model = linearModel();
    const global = globalAdapter();
    const { values } = await trainLocally(options({ model, global, trainedTensors: trained }));
    for (const name of names) {
      const [after, before] = [tensorView(layout, values, name), tensorView(layout, global, name)];
      if (trained.includes(name)) expect(after).not.toEqual(before);
      else expect(after).toEqual(before);
    }
    expect(model.calls.every(({ part }) => part === 'all')).toBe(true);
  });

  test('asks for head steps alone when the head alone is trained', async () => {
    const model = linearModel();
    await trainLocally(options({ model, trainedTensors: headNames }));
    expect(model.calls.every(({ part }) => part === 'head')).toBe(true);
  });

  test('shows every image once an epoch, whole epochs or counted steps', async () => {
    const model = linearModel();
    await trainLocally(options({ model }));
    expect(model.calls.map(({ count }) => count)).toEqual([4, 4, 3, 4, 4, 3, 4, 4, 3]);
    const ascending = (a: number, b: number): number => a - b;
    for (const epoch of [0, 1, 2]) {
      expect(model.seen.slice(11 * epoch, 11 * (epoch + 1)).sort(ascending)).toEqual(
        Array.from({ length: 11 }, (_, index) => index),
      );
    }
    const counted = linearModel();
    await trainLocally(
      options({ model: counted, plan: plan({ duration: { unit: 'steps', count: 5 } }) }),
    );
    expect(counted.calls).toHaveLength(5);
  });

  test('loads the images of the next batch while a step runs', async () => {
    const inner = linearModel();
    const images = linearImages(11);
    let loaded = 0;
    const loadedAtStep: number[] = [];
    await trainLocally(
      options({
        model: {
          ...inner,
          step: (batch, adapter, part) => {
            loadedAtStep.push(loaded);
            return inner.step(batch, adapter, part);
          },
        },
        images: { ...images, load: (index) => ((loaded += 1), images.load(index)) },
      }),
    );
    expect(loadedAtStep.slice(0, 3)).toEqual([8, 11, 15]); // one batch ahead, never two
  });

  test('stops between two steps when it is told to, with the reason given', async () => {
    const controller = new AbortController();
    const model = linearModel();
    const reason = new Error('round closed');
    const onProgress = ({ step }: { readonly step: number }): void => {
      if (step === 2) controller.abort(reason);
    };
    await expect(
      trainLocally(options({ model, onProgress, signal: controller.signal })),
    ).rejects.toBe(reason);
    expect(model.calls).toHaveLength(2);
    await expect(trainLocally(options({ model, signal: controller.signal }))).rejects.toBe(reason);
    expect(model.calls).toHaveLength(2);
  });
});

describe('a local round refuses', () => {
  test.each(['loss', 'gradient'] as const)(
    'a %s that is not finite, naming the step',
    async (what) => {
      const inner = linearModel();
      let steps = 0;
      const model: LocalTrainingOptions['model'] = {
        ...inner,
        step: async (batch, adapter, part) => {
          const result = await inner.step(batch, adapter, part);
          steps += 1;
          if (steps < 3) return result;
          if (what === 'gradient') result.gradients[5] = Number.NaN;
          return what === 'loss' ? { ...result, loss: Number.POSITIVE_INFINITY } : result;
        },
      };
      await expect(trainLocally(options({ model }))).rejects.toMatchObject({
        code: 'NON_FINITE_UPDATE',
        details: { step: 3, steps: 9 },
        message: expect.stringContaining('lower the learning rate'),
      });
    },
  );

  test.each([
    ['no images', { images: linearImages(0) }, 'DATASET_INVALID'],
    ['a global adapter of another size', { global: new Float32Array(3) }, 'UPDATE_SHAPE_MISMATCH'],
    ['a trained tensor that is unknown', { trainedTensors: ['head.wieght'] }, 'LAYOUT_MISMATCH'],
    ['nothing to train', { trainedTensors: [] }, 'LAYOUT_MISMATCH'],
    [
      'a label that is no class',
      { images: { ...linearImages(4), labels: [0, 1, 2, 3] } },
      'DATASET_INVALID',
    ],
  ])('%s', async (_name, parts, code) => {
    await expect(trainLocally(options(parts))).rejects.toMatchObject({ code });
  });

  test('images of different sizes', async () => {
    const images = linearImages(4);
    const load = (index: number): Promise<Float32Array> =>
      index === 2 ? Promise.resolve(new Float32Array(pixelNumbers + 1)) : images.load(index);
    await expect(trainLocally(options({ images: { ...images, load } }))).rejects.toMatchObject({
      code: 'UPDATE_SHAPE_MISMATCH',
    });
  });

  test('a checkpoint of another global adapter, of more steps, or of another size', async () => {
    const kept: TrainingCheckpoint[] = [];
    await trainLocally(
      options({
        trainedTensors: headNames,
        checkpointEverySteps: 4,
        onCheckpoint: async (checkpoint) => void kept.push(checkpoint),
      }),
    );
    const [first] = kept;
    if (first === undefined) throw new Error('expected a checkpoint');
    const other = globalAdapter().map((value) => value + 1);
    const short = plan({ duration: { unit: 'steps', count: 3 } });
    const cases: Partial<LocalTrainingOptions>[] = [
      { global: other, trainedTensors: headNames, resumeFrom: first },
      { plan: short, trainedTensors: headNames, resumeFrom: first },
      { resumeFrom: { ...first, firstMoment: new Float32Array(2) } },
    ];
    for (const parts of cases) {
      await expect(trainLocally(options(parts))).rejects.toMatchObject({
        code: 'CHECKPOINT_INVALID',
      });
    }
  });
});

const everything = trainingPlanSchema.parse({
  ...plan(),
  optimiser: { name: 'adamw', learningRate: 0.05, rateRatioOfB: 4, gradientNormMax: 0.5 },
  loss: { name: 'binary-cross-entropy', labelSmoothing: 0.1, positiveWeights: [1, 2, 3] },
  augmentation: { name: 'standard', laterality: true, brightness: 0.3, contrast: 0.2 },
  loraDropout: 0.3,
});

describe('a plan with every option', () => {
  // 12 numbers an image: 3 channels of 2 x 2 pixels.
  const run = (parts: Partial<TrainingPlan> = {}) =>
    trainLocally(options({ plan: { ...everything, ...parts } }));

  test('gives the same bytes when it is killed and goes on, at every step', async () => {
    const checkpoints: TrainingCheckpoint[] = [];
    const whole = await trainLocally(
      options({
        plan: everything,
        checkpointEverySteps: 1,
        onCheckpoint: (checkpoint) => {
          checkpoints.push(checkpoint);
          return Promise.resolve();
        },
      }),
    );
    for (const resumeFrom of checkpoints) {
      const rest = await trainLocally(options({ plan: everything, resumeFrom }));
      expect(rest.values).toEqual(whole.values);
    }
  });

  test.each([
    ['augmentation', { augmentation: { name: 'none' } }],
    ['dropout', { loraDropout: 0 }],
    ['loss', { loss: { name: 'cross-entropy', labelSmoothing: 0.1 } }],
    ['rate of B', { optimiser: { ...everything.optimiser, rateRatioOfB: 1 } }],
    ['bound', { optimiser: { ...everything.optimiser, gradientNormMax: 1000 } }],
  ] as const)('takes notice of its %s', async (_name, parts) => {
    expect((await run(parts)).values).not.toEqual((await run()).values);
  });

  test('reads findings in place of classes, and an unknown one does not count', async () => {
    const images = linearImages(11);
    const known = new Int8Array(33).map((_, index) => (index % 3 === 1 ? 1 : 0));
    const other = known.map((value, index) => (index % 3 === 2 ? -1 : value));
    const train = (findings: Int8Array, model = linearModel()) =>
      trainLocally(options({ model, plan: everything, images: { ...images, findings } }));
    const first = await train(known);
    expect((await run()).values).not.toEqual(first.values);
    const masked = await train(other);
    expect(masked.values).not.toEqual(first.values);
    // No image says anything of the third class: its row of the head moves by the weight decay alone.
    const bias = masked.values.at(-1) ?? Number.NaN;
    const before = globalAdapter().at(-1) ?? Number.NaN;
    expect(Math.abs(bias / before - 1)).toBeLessThan(1e-4);
    expect(Math.abs((first.values.at(-1) ?? 0) / before - 1)).toBeGreaterThan(1e-3);
  });

  test('leaves a number of A as it is in a step that leaves its column out', async () => {
    const one = { ...everything, duration: { unit: 'steps', count: 1 } } as const;
    const optimiser = { ...everything.optimiser, weightDecay: 0 };
    const { values } = await trainLocally(options({ plan: { ...one, optimiser } }));
    const { factors } = drawDropout(layout, 0.3, '5/task/2/site/dropout/0');
    const before = globalAdapter();
    for (const { name, offset, size } of layout.tensors) {
      if (!name.endsWith('.lora_A')) continue;
      for (let index = offset; index < offset + size; index++) {
        expect(values[index] === before[index]).toBe(factors[index] === 0);
      }
    }
  });

  test('shows every image anew in each epoch, and its labels stay', async () => {
    const model = linearModel();
    const { images } = options();
    await trainLocally(options({ model, plan: { ...everything, loraDropout: 0 } }));
    expect(model.seen).toHaveLength(3 * images.count);
    expect(new Set(model.seen).size).toBe(3 * images.count);
  });
});
