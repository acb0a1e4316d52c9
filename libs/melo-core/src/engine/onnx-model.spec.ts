/** The engine's model on a small random ViT: what it computes, its cache, and what it refuses. */
import { mkdir, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adapterSpecification } from '#core/adapter';
import { createEngine, defaultThreads } from './create.ts';
import { loadBackbone } from './files.ts';
import { createOnnxEngine } from './onnx/index.ts';
import { stepMemory } from './onnx/memory.ts';
import { referenceModel } from './testing/reference-vit.ts';
import {
  randomAdapter,
  randomBatch,
  smallModel,
  withTemporaryDirectory,
} from './testing/small-model.ts';
import type { SmallModel, SmallOptions } from './testing/small-model.ts';
import type { EngineModel, StepResult } from './types.ts';

const imageNumbers = 3 * 32 * 32;

const startEngine = (cacheDirectory: string) =>
  createEngine({ engine: 'onnx', threads: 2, cacheDirectory });

/** Load the small model and run with it. */
function withModel(
  options: SmallOptions,
  run: (model: EngineModel, small: SmallModel) => Promise<void>,
): Promise<void> {
  return withTemporaryDirectory(async (cacheDirectory) => {
    const small = await smallModel(options);
    const engine = await startEngine(cacheDirectory);
    const model = await engine.load(small.backbone, small.specification);
    await run(model, small);
    await model.dispose();
  });
}

/** Write the small backbone as a folder. */
async function writeBackbone(directory: string, small: SmallModel): Promise<string> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'model.safetensors'), small.bytes);
  await writeFile(join(directory, 'config.json'), JSON.stringify(small.config));
  return directory;
}

const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from(a, (value, index) => Math.abs(value - (b[index] ?? Number.NaN))));

describe('predictions', () => {
  test.each([
    ['three blocks', {}],
    ['one block', { blocks: 1 }],
    ['rank 1', { rank: 1 }],
    ['a float16 file', { dtype: 'F16' as const }],
    ['a bfloat16 file', { dtype: 'BF16' as const }],
  ])('equal the float64 reference to 1e-4 for %s', (_name, options) =>
    withModel(options, async (model, { backbone, layout, specification }) => {
      const reference = await referenceModel(backbone, layout, specification.scale);
      const adapter = randomAdapter(layout, 'predict');
      const { images } = randomBatch(2, 3, 'predict');
      const logits = await model.predict(images, 2, adapter);
      const expected = [0, 1].flatMap((b) => [
        ...reference.logits(images.subarray(b * imageNumbers, (b + 1) * imageNumbers), adapter),
      ]);
      expect(largestDifference(logits, expected)).toBeLessThan(1e-4);
      expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1);
    }),
  );

  test('of one session agree over batches of 1, 3 and 8', () =>
    withModel({}, async (model, { layout }) => {
      const adapter = randomAdapter(layout, 'batches');
      const { images } = randomBatch(8, 3, 'batches');
      const whole = await model.predict(images, 8, adapter);
      for (const count of [1, 3]) {
        const part = await model.predict(images.slice(0, count * imageNumbers), count, adapter);
        expect(largestDifference(part, whole.subarray(0, 3 * count))).toBeLessThan(1e-5);
      }
    }));

  test('follow the adapter handed in, and come back with the first one', () =>
    withModel({}, async (model, { layout }) => {
      const [one, other] = [randomAdapter(layout, 'one'), randomAdapter(layout, 'other')];
      const { images } = randomBatch(1, 3, 'switch');
      const before = await model.predict(images, 1, one);
      expect(largestDifference(await model.predict(images, 1, other), before)).toBeGreaterThan(
        0.01,
      );
      expect(await model.predict(images, 1, one)).toEqual(before);
    }));
});

describe('steps', () => {
  test('give the same bytes twice, also from a session made anew, and change no input', async () => {
    const results: Awaited<ReturnType<EngineModel['step']>>[] = [];
    for (let session = 0; session < 2; session++) {
      await withModel({}, async (model, { layout }) => {
        const adapter = randomAdapter(layout, 'same');
        const batch = randomBatch(3, 3, 'same');
        results.push(await model.step(batch, adapter, 'all'));
        results.push(await model.step(batch, adapter, 'all'));
        expect(adapter).toEqual(randomAdapter(layout, 'same'));
        expect(batch).toEqual(randomBatch(3, 3, 'same'));
      });
    }
    for (const result of results) expect(result).toEqual(results[0]);
  });

  test('of a batch are the mean of the steps of its images', () =>
    withModel({ blocks: 2 }, async (model, { layout }) => {
      const adapter = randomAdapter(layout, 'mean');
      const { images, targets } = randomBatch(3, 3, 'mean');
      const whole = await model.step({ count: 3, images, targets }, adapter, 'all');
      const mean = new Float64Array(layout.size);
      let loss = 0;
      for (let b = 0; b < 3; b++) {
        const one = await model.step(
          {
            count: 1,
            images: images.slice(b * imageNumbers, (b + 1) * imageNumbers),
            targets: targets.slice(3 * b, 3 * b + 3),
          },
          adapter,
          'all',
        );
        loss += one.loss / 3;
        one.gradients.forEach((value, index) => (mean[index] = (mean[index] ?? 0) + value / 3));
      }
      expect(whole.loss).toBeCloseTo(loss, 5);
      expect(largestDifference(whole.gradients, mean)).toBeLessThan(1e-5);
    }));

  test('of more images than fit at once are run in parts that add up to the whole, the same bytes twice', () =>
    withTemporaryDirectory(async (cacheDirectory) => {
      const { backbone, specification, layout } = await smallModel({ blocks: 2 });
      const adapter = randomAdapter(layout, 'parts');
      const batch = { ...randomBatch(5, 3, 'parts'), weights: Float32Array.of(1, 2, 0, 3, 1) };
      const stepWith = async (memoryBytes: number): Promise<StepResult> => {
        const engine = await createOnnxEngine({ threads: 2, cacheDirectory, memoryBytes });
        const model = await engine.load(backbone, specification);
        const result = await model.step(batch, adapter, 'all');
        await model.dispose();
        return result;
      };
      const weightsBytes = [...backbone.tensors.values()].reduce((sum, at) => sum + at.length, 0);
      const { fixedBytes, imageBytes } = stepMemory(backbone.configuration, weightsBytes);
      const whole = await stepWith(2 * fixedBytes + 100 * imageBytes);
      const parts = await stepWith(2 * fixedBytes + 5 * imageBytes); // two at once
      expect(parts).toEqual(await stepWith(2 * fixedBytes + 5 * imageBytes));
      expect(parts).not.toEqual(whole);
      expect(parts.loss).toBeCloseTo(whole.loss, 5);
      expect(largestDifference(parts.gradients, whole.gradients)).toBeLessThan(1e-5);
      await expect(stepWith(fixedBytes)).rejects.toMatchObject({ code: 'ENGINE_UNAVAILABLE' });
    }));

  test('asked for at once run one after the other', () =>
    withModel({ blocks: 1 }, async (model, { layout }) => {
      const batch = randomBatch(2, 3, 'queue');
      const adapters = ['a', 'b', 'c'].map((seed) => randomAdapter(layout, seed));
      const together = await Promise.all(
        adapters.map((values) => model.step(batch, values, 'all')),
      );
      for (const [index, values] of adapters.entries()) {
        expect(await model.step(batch, values, 'all')).toEqual(together[index]);
      }
    }));

  test('of a linear probe take kept features for what they are, whatever came between', () =>
    withModel({ blocks: 1 }, async (model, { layout }) => {
      const [batch, others] = [randomBatch(3, 3, 'probe'), randomBatch(2, 3, 'others')];
      const adapter = randomAdapter(layout, 'probe');
      const before = await model.predict(batch.images, 3, adapter);
      const first = await model.step(batch, adapter, 'head');
      await model.step(others, adapter, 'head');
      expect(await model.step(batch, adapter, 'head')).toEqual(first);
      const after = await model.predict(batch.images, 3, adapter);
      expect(largestDifference(after, before)).toBeLessThan(1e-6);
      const moved = adapter.slice();
      moved[0] = (moved[0] ?? 0) + 0.5; // of A: other features
      const other = await model.step(batch, moved, 'head');
      expect(largestDifference(other.gradients, first.gradients)).toBeGreaterThan(1e-5);
      expect(await model.step(batch, adapter, 'head')).toEqual(first);
    }));

  test('go on after a call that was refused', () =>
    withModel({ blocks: 1 }, async (model, { layout }) => {
      const adapter = randomAdapter(layout, 'refused');
      const batch = randomBatch(2, 3, 'refused');
      const wrong = { code: 'UPDATE_SHAPE_MISMATCH' };
      await expect(model.step({ ...batch, count: 3 }, adapter, 'all')).rejects.toMatchObject(wrong);
      await expect(
        model.step({ ...batch, targets: new Float32Array(5) }, adapter, 'all'),
      ).rejects.toMatchObject(wrong);
      await expect(model.step(batch, adapter.slice(1), 'head')).rejects.toMatchObject(wrong);
      await expect(model.predict(batch.images, 0, adapter)).rejects.toThrow(RangeError);
      expect((await model.step(batch, adapter, 'all')).loss).toBeGreaterThan(0);
    }));

  test('are refused once the model is disposed of, and disposing twice does nothing', () =>
    withModel({ blocks: 1 }, async (model, { layout }) => {
      const adapter = randomAdapter(layout, 'disposed');
      await model.dispose();
      await model.dispose();
      await expect(model.step(randomBatch(1, 3, 'x'), adapter, 'all')).rejects.toMatchObject({
        code: 'INTERNAL',
      });
    }));
});

describe('loading', () => {
  test.each([
    ['width', { dimension: 96, blocks: 3 }],
    ['depth', { dimension: 48, blocks: 2 }],
  ])('refuses a specification of another %s', (_name, size) =>
    withTemporaryDirectory(async (cacheDirectory) => {
      const { backbone } = await smallModel();
      const specification = adapterSpecification({
        rank: 4,
        alpha: 4,
        classes: ['a', 'b'],
        ...size,
      });
      const engine = await startEngine(cacheDirectory);
      await expect(engine.load(backbone, specification)).rejects.toMatchObject({
        code: 'ADAPTER_SPEC_INVALID',
      });
    }),
  );

  test('says what it is', () =>
    withTemporaryDirectory(async (cacheDirectory) => {
      expect(await startEngine(cacheDirectory)).toMatchObject({
        name: 'onnx',
        device: 'cpu',
        library: expect.stringMatching(/^onnxruntime-node \d+\.\d+\.\d+$/),
      });
    }));

  test('shares the cores among trainers, one thread at least', () => {
    expect(defaultThreads(1)).toBeGreaterThanOrEqual(defaultThreads(2));
    expect(defaultThreads(256)).toBe(1);
    expect(() => defaultThreads(0)).toThrow(RangeError);
  });
});

describe('the cache of weights', () => {
  /** Predict with a backbone of a folder through a cache. */
  async function predictFrom(directory: string, cacheDirectory: string): Promise<Float32Array> {
    const { specification, layout } = await smallModel();
    const backbone = await loadBackbone(directory);
    const model = await (await startEngine(cacheDirectory)).load(backbone, specification);
    const { images } = randomBatch(1, 3, 'cache');
    const logits = await model.predict(images, 1, randomAdapter(layout, 'cache'));
    await model.dispose();
    await backbone.close();
    return logits;
  }
  const cachedWeights = async (cacheDirectory: string): Promise<string> => {
    const [digest = ''] = await readdir(cacheDirectory);
    return join(cacheDirectory, digest, 'model.safetensors');
  };

  test('links a float32 file and copies nothing', () =>
    withTemporaryDirectory(async (root) => {
      const directory = await writeBackbone(join(root, 'vit'), await smallModel());
      const cache = join(root, 'cache');
      await predictFrom(directory, cache);
      const [linked, original] = await Promise.all([
        stat(await cachedWeights(cache)),
        stat(join(directory, 'model.safetensors')),
      ]);
      expect(linked.ino).toBe(original.ino);
    }));

  test('follows a symbolic link to the file itself', () =>
    withTemporaryDirectory(async (root) => {
      const small = await smallModel();
      const directory = await writeBackbone(join(root, 'vit'), small);
      await rename(join(directory, 'model.safetensors'), join(root, 'blob'));
      await symlink(join(root, 'blob'), join(directory, 'model.safetensors'));
      await predictFrom(directory, join(root, 'cache'));
      expect((await stat(await cachedWeights(join(root, 'cache')))).ino).toBe(
        (await stat(join(root, 'blob'))).ino,
      );
    }));

  test('replaces a cached file that no longer has the bytes of its name', () =>
    withTemporaryDirectory(async (root) => {
      const directory = await writeBackbone(join(root, 'vit'), await smallModel());
      const cache = join(root, 'cache');
      const expected = await predictFrom(directory, cache);
      const cached = await cachedWeights(cache);
      const damaged = Buffer.from(await readFile(cached)).fill(0, 6000);
      await writeFile(`${cached}.new`, damaged);
      await rename(`${cached}.new`, cached);
      expect(await predictFrom(directory, cache)).toEqual(expected);
    }));

  test('serves several trainers that start at once, and leaves no temporary file', () =>
    withTemporaryDirectory(async (root) => {
      const directory = await writeBackbone(join(root, 'vit'), await smallModel());
      const cache = join(root, 'cache');
      const logits = await Promise.all([1, 2, 3].map(() => predictFrom(directory, cache)));
      expect(logits[1]).toEqual(logits[0]);
      expect(logits[2]).toEqual(logits[0]);
      const files = await readdir(join(await cachedWeights(cache), '..'));
      expect(files.filter((name) => name.endsWith('.tmp'))).toEqual([]);
    }));

  test('gives the same numbers for a file, for bytes in memory, and for a header of any length', () =>
    withTemporaryDirectory(async (root) => {
      const small = await smallModel();
      const expected = await predictFrom(
        await writeBackbone(join(root, 'vit'), small),
        join(root, 'cache'),
      );
      for (const extra of [1, 2, 3, 4]) {
        // A longer header: numbers lie at odd places, or at multiples of four that are none of eight.
        const bytes = lengthenHeader(small.bytes, extra);
        const odd = await writeBackbone(join(root, `odd-${extra}`), { ...small, bytes });
        expect(await predictFrom(odd, join(root, `cache-${extra}`))).toEqual(expected);
      }
      await withModel({}, async (model, { layout }) => {
        const { images } = randomBatch(1, 3, 'cache');
        const logits = await model.predict(images, 1, randomAdapter(layout, 'cache'));
        expect(logits).toEqual(expected);
      });
    }));

  test('says which folder it cannot write', () =>
    withTemporaryDirectory(async (root) => {
      const { backbone, specification } = await smallModel({ blocks: 1 });
      const file = join(root, 'a-file');
      await writeFile(file, '');
      const engine = await startEngine(join(file, 'cache'));
      await expect(engine.load(backbone, specification)).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: expect.stringContaining(file),
      });
    }));
});

/** Put spaces behind a safetensors header, as the format allows. */
function lengthenHeader(bytes: Uint8Array, extra: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const longer = new Uint8Array(bytes.length + extra).fill(0x20);
  longer.set(bytes.subarray(0, 8 + length));
  longer.set(bytes.subarray(8 + length), 8 + length + extra);
  new DataView(longer.buffer).setBigUint64(0, BigInt(length + extra), true);
  return longer;
}

test('importing the engine loads no onnxruntime', async () => {
  const source = await readFile(new URL('./index.ts', import.meta.url), 'utf8');
  const create = await readFile(new URL('./create.ts', import.meta.url), 'utf8');
  const staticImports = `${source}${create}`
    .split('\n')
    .filter((line) => /^(?:import|export) .*from/.test(line));
  expect(staticImports.filter((line) => line.includes('onnx'))).toEqual([]);
});
