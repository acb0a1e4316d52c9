/** Adapters of Hugging Face PEFT: there and back, and everything that is refused by name. */
import fc from 'fast-check';
import {
  decodeFloats,
  decodeSafetensors,
  encodeAdapterFile,
  encodeSafetensorsBytes,
  tensorView,
  type SafetensorsTensor,
} from '#core/adapter';
import { convertToNative, decodePeft, encodePeft, type PeftFiles } from './index.ts';
import { nativeAdapter, nativeOptions } from './testing/index.ts';

const library = 'melo-federation 0.1.0';
const names = 'transformers-5' as const;

/** Change the tensors and the configuration of a PEFT adapter; metadata is left out, as PEFT itself writes none of ours. */
function changed(
  { bytes, config }: PeftFiles,
  change: {
    readonly tensors?: (tensors: Map<string, SafetensorsTensor>) => void;
    readonly config?: Readonly<Record<string, unknown>>;
  },
): { readonly bytes: Uint8Array; readonly config: unknown } {
  const tensors = new Map(decodeSafetensors(bytes).tensors);
  change.tensors?.(tensors);
  const list = [...tensors].map(([name, tensor]) => ({ name, ...tensor }));
  return {
    bytes: encodeSafetensorsBytes({ tensors: list, metadata: { format: 'pt' } }),
    config: { ...config, ...change.config },
  };
}

const small = encodePeft(nativeAdapter(), { names });
const firstA = 'base_model.model.vit.layers.0.attention.q_proj.lora_A.weight';
const decode = (change: Parameters<typeof changed>[1], blocks?: number) =>
  decodePeft({ ...changed(small, change), blocks });
const refusal = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return 'nothing was refused';
};
const unsupported = (what: string): unknown =>
  expect.objectContaining({
    code: 'ADAPTER_UNSUPPORTED',
    message: expect.stringContaining(what),
  });

describe('a native adapter', () => {
  test.each(['transformers-4', 'transformers-5'] as const)(
    'goes to PEFT in the words of %s and comes back as the very same file',
    (words) => {
      fc.assert(
        fc.property(nativeOptions, fc.constantFrom('vit', 'backbone', ''), (options, model) => {
          const native = nativeAdapter(options);
          const foreign = decodePeft({ ...encodePeft(native, { names: words, model }), model });
          expect(foreign.values).toEqual(native.values);
          expect(foreign.specification.scale).toBe(native.specification.scale);
          const back = convertToNative(foreign, { library });
          expect(back.isRestored).toBe(true);
          expect(Buffer.from(back.bytes).equals(encodeAdapterFile(native))).toBe(true);
        }),
        { numRuns: 40 },
      );
    },
  );

  test('has the names, shapes and fields that PEFT loads', () => {
    const file = decodeSafetensors(small.bytes);
    expect(file.tensors.get(firstA)?.shape).toEqual([2, 6]);
    expect(
      file.tensors.get('base_model.model.vit.layers.1.attention.v_proj.lora_B.weight')?.shape,
    ).toEqual([6, 2]);
    expect(file.tensors.get('base_model.model.classifier.bias')?.shape).toEqual([3]);
    expect(file.tensors.size).toBe(10);
    expect(small.config).toMatchObject({
      ...{ peft_type: 'LORA', r: 2, lora_alpha: 3, target_modules: ['q_proj', 'v_proj'] },
      ...{ modules_to_save: ['classifier'], bias: 'none' },
    });
    const old = decodeSafetensors(encodePeft(nativeAdapter(), { names: 'transformers-4' }).bytes);
    expect([...old.tensors.keys()]).toContain(
      'base_model.model.vit.encoder.layer.0.attention.attention.query.lora_A.weight',
    );
  });

  test('whose scale was changed on the way is not taken for the one it came from', () => {
    const foreign = decodePeft({ ...small, config: { ...small.config, lora_alpha: 6 } });
    const converted = convertToNative(foreign, { library });
    expect(converted.isRestored).toBe(false);
    expect(converted.file.card).toMatchObject({
      ...{ scale: 3, version: 0, classes: ['kind 0', 'kind 1', 'kind 2'] },
      lineage: { parentDigest: null, round: null, members: [] },
    });
    expect(converted.notes.join()).toContain('its lineage is left out');
  });

  test('whose head reads the mean of the tokens is refused', () => {
    expect(refusal(() => encodePeft(nativeAdapter({ pooling: 'mean' }), { names }))).toEqual(
      unsupported('mean of the tokens'),
    );
  });

  test.each(['a.b', 'Vit', 'x'.repeat(40)])('is not written below the attribute %s', (model) => {
    expect(() => encodePeft(nativeAdapter(), { names, model })).toThrow(RangeError);
  });
});

describe('scale', () => {
  test('is lora_alpha / r, a real number', () => {
    expect(decode({ config: { lora_alpha: 5 } }).specification.scale).toBe(2.5);
  });

  test('is lora_alpha / sqrt(r) with use_rslora', () => {
    const { specification } = decode({ config: { lora_alpha: 5, use_rslora: true } });
    expect(specification.scale).toBeCloseTo(5 / Math.sqrt(2), 12);
  });

  test('may be given again in patterns that are uniform', () => {
    const config = { rank_pattern: { q_proj: 2 }, alpha_pattern: { 'layers.0': 3 } };
    expect(decode({ config }).specification).toMatchObject({ rank: 2, alpha: 3 });
  });
});

describe('what only some blocks or matrices have', () => {
  const dropSecondBlock = (tensors: Map<string, SafetensorsTensor>): void => {
    for (const name of tensors.keys()) if (name.includes('layers.1.')) tensors.delete(name);
  };

  test('is filled with a B of zeros and an A that can be trained', () => {
    const change = { tensors: dropSecondBlock, config: { layers_to_transform: [0] } };
    const { layout, values, notes } = decode(change, 2);
    expect(tensorView(layout, values, 'blocks.1.attn.q.lora_B').every((b) => b === 0)).toBe(true);
    expect(tensorView(layout, values, 'blocks.1.attn.q.lora_A').some((a) => a !== 0)).toBe(true);
    expect(notes).toEqual([expect.stringContaining('2 of 4')]);
  });

  test('is refused where the backbone is not known', () => {
    const change = { tensors: dropSecondBlock, config: { layers_to_transform: [0] } };
    expect(refusal(() => decode(change))).toEqual(unsupported('layers_to_transform'));
  });

  test('is a damaged file where the configuration says that all have it', () => {
    expect(refusal(() => decode({ tensors: dropSecondBlock }, 2))).toMatchObject({
      code: 'TENSOR_MISSING',
    });
  });

  test('of another backbone is refused', () => {
    expect(refusal(() => decode({}, 1))).toEqual(unsupported('the backbone has 1 blocks'));
  });

  test('is query alone where the targets say so', () => {
    const tensors = (all: Map<string, SafetensorsTensor>): void => {
      for (const name of all.keys()) if (name.includes('v_proj')) all.delete(name);
    };
    const { notes } = decode({ tensors, config: { target_modules: ['q_proj'] } });
    expect(notes).toEqual([expect.stringContaining('2 of 4')]);
  });
});

describe('refused by name', () => {
  test.each([
    ['another method', { peft_type: 'ADALORA' }, 'ADALORA'],
    ['DoRA', { use_dora: true }, 'use_dora'],
    ['trained biases', { bias: 'lora_only' }, 'bias: lora_only'],
    ['a bias in B', { lora_bias: true }, 'lora_bias'],
    ['changed frozen weights', { init_lora_weights: 'pissa' }, 'pissa'],
    ['an option of a later release', { use_novelty: { level: 1 } }, 'use_novelty'],
    ['several ranks', { rank_pattern: { 'layers.0': 8 } }, 'rank_pattern'],
    ['several alphas', { alpha_pattern: { 'layers.0': 8 } }, 'alpha_pattern'],
    ['repeated layers', { layer_replication: [[0, 2]] }, 'layer_replication'],
  ])('%s', (_what, config, name) => {
    expect(refusal(() => decode({ config }))).toEqual(unsupported(name));
  });

  const tensor = { dtype: 'F32' as const, shape: [2, 6], data: new Uint8Array(48) };
  test.each([
    ['an adapted MLP', 'base_model.model.vit.layers.0.mlp.fc1.lora_A.weight', 'mlp.fc1'],
    ['adapted keys', 'base_model.model.vit.layers.0.attention.k_proj.lora_A.weight', 'k_proj'],
    ['a fused qkv', 'base_model.model.blocks.0.attn.qkv.lora_A.weight', 'fused'],
    ['a DoRA magnitude', 'base_model.model.vit.layers.0.lora_magnitude_vector', 'magnitude'],
    ['a saved norm', 'base_model.model.vit.layernorm.weight', 'layernorm'],
    ['another model', 'base_model.model.text.layers.0.attention.q_proj.lora_A.weight', 'text'],
    [
      'another spelling',
      'base_model.model.vit.layers.0.self_attn.q_proj.lora_A.weight',
      'two ways',
    ],
    [
      'a second A',
      'base_model.model.vit.layers.0.attention.q_proj.lora_A.default.weight',
      'second',
    ],
    ['another head', 'base_model.model.score.weight', 'second'],
  ])('%s', (_what, name, said) => {
    const tensors = (all: Map<string, SafetensorsTensor>): void => void all.set(name, tensor);
    expect(refusal(() => decode({ tensors }))).toEqual(unsupported(said));
  });

  test.each(['deit', 'vision_model', 'dinov2'])('%s, whose head reads something else', (model) => {
    const files = encodePeft(nativeAdapter(), { names, model });
    expect(refusal(() => decodePeft(files))).toEqual(unsupported(`it adapts ${model}`));
    expect(decodePeft({ ...files, model }).values).toEqual(nativeAdapter().values);
  });

  test('a head that reads two tokens', () => {
    const wide = { dtype: 'F32' as const, shape: [3, 12], data: new Uint8Array(144) };
    const tensors = (all: Map<string, SafetensorsTensor>): void =>
      void all.set('base_model.model.classifier.weight', wide);
    expect(refusal(() => decode({ tensors }))).toEqual(unsupported('reads 12 numbers'));
  });

  test('an adapter without head', () => {
    const tensors = (all: Map<string, SafetensorsTensor>): void => {
      all.delete('base_model.model.classifier.weight');
    };
    expect(refusal(() => decode({ tensors }))).toEqual(unsupported('no head'));
  });
});

describe('a damaged file', () => {
  const swap = (name: string, tensor: SafetensorsTensor) => ({
    tensors: (all: Map<string, SafetensorsTensor>): void => void all.set(name, tensor),
  });
  const zeros = (shape: number[], dtype: 'F32' | 'I32' = 'F32'): SafetensorsTensor => ({
    ...{ dtype, shape },
    data: new Uint8Array(4 * shape.reduce((product, side) => product * side, 1)),
  });

  test.each([
    ['no matrix', swap(firstA, zeros([12])), 'TENSOR_SHAPE_MISMATCH'],
    ['another rank', swap(firstA, zeros([3, 6])), 'TENSOR_SHAPE_MISMATCH'],
    ['another width', swap(firstA.replace('q_', 'v_'), zeros([2, 5])), 'TENSOR_SHAPE_MISMATCH'],
    ['whole numbers', swap(firstA, zeros([2, 6], 'I32')), 'TENSOR_DTYPE_UNSUPPORTED'],
    [
      'a number that is none',
      swap(firstA, { ...zeros([2, 6]), data: new Uint8Array(48).fill(255) }),
      'NON_FINITE_UPDATE',
    ],
    ['no rank', { config: { r: null } }, 'ADAPTER_INVALID'],
    ['an alpha of zero', { config: { lora_alpha: 0 } }, 'ADAPTER_INVALID'],
  ])('with %s is refused', (_what, change, code) => {
    expect(refusal(() => decode(change))).toMatchObject({ code });
  });

  test('that is cut short is refused', () => {
    const bytes = small.bytes.subarray(0, -4);
    expect(refusal(() => decodePeft({ ...small, bytes }))).toMatchObject({
      code: 'SAFETENSORS_INVALID',
    });
  });
});

test('half precision is widened exactly', () => {
  const half = { dtype: 'F16' as const, shape: [2, 6], data: new Uint8Array(24).fill(0x3c) };
  const { layout, values } = decode({ tensors: (all) => void all.set(firstA, half) });
  const expected = decodeFloats(half.data, 'F16');
  expect(tensorView(layout, values, 'blocks.0.attn.q.lora_A')).toEqual(expected);
});
