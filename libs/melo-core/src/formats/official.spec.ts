/** Adapters of the official MeLo code: there and back, names, whole-number scales, blocks, and what is refused. */
import fc from 'fast-check';
import {
  decodeSafetensors,
  encodeAdapterFile,
  encodeSafetensorsBytes,
  tensorView,
  type SafetensorsTensor,
} from '#core/adapter';
import {
  convertToNative,
  decodeOfficial,
  encodeOfficial,
  officialFileName,
  readOfficialFileName,
  recogniseFormat,
} from './index.ts';
import { nativeAdapter, nativeOptions } from './testing/index.ts';

const library = 'melo-federation 0.1.0';
const plain = encodeOfficial(nativeAdapter({ rank: 4, alpha: 8, isBiasZero: true }), {
  isHeadBiasDropped: false,
});
const unsupported = (what: string): unknown =>
  expect.objectContaining({
    code: 'ADAPTER_UNSUPPORTED',
    message: expect.stringContaining(what),
  });
const refusal = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return 'nothing was refused';
};

function changedBytes(change: (tensors: Map<string, SafetensorsTensor>) => void): Uint8Array {
  const tensors = new Map(decodeSafetensors(plain.bytes).tensors);
  change(tensors);
  const list = [...tensors].map(([name, tensor]) => ({ name, ...tensor }));
  return encodeSafetensorsBytes({ tensors: list, metadata: {} });
}

describe('a native adapter', () => {
  test('goes to the official format and comes back with the same function', () => {
    fc.assert(
      fc.property(nativeOptions, (options) => {
        const native = nativeAdapter(options);
        const { bytes, fileName } = encodeOfficial(native, { isHeadBiasDropped: true });
        const foreign = decodeOfficial({ bytes, fileName });
        const back = convertToNative(foreign, { library });
        const isExact = Number.isInteger(native.specification.scale) && options.isBiasZero === true;
        expect(back.isRestored).toBe(isExact);
        if (isExact) {
          expect(Buffer.from(back.bytes).equals(encodeAdapterFile(native))).toBe(true);
          return;
        }
        const { scale } = native.specification;
        const folded = Number.isInteger(scale) ? 1 : scale;
        for (const { name } of native.layout.tensors.filter((one) => one.name.includes('lora_'))) {
          const before = tensorView(native.layout, native.values, name);
          const factor = name.endsWith('.lora_B') ? folded : 1;
          const after = before.map((value) => factor * value); // rounded once
          expect(tensorView(foreign.layout, foreign.values, name)).toEqual(after);
        }
        expect(foreign.specification.scale).toBe(scale / folded);
        const weight = tensorView(foreign.layout, foreign.values, 'head.weight');
        expect(weight).toEqual(tensorView(native.layout, native.values, 'head.weight'));
      }),
      { numRuns: 60 },
    );
  });

  test('has the names, shapes and the file name that the official code reads', () => {
    const file = decodeSafetensors(plain.bytes);
    expect(file.tensors.get('w_a_003')?.shape).toEqual([4, 6]);
    expect(file.tensors.get('w_b_000')?.shape).toEqual([6, 4]);
    expect(file.tensors.get('fc_6in_3out')?.shape).toEqual([3, 6]);
    expect(file.tensors.size).toBe(9);
    expect(plain.fileName).toBe('chest_base_lora_4_8.safetensors');
    expect(plain.notes).toEqual([]);
    expect(recogniseFormat(plain.bytes)).toBe('official');
  });

  test('whose scale is no whole number gets it folded into B, and says so', () => {
    const native = nativeAdapter({ rank: 4, alpha: 6, isBiasZero: true });
    const { bytes, fileName, notes } = encodeOfficial(native, { isHeadBiasDropped: false });
    expect(notes).toEqual([expect.stringContaining('1.5')]);
    expect(fileName).toBe('chest_base_lora_4_4.safetensors');
    const foreign = decodeOfficial({ bytes, fileName });
    const ours = tensorView(native.layout, native.values, 'blocks.1.attn.v.lora_B');
    const theirs = tensorView(foreign.layout, foreign.values, 'blocks.1.attn.v.lora_B');
    expect(theirs).toEqual(ours.map((value) => 1.5 * value));
    expect(foreign.specification.scale).toBe(1);
  });

  test('whose head reads the mean of the tokens is refused', () => {
    const native = nativeAdapter({ pooling: 'mean', isBiasZero: true });
    expect(refusal(() => encodeOfficial(native, { isHeadBiasDropped: false }))).toEqual(
      unsupported('mean of the tokens'),
    );
  });

  test('with a bias of the head is refused, and written without it on demand', () => {
    const native = nativeAdapter();
    expect(refusal(() => encodeOfficial(native, { isHeadBiasDropped: false }))).toEqual(
      unsupported('bias of the head'),
    );
    const { bytes, fileName, notes } = encodeOfficial(native, { isHeadBiasDropped: true });
    expect(notes.join()).toContain('NOT in the file');
    const foreign = decodeOfficial({ bytes, fileName });
    expect(tensorView(foreign.layout, foreign.values, 'head.bias')).toEqual(new Float32Array(3));
    expect(foreign.notes.join()).toContain('zeros');
  });
});

describe('a name', () => {
  test.each([
    ['xray_base_lora_4_8.safetensors', { rank: 4, alpha: 8 }],
    ['chest_xray_base_lora_4_8.safetensors', { rank: 4, alpha: 8 }],
    ['base_chest_lora_4_8_2.safetensors', { rank: 4, alpha: 8, classes: 2 }],
    ['base1_chest_x_16_32_14.safetensors', { rank: 16, alpha: 32, classes: 14 }],
    ['melo.safetensors', null],
    ['base_lora_four_8.safetensors', null],
  ])('%s is read', (name, expected) => {
    expect(readOfficialFileName(name)).toEqual(expected);
  });

  test('that is written is read again', () => {
    const name = officialFileName({ task: 'a-b', rank: 3, alpha: 9 });
    expect(readOfficialFileName(name)).toEqual({ rank: 3, alpha: 9 });
  });

  test.each([
    ['another rank', 'x_base_lora_8_8.safetensors', 'rank 8'],
    ['other classes', 'base_x_lora_4_8_2.safetensors', '2 classes'],
  ])('that says %s than the tensors is refused', (_what, fileName, said) => {
    expect(refusal(() => decodeOfficial({ ...plain, fileName }))).toMatchObject({
      code: 'ADAPTER_INVALID',
      message: expect.stringContaining(said),
    });
  });
});

describe('the scale', () => {
  const decode = (fileName: string, alpha?: number) =>
    decodeOfficial({ bytes: plain.bytes, fileName, alpha });

  test('is alpha // r, with a note where that leaves a rest', () => {
    expect(decode('x_base_lora_4_12.safetensors').specification.scale).toBe(3);
    const { specification, notes } = decode('x_base_lora_4_11.safetensors');
    expect(specification).toMatchObject({ scale: 2, alpha: 8 });
    expect(notes.join()).toContain('11 // 4 = 2');
  });

  test('is 1 with a note where nothing says it, and what the command says otherwise', () => {
    const { specification, notes } = decode('melo.safetensors');
    expect(specification.scale).toBe(1);
    expect(notes.join()).toContain('scale of 1');
    expect(decode('melo.safetensors', 16).specification.scale).toBe(4);
  });

  test('of zero is refused', () => {
    expect(refusal(() => decode('x_base_lora_4_3.safetensors'))).toEqual(unsupported('is 0'));
  });
});

describe('a subset of the blocks', () => {
  const { bytes, fileName } = plain; // two pairs of matrices

  test('is refused where the backbone has more and none are named', () => {
    expect(refusal(() => decodeOfficial({ bytes, fileName, blocks: 4 }))).toEqual(
      unsupported('2 of 4 blocks'),
    );
  });

  test('goes to the blocks that are named', () => {
    const adaptedBlocks = [1, 3];
    const foreign = decodeOfficial({ bytes, fileName, blocks: 4, adaptedBlocks });
    const dense = decodeOfficial({ bytes, fileName });
    const view = (adapter: typeof dense, name: string) =>
      tensorView(adapter.layout, adapter.values, name);
    expect(view(foreign, 'blocks.3.attn.v.lora_B')).toEqual(view(dense, 'blocks.1.attn.v.lora_B'));
    expect(view(foreign, 'blocks.0.attn.q.lora_B').every((value) => value === 0)).toBe(true);
    expect(foreign.notes.join()).toContain('2 of 4 blocks');
  });

  test.each([[[1]], [[1, 4]], [[3, 1]], [[1, 1]], [[-1, 2]], [[0.5, 2]]])(
    'at %p of 4 is refused',
    (adaptedBlocks) => {
      const run = () => decodeOfficial({ bytes, fileName, blocks: 4, adaptedBlocks });
      expect(refusal(run)).toEqual(unsupported('ascending'));
    },
  );
});

describe('refused', () => {
  const tensor = { dtype: 'F32' as const, shape: [1, 1], data: new Uint8Array(4) };
  test.each([
    ['an unknown tensor', 'proj_3d', 'proj_3d'],
    ['a second head', 'fc_9in_9out', 'fc_9in_9out'],
    ['a query without value', 'w_a_004', 'in twos'],
  ])('%s', (_what, name, said) => {
    const bytes = changedBytes((tensors) => void tensors.set(name, tensor));
    expect(refusal(() => decodeOfficial({ bytes, fileName: 'x' }))).toEqual(unsupported(said));
  });

  test.each([
    ['a matrix that is missing', 'w_b_001', 'TENSOR_MISSING'],
    ['a head that is missing', 'fc_6in_3out', 'ADAPTER_UNSUPPORTED'],
  ])('%s', (_what, name, code) => {
    const bytes = changedBytes((tensors) => void tensors.delete(name));
    expect(refusal(() => decodeOfficial({ bytes, fileName: 'x' }))).toMatchObject({ code });
  });

  test('a head whose name says another shape', () => {
    const bytes = changedBytes((tensors) => {
      const head = tensors.get('fc_6in_3out') ?? tensor;
      tensors.delete('fc_6in_3out');
      tensors.set('fc_3in_6out', head);
    });
    expect(refusal(() => decodeOfficial({ bytes, fileName: 'x' }))).toMatchObject({
      code: 'TENSOR_SHAPE_MISMATCH',
    });
  });

  test('an adapter with a single output', () => {
    const bytes = changedBytes((tensors) => {
      tensors.delete('fc_6in_3out');
      tensors.set('fc_6in_1out', { dtype: 'F32', shape: [1, 6], data: new Uint8Array(24) });
    });
    expect(refusal(() => decodeOfficial({ bytes, fileName: 'x' }))).toEqual(
      unsupported('2 to 64 classes'),
    );
  });
});
