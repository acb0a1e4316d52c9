/** For every architecture of timm that we take, timm itself has the sizes, options and tensors that we think it has. */
import { z } from 'zod';
import { canonicalNames, readTimmConfiguration, spelledTimmNames } from '#core/backbone';
import { MeloError } from '#core/errors';
import { runPython } from './python.ts';

const count = z.number().int().nonnegative();
const schema = z.record(
  z.string(),
  z.strictObject({
    ...{ dimension: count, blocks: count, heads: count, mlpDimension: count, patchSize: count },
    layerNormEpsilon: z.number(),
    activation: z.string(),
    names: z.array(z.string()),
    globalPool: z.string(),
  }),
);
const activations: Readonly<Record<string, string>> = {
  gelu: 'GELU',
  quick_gelu: 'QuickGELU',
};

function readOrNull(architecture: string, globalPool: string) {
  try {
    return readTimmConfiguration({ architecture, global_pool: globalPool });
  } catch (error) {
    if (error instanceof MeloError) return null;
    throw error;
  }
}

test('every architecture that is taken is what timm makes of its name', () => {
  const found = schema.parse(JSON.parse(runPython('timm_architectures.py')));
  const taken: string[] = [];
  for (const [name, theirs] of Object.entries(found)) {
    const ours = readOrNull(name, theirs.globalPool);
    if (ours === null) continue;
    taken.push(name);
    const { size, patchSize, layerNormEpsilon, activation, pooling, options } = ours;
    const parts = { ...options, blocks: 1, pooling };
    expect({
      name,
      ...size,
      patchSize,
      layerNormEpsilon,
      activation: activations[activation],
    }).toEqual({
      name,
      ...{ dimension: theirs.dimension, blocks: theirs.blocks, heads: theirs.heads },
      ...{ mlpDimension: theirs.mlpDimension, patchSize: theirs.patchSize },
      ...{ layerNormEpsilon: theirs.layerNormEpsilon, activation: theirs.activation },
    });
    const names = canonicalNames(parts).map((canonical) => spelledTimmNames(canonical));
    const written = new Set(theirs.names);
    const missing = names.filter((either) => !either.some((each) => written.has(each)));
    expect({ name, missing }).toEqual({ name, missing: [] });
    const known = new Set(names.flat());
    expect({ name, unknown: theirs.names.filter((each) => !known.has(each)) }).toEqual({
      name,
      unknown: [],
    });
  }
  // Not by refusing all: a few of each family.
  expect(taken.length).toBeGreaterThan(40);
  for (const wanted of [
    ...['vit_tiny_patch16_224', 'deit_small_distilled_patch16_224', 'deit3_large_patch16_384'],
    ...['vit_base_patch14_dinov2', 'vit_large_patch14_reg4_dinov2', 'vit_large_patch16_dinov3'],
    ...['vit_huge_patch14_clip_224', 'vit_large_patch14_clip_quickgelu_336'],
  ]) {
    expect(taken).toContain(wanted);
  }
}, 600_000);
