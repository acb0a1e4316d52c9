/** Our codec and Python's own safetensors read each other's files, bit by bit. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import {
  adapterCard,
  adapterDigest,
  adapterLayout,
  decodeAdapterFile,
  decodeFloats,
  decodeSafetensors,
  encodeAdapterFile,
  encodeSafetensors,
  encodeUpdate,
  initialAdapter,
  specificationOf,
} from '#core/adapter';
import { type BackboneConfiguration, randomBackboneFile } from '#core/backbone';
import { taskDefinitionSchema } from '#core/protocol';
import {
  fingerprintPlaceholder,
  taskExample,
} from '../../apps/coordinator/src/admin/task-example.ts';
import { runPython, sharedFolder } from './python.ts';

const expectedSchema = z.record(
  z.string(),
  z.strictObject({ shape: z.array(z.number()), hex: z.string() }),
);
const readSchema = z.strictObject({
  metadata: z.record(z.string(), z.string()),
  tensors: z.record(
    z.string(),
    z.strictObject({ dtype: z.string(), shape: z.array(z.number()), sha256: z.string() }),
  ),
  blake2b256: z.string(),
});

const folder = mkdtempSync(path.join(tmpdir(), 'melo-interop-'));
afterAll(() => rmSync(folder, { recursive: true }));

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

function readInPython(file: string): z.infer<typeof readSchema> {
  return readSchema.parse(JSON.parse(runPython('read_safetensors.py', file)));
}

function writeAndReadInPython(name: string, bytes: Uint8Array): z.infer<typeof readSchema> {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return readInPython(file);
}

describe('what Python wrote', () => {
  beforeAll(() => runPython('write_safetensors.py', folder));

  test.each([
    ['float32', 'F32'],
    ['float16', 'F16'],
    ['bfloat16', 'BF16'],
  ])('in %s reads as the very same float32 numbers', (name, dtype) => {
    const file = decodeSafetensors(readFileSync(path.join(folder, `${name}.safetensors`)));
    const expected = expectedSchema.parse(
      JSON.parse(readFileSync(path.join(folder, `${name}.json`), 'utf8')),
    );
    expect([...file.tensors.keys()].sort()).toEqual(Object.keys(expected).sort());
    expect(file.metadata).toEqual({ format: 'pt', note: 'ünïcode' });
    for (const [tensorName, { shape, hex }] of Object.entries(expected)) {
      const tensor = file.tensors.get(tensorName);
      expect(tensor?.dtype).toBe(dtype);
      expect(tensor?.shape).toEqual(shape);
      const values = decodeFloats(tensor?.data ?? new Uint8Array(1), dtype);
      expect(Buffer.from(bytesOf(values)).toString('hex')).toBe(hex);
    }
  });
});

describe('what we wrote', () => {
  const definition = taskDefinitionSchema.parse(
    parse(taskExample().replace(fingerprintPlaceholder, 'ab'.repeat(32))),
  );
  const specification = specificationOf(definition);
  const layout = adapterLayout(specification);

  test('as an adapter file, Python reads with every tensor, its card and its digest', () => {
    const values = initialAdapter(specification, definition.publicSeed);
    const software = { library: 'melo-federation 0.1.0', engine: 'none' };
    const lineage = { version: 0, parentDigest: null, round: null, members: [] };
    const card = adapterCard({ definition, software, ...lineage });
    const bytes = encodeAdapterFile({ specification, values, card });
    const read = writeAndReadInPython('adapter.safetensors', bytes);

    expect(Object.keys(read.tensors).sort()).toEqual(layout.tensors.map(({ name }) => name).sort());
    for (const { name, shape, offset, size } of layout.tensors) {
      expect(read.tensors[name]).toEqual({
        dtype: 'float32',
        shape: [...shape],
        sha256: sha256(bytesOf(values.subarray(offset, offset + size))),
      });
    }
    expect(read.blake2b256).toBe(adapterDigest(bytes));
    expect(JSON.parse(read.metadata['card'] ?? '')).toEqual(decodeAdapterFile(bytes).card);
  });

  test('as an update of the head alone, Python reads with exactly the trained tensors', () => {
    const trainedTensors = ['head.bias', 'head.weight'];
    const delta = new Float32Array(layout.size);
    for (const { name, offset, size } of layout.tensors) {
      if (trainedTensors.includes(name)) delta.fill(0.25, offset, offset + size);
    }
    const read = writeAndReadInPython(
      'update.safetensors',
      encodeUpdate({ layout, trainedTensors, delta }),
    );
    expect(Object.keys(read.tensors).sort()).toEqual(trainedTensors);
  });

  test('as a backbone in half precision, Python reads with its own shapes', () => {
    const configuration: BackboneConfiguration = {
      ...{ dimension: 12, heads: 3, blocks: 1, mlpDimension: 24, patchSize: 8, imageSize: 16 },
      ...{ channels: 3, activation: 'gelu', pooling: 'cls', layerNormEpsilon: 1e-6 },
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    };
    const spelling = 'timm' as const;
    const { bytes } = randomBackboneFile({
      configuration,
      seed: 'interop',
      spelling,
      dtype: 'F16',
    });
    const read = writeAndReadInPython('backbone.safetensors', bytes);
    const ours = decodeSafetensors(bytes);
    for (const [name, { shape, data }] of ours.tensors) {
      expect(read.tensors[name]).toEqual({ dtype: 'float16', shape, sha256: sha256(data) });
    }
    expect(Object.keys(read.tensors)).toHaveLength(ours.tensors.size);
  });

  test('with one byte changed is seen by the same comparison', () => {
    const tensors = [{ name: 'x', shape: [2], values: Float32Array.from([1, 2]) }];
    const bytes = encodeSafetensors({ tensors, metadata: {} });
    const before = writeAndReadInPython('one.safetensors', bytes);
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
    const after = writeAndReadInPython('other.safetensors', bytes);
    expect(after.tensors['x']?.sha256).not.toBe(before.tensors['x']?.sha256);
    expect(after.blake2b256).not.toBe(before.blake2b256);
  });
});

test("the real ViT-Tiny holds the same tensors to Python's eye and ours", () => {
  const file = path.join(sharedFolder(), 'backbones/vit_tiny_patch16_224/model.safetensors');
  const ours = decodeSafetensors(readFileSync(file));
  const read = readInPython(file);
  expect(Object.keys(read.tensors).sort()).toEqual([...ours.tensors.keys()].sort());
  for (const [name, { shape, data }] of ours.tensors) {
    expect(read.tensors[name]).toEqual({ dtype: 'float32', shape, sha256: sha256(data) });
  }
});
