/** Small models that timm and transformers wrote, with what those libraries compute: see test/fixtures/families/README.md. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  adapterLayout,
  adapterSpecification,
  decodeFloats,
  decodeSafetensors,
  tensorView,
} from '#core/adapter';
import { describeArchitecture, fingerprintBackbone } from '#core/backbone';
import { loadBackbone } from './files.ts';
import { createOnnxEngine } from './onnx/index.ts';
import { startOn } from './testing/tfjs-support.ts';
import type { TrainingEngine } from './types.ts';

const fixtures = resolve('test/fixtures/families');
const names = readdirSync(fixtures, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

let onnx: TrainingEngine;
let cacheDirectory: string;
beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'melo-goldens-'));
  onnx = await createOnnxEngine({ threads: 2, cacheDirectory });
});
afterAll(() => rm(cacheDirectory, { recursive: true, force: true }));

/** What each family is, in words: an option that is not read shows here. */
const described: Readonly<Record<string, readonly string[]>> = {
  'timm-deit-distilled': ['a distillation token'],
  'transformers-deit': ['a distillation token'],
  'timm-deit3': ['layer scale', 'positions of patches alone'],
  'timm-dinov2': ['layer scale'],
  'transformers-dinov2': ['layer scale'],
  'timm-dinov2-registers': ['4 registers', 'layer scale', 'positions of patches alone'],
  'transformers-dinov2-registers': ['4 registers', 'layer scale'],
  'timm-dinov3': ['4 registers', 'layer scale', 'rotary positions', 'no bias at q, k, v'],
  'timm-dinov3-qkvb': ['4 registers', 'layer scale', 'rotary positions', 'no bias at k'],
  'transformers-dinov3': ['4 registers', 'layer scale', 'rotary positions', 'no bias at k'],
  'timm-clip-quickgelu': ['a norm before the blocks', 'quick GELU', 'no bias at patch_embed'],
  'transformers-clip': ['a norm before the blocks', 'quick GELU', 'no bias at patch_embed'],
};

async function expectedOf(
  name: string,
): Promise<(tensor: string) => { shape: readonly number[]; values: Float32Array }> {
  const { tensors } = decodeSafetensors(
    new Uint8Array(await readFile(join(fixtures, name, 'expected.safetensors'))),
  );
  return (tensor) => {
    const found = tensors.get(tensor);
    if (found === undefined) throw new Error(`${name}: no ${tensor}`);
    return { shape: found.shape, values: decodeFloats(found.data, found.dtype) };
  };
}

test('every family has its fixture, and all of them are small', async () => {
  expect([...names].sort()).toEqual(Object.keys(described).sort());
  let bytes = 0;
  for (const name of names) {
    for (const file of await readdir(join(fixtures, name))) {
      bytes += (await readFile(join(fixtures, name, file))).length;
    }
  }
  expect(bytes).toBeLessThan(300_000);
});

test.each(names)('%s: the logits that its own library computes, in both engines', async (name) => {
  const expected = await expectedOf(name);
  const { values: images, shape } = expected('images');
  const count = shape[0] ?? 0;
  const backbone = await loadBackbone(join(fixtures, name));
  expect(describeArchitecture(backbone.configuration).features).toEqual(described[name]);
  const { dimension, blocks } = backbone.configuration;
  const specification = adapterSpecification({
    ...{ rank: 2, alpha: 2, classes: ['a', 'b', 'c'], dimension, blocks },
  });
  const layout = adapterLayout(specification);
  const adapter = new Float32Array(layout.size); // A and B zero: the backbone as it is
  tensorView(layout, adapter, 'head.weight').set(expected('weight').values);
  tensorView(layout, adapter, 'head.bias').set(expected('bias').values);
  const logits = expected('logits').values;
  for (const engine of [onnx, await startOn('wasm')]) {
    const model = await engine.load(backbone, specification);
    const ours = await model.predict(images, count, adapter);
    await model.dispose();
    const largest = Math.max(...ours.map((value, index) => Math.abs(value - (logits[index] ?? 0))));
    expect(largest).toBeLessThan(1e-4);
  }
  await backbone.close();
});

test('each has a fingerprint of its own', async () => {
  const seen = new Set<string>();
  for (const name of names) {
    const backbone = await loadBackbone(join(fixtures, name));
    seen.add(await fingerprintBackbone(backbone));
    await backbone.close();
  }
  expect(seen.size).toBe(names.length);
});
