import { decodeSafetensors } from '#core/adapter';
import {
  fingerprintBackbone,
  memorySource,
  openBackbone,
  randomBackboneFile,
  resamplePositions,
  resizeBackbone,
  type BackboneConfiguration,
} from './index.ts';

/** A table of 5 x 5 positions of width 1, and what timm 1.0.31 (torch 2.9.1) makes of it by resample_abs_pos_embed. */
const table = [
  -1.701172, -0.130737, -0.018967, 0.987793, -0.782227, -0.336426, -0.601562, -0.4375, -2.03125,
  0.249268, -0.732422, 1.922852, -2.402344, 0.54834, -0.206665, 0.816895, 1.089844, -1.137695,
  0.876953, 0.990723, -0.638672, 0.4021, -0.546875, -0.364258, 0.926758,
];
const resampled: Readonly<Record<number, readonly number[]>> = {
  2: [-0.412169, -0.368268, 0.113605, 0.095943],
  3: [-0.84172, -0.223006, -0.36723, 0.418826, -0.718571, 0.072453, 0.323503, -0.2678, 0.65534],
  8: [
    -1.921879, -1.132669, -0.048302, -0.049271, 0.413323, 1.217836, 0.017521, -1.004784, -1.192718,
    -0.884635, -0.410856, -0.141025, -0.1259, -0.323664, -0.357436, -0.353343, -0.301732, -0.396536,
    -0.522898, -0.419054, -1.007726, -2.027109, -0.716168, 0.422533, -0.835317, 0.250281, 1.212463,
    -1.147433, -1.75869, -0.351881, -0.1075, -0.126057, -0.449118, 0.784047, 1.808081, -1.253827,
    -1.659714, 0.76987, 0.552298, 0.031475, 0.774205, 1.053477, 1.063115, -0.709004, -0.805258,
    0.820445, 1.036315, 0.950658, -0.030464, 0.32572, 0.59737, -0.392157, -0.611452, 0.084288,
    0.712069, 1.074898, -0.822273, -0.267559, 0.35103, -0.238038, -0.600008, -0.494797, 0.381584,
    1.021146,
  ],
};

describe('positions', () => {
  test.each([2, 3, 8])('of 5 x 5 patches become those that timm has for %i x %i', (after) => {
    const ours = resamplePositions(Float32Array.from(table), { before: 5, after, dimension: 1 });
    const theirs = resampled[after] ?? [];
    expect(ours).toHaveLength(theirs.length);
    for (const [index, value] of theirs.entries()) {
      expect(Math.abs((ours[index] ?? 0) - value)).toBeLessThan(3e-6); // six digits were noted
    }
  });

  test('keep the numbers of one place together, whatever the width', () => {
    const wide = Float32Array.from(table.flatMap((value) => [value, -2 * value]));
    const ours = resamplePositions(wide, { before: 5, after: 3, dimension: 2 });
    for (const [index, value] of (resampled[3] ?? []).entries()) {
      expect(ours[2 * index]).toBeCloseTo(value, 5);
      expect(ours[2 * index + 1]).toBeCloseTo(-2 * value, 5);
    }
  });

  test('of the same size are the same', () => {
    const values = Float32Array.from(table);
    expect(resamplePositions(values, { before: 5, after: 5, dimension: 1 })).toEqual(values);
  });
});

describe('a resized backbone', () => {
  const configuration: BackboneConfiguration = {
    ...{ dimension: 12, blocks: 2, heads: 3, mlpDimension: 24, patchSize: 4, imageSize: 20 },
    ...{ channels: 3, layerNormEpsilon: 1e-6, activation: 'gelu', pooling: 'cls' },
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
  const spellings = ['timm', 'hugging-face-query', 'hugging-face-q_proj'] as const;
  const make = (spelling: (typeof spellings)[number]) =>
    randomBackboneFile({ configuration, seed: 'resize', spelling, dtype: 'F16' });
  const openFiles = (files: { bytes: Uint8Array; config: unknown; preprocessor?: unknown }) =>
    openBackbone({ ...files, source: memorySource(files.bytes) });

  test.each(spellings)(
    '%s: opens at its size, with one fingerprint in every spelling',
    async (spelling) => {
      const files = make(spelling);
      const { bytes, config } = await resizeBackbone(files, 12);
      const resized = await openFiles({ ...files, bytes, config });
      expect(resized.configuration).toEqual({ ...configuration, imageSize: 12 });
      const twin = await resizeBackbone(make('timm'), 12);
      const fingerprint = await fingerprintBackbone(resized);
      expect(fingerprint).toBe(await fingerprintBackbone(await openFiles(twin)));
      expect(fingerprint).not.toBe(await fingerprintBackbone(await openFiles(files)));
    },
  );

  test("has the positions of its patches resampled, the class token's and all else as it was", async () => {
    const files = make('timm');
    const [before, after] = [
      await openFiles(files),
      await openFiles(await resizeBackbone(files, 12)),
    ];
    const [old, new_] = [await before.read('pos_embed'), await after.read('pos_embed')];
    expect(new_.subarray(0, 12)).toEqual(old.subarray(0, 12));
    expect(new_.subarray(12)).toEqual(
      resamplePositions(old.subarray(12), { before: 5, after: 3, dimension: 12 }),
    );
    for (const name of before.tensors.keys()) {
      if (name !== 'pos_embed') expect(await after.read(name)).toEqual(await before.read(name));
    }
  });

  test('to the size it has is the same backbone', async () => {
    const files = make('timm');
    const same = await resizeBackbone(files, 20);
    expect(await fingerprintBackbone(await openFiles(same))).toBe(
      await fingerprintBackbone(await openFiles(files)),
    );
    expect([...decodeSafetensors(same.bytes).tensors.keys()].sort()).toEqual(
      [...decodeSafetensors(files.bytes).tensors.keys()].sort(),
    );
  });

  test.each([0, 3, 13, 4096, -4, 4.5])('of %d pixels is refused', async (imageSize) => {
    await expect(resizeBackbone(make('timm'), imageSize)).rejects.toEqual(
      expect.objectContaining({ code: 'BACKBONE_UNSUPPORTED' }),
    );
  });
});
