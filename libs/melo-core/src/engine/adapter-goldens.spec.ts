/** Adapters that PEFT and the official layout made give here the logits that PyTorch gave: test/fixtures/adapters. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeFloats, decodeSafetensors } from '#core/adapter';
import { decodeOfficial, decodePeft, type ForeignAdapter } from '#core/formats';
import { createEngine } from './create.ts';
import { loadBackbone } from './files.ts';

const fixtures = join(import.meta.dirname, '../../../../test/fixtures/adapters');
const cacheDirectory = mkdtempSync(join(tmpdir(), 'melo-goldens-'));
afterAll(() => rmSync(cacheDirectory, { recursive: true, force: true }));

const read = (...parts: string[]): Uint8Array =>
  new Uint8Array(readFileSync(join(fixtures, ...parts)));

function expected(name: string): Float32Array {
  const tensor = decodeSafetensors(read('expected.safetensors')).tensors.get(name);
  if (tensor === undefined) throw new Error(`expected.safetensors: expected ${name}`);
  return decodeFloats(tensor.data, tensor.dtype);
}

function readPeft(folder: string): ForeignAdapter {
  const config: unknown = JSON.parse(
    readFileSync(join(fixtures, folder, 'adapter_config.json'), 'utf8'),
  );
  return decodePeft({ bytes: read(folder, 'adapter_model.safetensors'), config });
}

function readOfficial(): ForeignAdapter {
  const [fileName = ''] = readdirSync(join(fixtures, 'official'));
  return decodeOfficial({ bytes: read('official', fileName), fileName });
}

async function logitsOf(
  { specification, values }: ForeignAdapter,
  engineName: 'onnx' | 'tfjs',
): Promise<Float32Array> {
  const backbone = await loadBackbone(join(fixtures, 'backbone'));
  try {
    const engine = await createEngine({
      engine: engineName,
      device: 'cpu',
      threads: 1,
      cacheDirectory,
    });
    const model = await engine.load(backbone, specification);
    try {
      return await model.predict(expected('images'), 2, values);
    } finally {
      await model.dispose();
    }
  } finally {
    await backbone.close();
  }
}

describe.each([
  ['peft', () => readPeft('peft'), 1.5],
  ['peft-rslora', () => readPeft('peft-rslora'), 3],
  ['official', readOfficial, 2],
] as const)('the adapter of %s', (name, make, scale) => {
  test.each(['onnx', 'tfjs'] as const)(
    'has PyTorch logits in engine %s, to 1e-4',
    async (engine) => {
      const adapter = make();
      expect(adapter.specification.scale).toBe(scale);
      const actual = await logitsOf(adapter, engine);
      const target = expected(name);
      expect(actual).toHaveLength(target.length);
      for (const [index, logit] of actual.entries()) {
        expect(Math.abs(logit - (target[index] ?? Number.NaN))).toBeLessThan(1e-4);
      }
    },
  );
});

test('another scale would be seen', async () => {
  const adapter = readPeft('peft');
  const { specification } = adapter;
  const changed = { ...adapter, specification: { ...specification, alpha: 5, scale: 1.25 } };
  const actual = await logitsOf(changed, 'onnx');
  expect(Math.abs((actual[0] ?? 0) - (expected('peft')[0] ?? 0))).toBeGreaterThan(1e-3);
});
