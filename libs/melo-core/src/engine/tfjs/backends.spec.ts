/** How a backend is chosen, and that it leaves nothing behind: no tensor, no listener, no other model's numbers. */
import util from 'node:util';
import { findBackend, memory } from '@tensorflow/tfjs-core';
import { tensorView } from '#core/adapter';
import { createEngine } from '../create.ts';
import { randomAdapter, randomBatch, smallModel } from '../testing/small-model.ts';
import { isAddonBuilt, presentBackends, startOn } from '../testing/tfjs-support.ts';
import { blocksAtOnce } from './checkpoints.ts';
import { createTfjsEngine } from './index.ts';

const isNativeBuilt = isAddonBuilt('@tensorflow/tfjs-node');
// Once the GPU's TensorFlow is loaded, this process can load no other: where it is built, it is left alone here.
const isGpuBuilt = isAddonBuilt('@tensorflow/tfjs-node-gpu');
const norm = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
const unavailable = (text: string): unknown =>
  expect.objectContaining({ code: 'ENGINE_UNAVAILABLE', message: expect.stringContaining(text) });

describe('the choice of a backend', () => {
  test('WebAssembly leaves no listener for rejections that nobody handled', async () => {
    const count = (): readonly number[] => [
      process.listenerCount('unhandledRejection'),
      process.listenerCount('uncaughtException'),
    ];
    const before = count();
    const engine = await startOn('wasm'); // the first start in this file is the one that adds them
    expect(engine).toMatchObject({ name: 'tfjs', device: 'cpu' });
    expect(engine.library).toMatch(/^@tensorflow\/tfjs-backend-wasm 4\.22\.0$/);
    expect(count()).toEqual(before);
  });

  test('falls through in order and says why', async () => {
    const { selection, device } = await createTfjsEngine({ device: 'cpu', threads: 2 });
    expect(device).toBe('cpu');
    if (isNativeBuilt) expect(selection).toEqual({ chosen: 'tensorflow', reasons: [] });
    else {
      const reason = expect.stringMatching(/npm (run tfjs:native|ci)/);
      expect(selection).toEqual({
        chosen: 'wasm',
        reasons: [{ candidate: 'tensorflow', reason }],
      });
    }
  });

  (isGpuBuilt ? test.skip : test)('refuses a GPU that is not there', async () => {
    const refused = createTfjsEngine({ device: 'gpu', threads: 2 });
    await expect(refused).rejects.toEqual(unavailable('tensorflow-gpu: its'));
  });

  (isGpuBuilt ? test.skip : test)('reports that the addon for a GPU is not built', async () => {
    const engine = await createTfjsEngine({
      device: 'auto',
      threads: 2,
      backends: ['tensorflow-gpu', 'cpu'],
    });
    const reason = expect.stringMatching(/npm (run tfjs:native -- --gpu|ci)/);
    expect(engine.selection).toEqual({
      chosen: 'cpu',
      reasons: [{ candidate: 'tensorflow-gpu', reason }],
    });
  });

  test('onnx refuses a GPU by name', async () => {
    const refused = createEngine({ engine: 'onnx', device: 'gpu', cacheDirectory: 'unused' });
    await expect(refused).rejects.toEqual(unavailable('choose engine tfjs'));
  });

  test('createEngine starts TensorFlow.js where it is asked for', async () => {
    const engine = await createEngine({ engine: 'tfjs', device: 'cpu', cacheDirectory: 'unused' });
    expect(engine.name).toBe('tfjs');
    expect(engine.selection.chosen).toBe(isNativeBuilt ? 'tensorflow' : 'wasm');
  });

  test('engine auto takes onnx', async () => {
    const engine = await createEngine({ engine: 'auto', threads: 1, cacheDirectory: 'unused' });
    expect([engine.name, engine.selection]).toEqual(['onnx', { chosen: 'onnx', reasons: [] }]);
  });

  (isGpuBuilt ? test.skip : test)('engine auto leaves onnx for a GPU', async () => {
    const engine = createEngine({ engine: 'auto', device: 'gpu', cacheDirectory: 'unused' });
    await expect(engine).rejects.toEqual(unavailable('tensorflow-gpu: its'));
  });
});

describe.each(presentBackends)('a model on %s', (backend) => {
  const registered = backend === 'tensorflow-gpu' ? 'tensorflow' : backend; // both packages use one name

  test('holds as many tensors after 50 steps as before, and none once it is disposed of', async () => {
    const engine = await startOn(backend);
    const { backbone, specification, layout } = await smallModel({ blocks: 2 });
    const atFirst = memory().numTensors;
    const model = await engine.load(backbone, specification);
    const loaded = memory().numTensors;
    expect(loaded).toBeGreaterThan(atFirst);
    const adapter = randomAdapter(layout, 'leak');
    const batch = randomBatch(1, 3, 'leak');
    for (let step = 0; step < 50; step++) {
      await model.step(batch, adapter, step % 5 === 4 ? 'head' : 'all');
    }
    await model.predict(batch.images, 1, adapter);
    expect(memory().numTensors).toBe(loaded);
    await model.dispose();
    await model.dispose();
    expect(memory().numTensors).toBe(atFirst);
    await expect(model.step(batch, adapter, 'all')).rejects.toThrow('disposed of');
    await expect(model.predict(batch.images, 1, adapter)).rejects.toThrow('disposed of');
  });

  test.each([
    ['one block', 1],
    ['two blocks', 1_400_000],
  ])(
    'differentiates %s at a time to the same numbers, and leaves nothing',
    async (_name, bytes) => {
      const { backbone, specification, layout } = await smallModel({ blocks: 5 });
      const count = 2;
      const size = blocksAtOnce(backbone.configuration, count, bytes);
      expect(size).toBe(bytes === 1 ? 1 : 2);
      const whole = await (await startOn(backend)).load(backbone, specification);
      const options = { device: 'auto' as const, threads: 2, backends: [backend] };
      const engine = await createTfjsEngine({ ...options, keptBytesMax: bytes });
      const model = await engine.load(backbone, specification);
      const adapter = randomAdapter(layout, 'groups');
      const batch = randomBatch(count, 3, 'groups');
      const expected = await whole.step(batch, adapter, 'all');
      const loaded = memory().numTensors;
      const actual = await model.step(batch, adapter, 'all');
      expect(actual.loss).toBeCloseTo(expected.loss, 6);
      for (const { name } of layout.tensors) {
        const reference = tensorView(layout, expected.gradients, name);
        const gradient = tensorView(layout, actual.gradients, name);
        const difference = gradient.map((value, index) => value - (reference[index] ?? 0));
        expect(norm(difference) / norm(reference)).toBeLessThan(1e-5);
      }
      expect(memory().numTensors).toBe(loaded);
      await Promise.all([whole.dispose(), model.dispose()]);
    },
  );

  test('predicts many images as it predicts each alone', async () => {
    const { backbone, specification, layout } = await smallModel({ blocks: 1 });
    const model = await (await startOn(backend)).load(backbone, specification);
    const adapter = randomAdapter(layout, 'many');
    const { images, count } = randomBatch(67, 3, 'many'); // two whole chunks and three more
    const together = await model.predict(images, count, adapter);
    expect(together.length).toBe(3 * count);
    const perImage = images.length / count;
    for (const index of [0, 31, 32, 63, 64, 66]) {
      const image = images.slice(index * perImage, (index + 1) * perImage);
      const alone = await model.predict(image, 1, adapter);
      for (const [c, value] of alone.entries()) {
        expect(together[3 * index + c]).toBeCloseTo(value, 4);
      }
    }
    await model.dispose();
  });

  test('takes steps asked for at once with another backend one after the other', async () => {
    const { backbone, specification, layout } = await smallModel({ blocks: 2 });
    const model = await (await startOn(backend)).load(backbone, specification);
    const other = await (await startOn('cpu')).load(backbone, specification);
    const adapter = randomAdapter(layout, 'at once');
    const before = adapter.slice();
    const batch = randomBatch(1, 3, 'at once');
    const alone = await model.step(batch, adapter, 'all');
    const held = findBackend(registered).numDataIds();
    const [first, elsewhere, second] = await Promise.all([
      model.step(batch, adapter, 'all'),
      other.step(batch, adapter, 'all'),
      model.step(batch, adapter, 'all'),
    ]);
    for (const { loss, gradients } of [first, elsewhere, second]) {
      expect(loss).toBeCloseTo(alone.loss, 5);
      const difference = gradients.map((value, index) => value - (alone.gradients[index] ?? 0));
      expect(norm(difference) / norm(alone.gradients)).toBeLessThan(1e-5);
    }
    // Out of turn, a step would run on the other's backend, which moves the weights there and still gives these numbers.
    expect(findBackend(registered).numDataIds()).toBe(held);
    expect(adapter).toEqual(before);
    await model.dispose();
    await other.dispose();
  });

  test('refuses wrong sizes and another backbone, and keeps nothing of them', async () => {
    const engine = await startOn(backend);
    const { backbone, specification, layout } = await smallModel({ blocks: 1 });
    const atFirst = memory().numTensors;
    await expect(engine.load(backbone, { ...specification, blocks: 2 })).rejects.toMatchObject({
      code: 'ADAPTER_SPEC_INVALID',
    });
    const broken = { ...backbone, read: unreadable(backbone.read) };
    await expect(engine.load(broken, specification)).rejects.toThrow('gone');
    expect(memory().numTensors).toBe(atFirst);
    const model = await engine.load(backbone, specification);
    const loaded = memory().numTensors;
    const batch = randomBatch(2, 3, 'wrong');
    const adapter = randomAdapter(layout, 'wrong');
    const short = (values: Float32Array): Float32Array => values.subarray(1);
    const wrong = { code: 'UPDATE_SHAPE_MISMATCH' };
    const step = (change: object, values = adapter): Promise<unknown> =>
      model.step({ ...batch, ...change }, values, 'all');
    await expect(step({ images: short(batch.images) })).rejects.toMatchObject(wrong);
    await expect(step({ targets: short(batch.targets) })).rejects.toMatchObject(wrong);
    await expect(step({}, short(adapter))).rejects.toMatchObject(wrong);
    await expect(step({ count: 0 })).rejects.toThrow(RangeError);
    await expect(model.predict(short(batch.images), 2, adapter)).rejects.toMatchObject(wrong);
    expect(memory().numTensors).toBe(loaded);
    await model.dispose();
  });
});

/** Read as before, except for the very last tensors. */
function unreadable(read: (name: string) => Promise<Float32Array>) {
  return (name: string): Promise<Float32Array> =>
    name === 'norm.bias' ? Promise.reject(new Error('gone')) : read(name);
}

(isNativeBuilt ? test : test.skip)(
  'native TensorFlow runs on a Node whose util lost isArray',
  async () => {
    const names = ['isArray', 'isNullOrUndefined'];
    const before = new Map(
      names.map((name) => [name, Object.getOwnPropertyDescriptor(util, name)]),
    );
    try {
      for (const name of names) Reflect.deleteProperty(util, name);
      const { backbone, specification, layout } = await smallModel({ blocks: 1 });
      const model = await (await startOn('tensorflow')).load(backbone, specification);
      const { loss } = await model.step(randomBatch(1, 3, 'a'), randomAdapter(layout, 'a'), 'all');
      expect(Number.isFinite(loss)).toBe(true);
      await model.dispose();
    } finally {
      for (const [name, descriptor] of before) {
        if (descriptor !== undefined) Object.defineProperty(util, name, descriptor);
      }
    }
  },
);
