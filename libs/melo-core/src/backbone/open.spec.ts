import { existsSync, readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import {
  adapterLayout,
  adapterSpecification,
  decodeSafetensors,
  encodeSafetensorsBytes,
  loraParameterCount,
  type SafetensorsTensor,
} from '#core/adapter';
import { MeloError } from '#core/errors';
import {
  backboneSizes,
  canonicalNames,
  fingerprintBackbone,
  memorySource,
  openBackbone,
  randomBackboneFile,
  tensorShape,
  type Backbone,
  type BackboneConfiguration,
  type BackboneFiles,
  type ByteSource,
  type Spelling,
} from './index.ts';

const configuration: BackboneConfiguration = {
  dimension: 12,
  blocks: 11, // two digits, so that block 1 and block 10 can be mixed up
  heads: 3,
  mlpDimension: 20,
  patchSize: 4,
  imageSize: 12,
  channels: 3,
  layerNormEpsilon: 1e-6,
  activation: 'gelu',
  pooling: 'cls',
  mean: [0.485, 0.456, 0.406],
  std: [0.229, 0.224, 0.225],
};
const spellings: readonly Spelling[] = ['timm', 'hugging-face-query', 'hugging-face-q_proj'];
const make = (spelling: Spelling): BackboneFiles =>
  randomBackboneFile({ configuration, seed: 'a', spelling });
const openFiles = ({ bytes, config, preprocessor }: BackboneFiles): Promise<Backbone> =>
  openBackbone({ source: memorySource(bytes), config, preprocessor });

type Tensors = Map<string, SafetensorsTensor>;
/** Change the tensors of a file and write it again. */
function rewrite(files: BackboneFiles, change: (tensors: Tensors) => Tensors): BackboneFiles {
  const tensors = change(new Map(decodeSafetensors(files.bytes).tensors));
  const list = [...tensors].map(([name, tensor]) => ({ name, ...tensor }));
  return { ...files, bytes: encodeSafetensorsBytes({ tensors: list, metadata: {} }) };
}
const renamed = (rename: (name: string) => string) => (tensors: Tensors) =>
  new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
const zeros = (...shape: number[]): SafetensorsTensor => ({
  dtype: 'F32',
  shape,
  data: new Uint8Array(4 * shape.reduce((a, b) => a * b, 1)),
});
const codeOf = (code: string, text = ''): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(text) });

describe('opening', () => {
  test.each(spellings)('%s: the configuration and every tensor are found', async (spelling) => {
    const backbone = await openFiles(make(spelling));
    expect(backbone.configuration).toEqual(configuration);
    expect([...backbone.tensors.keys()].sort()).toEqual(canonicalNames(configuration).sort());
    const reference = await openFiles(make('hugging-face-query'));
    for (const name of backbone.tensors.keys()) {
      const values = await backbone.read(name);
      expect(values).toEqual(await reference.read(name));
      expect(backbone.tensors.get(name)?.shape).toEqual(tensorShape(name, configuration));
    }
  });

  test('q, k and v of a fused qkv are its rows in thirds', async () => {
    const files = make('timm');
    const backbone = await openFiles(files);
    const fused = decodeSafetensors(files.bytes).tensors.get('blocks.10.attn.qkv.weight');
    const rows = new Float32Array(fused?.data.slice().buffer ?? new ArrayBuffer(0));
    const third = configuration.dimension ** 2;
    for (const [index, part] of ['q', 'k', 'v'].entries()) {
      expect(await backbone.read(`blocks.10.attn.${part}.weight`)).toEqual(
        rows.slice(index * third, (index + 1) * third),
      );
    }
  });

  test('no weight is read: two ranges, the length and the header', async () => {
    const files = make('timm');
    const ranges: [number, number][] = [];
    const inner = memorySource(files.bytes);
    const source: ByteSource = {
      ...inner,
      read: (offset, length) => {
        ranges.push([offset, length]);
        return inner.read(offset, length);
      },
    };
    await openBackbone({ source, config: files.config });
    expect(ranges).toHaveLength(2);
    const end = Math.max(...ranges.map(([offset, length]) => offset + length));
    const first = decodeSafetensors(files.bytes).tensors.values().next().value;
    expect(end).toBe((first?.data.byteOffset ?? 0) - files.bytes.byteOffset);
  });

  test.each(['hugging-face-query', 'hugging-face-q_proj'] as const)(
    '%s with the vit. prefix, classifier, pooler and mask token opens to the same',
    async (spelling) => {
      const plain = make(spelling);
      const prefixed = rewrite(plain, (tensors) =>
        renamed((name) => `vit.${name}`)(tensors)
          .set('classifier.weight', zeros(7, 12))
          .set('classifier.bias', zeros(7))
          .set('vit.pooler.dense.weight', zeros(12, 12))
          .set('vit.embeddings.mask_token', zeros(1, 1, 12)),
      );
      expect(await fingerprintBackbone(await openFiles(prefixed))).toBe(
        await fingerprintBackbone(await openFiles(plain)),
      );
    },
  );
});

describe('refusals', () => {
  const timm = make('timm');
  const huggingFace = make('hugging-face-query');

  test.each(spellings)('%s: each missing tensor is named', async (spelling) => {
    const files = make(spelling);
    const names = [...decodeSafetensors(files.bytes).tensors.keys()];
    const some = names.filter((name) => !/\.(?:[2-9]|10)\./.test(name)); // outer parts, blocks 0 and 1
    expect(some.length).toBeGreaterThan(20);
    for (const name of some) {
      const without = rewrite(files, (tensors) => {
        tensors.delete(name);
        return tensors;
      });
      await expect(openFiles(without)).rejects.toEqual(codeOf('TENSOR_MISSING', name));
    }
  });

  test('each misshapen tensor is named', async () => {
    for (const name of decodeSafetensors(timm.bytes).tensors.keys()) {
      const misshapen = rewrite(timm, (tensors) => {
        const shape = tensors.get(name)?.shape ?? [];
        const last = shape.at(-1) ?? 0;
        return tensors.set(name, zeros(...shape.slice(0, -1), last + 1));
      });
      await expect(openFiles(misshapen)).rejects.toEqual(codeOf('TENSOR_SHAPE_MISMATCH', name));
    }
  });

  test.each([
    ['layer scale', 'blocks.0.ls1.gamma'],
    ['register tokens', 'reg_token'],
    ['a distillation token', 'dist_token'],
    ['average pooling', 'fc_norm.weight'],
    ['a norm before the blocks', 'norm_pre.weight'],
    ['a norm of q and k', 'blocks.0.attn.q_norm.weight'],
    ['attention pooling', 'attn_pool.latent'],
    ['relative', 'blocks.0.attn.rel_pos.relative_position_bias_table'],
    ['does not have, something.else', 'something.else'],
    ['does not have, blocks.0.attn.q.weight', 'blocks.0.attn.q.weight'],
  ])('%s', async (what, name) => {
    const files = rewrite(timm, (tensors) => tensors.set(name, zeros(12)));
    await expect(openFiles(files)).rejects.toEqual(codeOf('BACKBONE_UNSUPPORTED', what));
  });

  test.each([
    ['gelu_new', { hidden_act: 'gelu_new' }],
    ['query.bias', { qkv_bias: false }],
    ['swin', { model_type: 'swin' }],
    ['names are of another', { model_type: 'dinov2' }],
    ['names are of another', { model_type: 'clip_vision_model' }],
    ['channels', { num_channels: 1 }],
    ['square', { image_size: [12, 16] }],
    ['hidden_size', { hidden_size: undefined }],
    ['12 blocks', { num_hidden_layers: 12 }],
    ['heads', { num_attention_heads: 5 }],
    ['patches of 3', { patch_size: 3 }],
    ['images of 16', { image_size: 16 }],
  ])('Hugging Face, %s', async (what, change) => {
    const config = { ...huggingFace.config, ...change };
    await expect(openFiles({ ...huggingFace, config })).rejects.toEqual(
      codeOf('BACKBONE_UNSUPPORTED', what),
    );
  });

  test.each([
    ['vit_giant_patch14_dinov2.lvd142m', {}], // a gated MLP
    ['vit_huge_plus_patch16_dinov3.lvd1689m', {}],
    ['vit_base_patch16_224_miil.in21k', {}],
    ['vit_base_patch16_siglip_224', {}],
    ['vit_base_patch16_rope_224', {}],
    ['eva02_tiny_patch14_224', {}],
    ['resnet50', {}],
    ['vit_tiny_patch4_12', { reg_tokens: 4 }], // registers that have positions
    ['vit_tiny_patch4_12', { class_token: false }],
    ['vit_tiny_patch4_12', { global_pool: 'avg' }],
    ['vit_tiny_patch4_12', { act_layer: 'gelu_tanh' }],
    ['vit_tiny_patch4_12', { constructor: 1 }],
  ])('timm, %s with %j', async (architecture, change) => {
    const before = timm.config['model_args'];
    const config = { ...timm.config, architecture, model_args: { ...Object(before), ...change } };
    await expect(openFiles({ ...timm, config })).rejects.toEqual(codeOf('BACKBONE_UNSUPPORTED'));
  });

  test('timm pooled by average, from the file itself', async () => {
    const config = { ...timm.config, global_pool: 'avg' };
    await expect(openFiles({ ...timm, config })).rejects.toEqual(
      codeOf('BACKBONE_UNSUPPORTED', 'pools by avg'),
    );
  });

  test('a preprocessor that does not normalise as the backbone expects', async () => {
    const preprocessor = { ...huggingFace.preprocessor, rescale_factor: 1 };
    await expect(openFiles({ ...huggingFace, preprocessor })).rejects.toEqual(
      codeOf('BACKBONE_UNSUPPORTED', 'normalised'),
    );
  });

  test('whole numbers as weights', async () => {
    const files = rewrite(timm, (tensors) =>
      tensors.set('norm.weight', { ...zeros(12), dtype: 'I32' }),
    );
    await expect(openFiles(files)).rejects.toEqual(
      codeOf('TENSOR_DTYPE_UNSUPPORTED', 'norm.weight'),
    );
  });

  test('a weight that is not finite is named when the fingerprint is taken', async () => {
    const data = new Uint8Array(new Float32Array(12).fill(Number.NaN).buffer);
    const files = rewrite(timm, (tensors) =>
      tensors.set('norm.bias', { dtype: 'F32', shape: [12], data }),
    );
    await expect(fingerprintBackbone(await openFiles(files))).rejects.toEqual(
      codeOf('BACKBONE_UNSUPPORTED', 'norm.bias'),
    );
  });

  test('any other config.json and any truncation end in an error of the catalogue', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.nat(timm.bytes.length - 1), async (config, length) => {
        await expect(openFiles({ ...timm, config: Object(config) })).rejects.toBeInstanceOf(
          MeloError,
        );
        const bytes = timm.bytes.slice(0, length);
        await expect(openFiles({ ...timm, bytes })).rejects.toEqual(codeOf('SAFETENSORS_INVALID'));
      }),
    );
  });
});

describe('fingerprint', () => {
  const known = '5d57ea756aefd89ca3762fc76e6dde99d63b6016e18f1a9bc8388bea3f3f6b1b';

  test.each(spellings)('%s gives the one of its twins', async (spelling) => {
    expect(await fingerprintBackbone(await openFiles(make(spelling)))).toBe(known);
  });

  test('bfloat16 and float16 files give that of the same values in float32', async () => {
    for (const dtype of ['BF16', 'F16'] as const) {
      const narrow = await openFiles(
        randomBackboneFile({ configuration, seed: 'a', spelling: 'timm', dtype }),
      );
      const values = new Map<string, Float32Array>();
      for (const name of narrow.tensors.keys()) values.set(name, await narrow.read(name));
      const wide: Backbone = {
        ...narrow,
        read: (name) => Promise.resolve(values.get(name) ?? new Float32Array(0)),
      };
      const fingerprint = await fingerprintBackbone(narrow);
      expect(await fingerprintBackbone(wide)).toBe(fingerprint);
      expect(fingerprint).not.toBe(known);
    }
  });

  test('one changed bit of a weight, or another number of the configuration, changes it', async () => {
    const files = make('timm');
    const seen = new Set<string>([known]);
    const bytes = files.bytes.slice();
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    seen.add(await fingerprintBackbone(await openFiles({ ...files, bytes })));
    const backbone = await openFiles(files);
    for (const change of [
      { heads: 4 },
      { layerNormEpsilon: 1e-12 },
      { mean: [0, 0, 0] as const },
    ]) {
      const changed = { ...backbone, configuration: { ...configuration, ...change } };
      seen.add(await fingerprintBackbone(changed));
    }
    expect(seen.size).toBe(5);
  });

  test('progress is told tensor by tensor', async () => {
    const seen: number[] = [];
    await fingerprintBackbone(await openFiles(make('timm')), {
      onProgress: ({ done, total }) => seen.push(done, total),
    });
    const total = canonicalNames(configuration).length;
    expect(seen.slice(0, 2)).toEqual([1, total]);
    expect(seen.slice(-2)).toEqual([total, total]);
  });
});

describe('the seven sizes', () => {
  const expected = {
    vit_tiny: 36_864,
    vit_small: 73_728,
    vit_base: 147_456,
    vit_large: 393_216,
    vit_huge: 655_360,
    vit_giant: 901_120,
    vit_gigantic: 1_277_952,
  } as const;

  test.each(Object.entries(expected))('%s has %i numbers in A and B at r = 4', (size, count) => {
    const sizes: Record<string, { dimension: number; blocks: number }> = backboneSizes;
    const { dimension = 0, blocks = 0 } = sizes[size] ?? {};
    expect(loraParameterCount({ dimension, blocks, rank: 4 })).toBe(count);
    const classes = ['a', 'b', 'c'];
    const specification = adapterSpecification({ rank: 4, alpha: 4, classes, dimension, blocks });
    const { tensors } = adapterLayout(specification);
    const inLora = tensors.filter(({ name }) => name.includes('lora'));
    expect(inLora.reduce((sum, { size: numbers }) => sum + numbers, 0)).toBe(count);
  });
});

const folder = join(
  process.env['MELO_SHARED'] ?? join(process.cwd(), '..', 'shared'),
  'backbones',
  'vit_tiny_patch16_224',
);
(existsSync(folder) ? describe : describe.skip)('the real ViT-Tiny', () => {
  const path = join(folder, 'model.safetensors');
  const config: unknown = existsSync(folder)
    ? JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'))
    : null;
  const withReal = async <T>(use: (backbone: Backbone) => Promise<T> | T): Promise<T> => {
    const handle = await open(path);
    try {
      const { size } = await handle.stat();
      const source: ByteSource = {
        size,
        path,
        read: async (offset, length) => {
          const bytes = new Uint8Array(length);
          await handle.read(bytes, 0, length, offset);
          return bytes;
        },
      };
      return await use(await openBackbone({ source, config }));
    } finally {
      await handle.close();
    }
  };

  test('opens with its configuration and 5,717,416 parameters less the classifier', async () => {
    const backbone = await withReal((opened) => opened);
    expect(backbone.name).toBe('vit_tiny_patch16_224');
    expect(backbone.configuration).toEqual({
      ...backboneSizes.vit_tiny,
      patchSize: 16,
      imageSize: 224,
      channels: 3,
      layerNormEpsilon: 1e-6,
      activation: 'gelu',
      pooling: 'cls',
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    });
    const numbers = [...backbone.tensors.values()].reduce((sum, { length }) => sum + length / 4, 0);
    expect(numbers).toBe(5_717_416 - (1000 * 192 + 1000));
  });

  test('its fingerprint is the same each time', async () => {
    const prints: string[] = [];
    for (let time = 0; time < 2; time++) {
      prints.push(await withReal((backbone) => fingerprintBackbone(backbone)));
    }
    expect(new Set(prints).size).toBe(1);
    // The digest of the same bytes by Python's hashlib, written from docs/crypto.md.
    expect(prints[0]).toBe('d2fbcbd8af4dd143b85d04f48e3cd2d930653d7b7c53133bbc7198d536dc06bd');
  });
});
