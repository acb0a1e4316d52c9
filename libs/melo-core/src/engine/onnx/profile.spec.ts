/** Sums over events as onnxruntime 1.30 writes them, and over those of real steps. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBackbone } from '#core/backbone';
import { kindOf, profileSteps, summariseProfile } from './profile.ts';

const run = (ts: number, dur: number): object => ({
  ...{ cat: 'Session', name: 'model_run', ts, dur, args: {} },
});
const kernel = (ts: number, op_name: string, dur: number): object => ({
  ...{ cat: 'Node', name: `node_1_kernel_time`, ts, dur, args: { op_name, provider: 'CPU' } },
});

test('kernels are summed by operator and kind, an image; runs that warm up and other events are not counted', () => {
  const events = [
    run(0, 1e6),
    kernel(10, 'Gemm', 9e5),
    run(2_000_000, 8000),
    { cat: 'Node', name: 'node_1_fence_before', ts: 2_000_001, dur: 5, args: { op_name: 'Gemm' } },
    kernel(2_000_002, 'Gemm', 4000),
    kernel(2_004_002, 'Mul', 3000),
    run(3_000_000, 4000),
    kernel(3_000_001, 'Gemm', 2000),
    kernel(3_002_001, 'FusedMatMul', 1000),
  ];
  const profile = summariseProfile(events, { steps: 2, batch: 5, wallMs: 20 });
  expect(profile.msPerImage).toBe(2);
  expect(profile.kinds).toEqual([
    { name: 'products', msPerImage: 0.7, share: 0.35, callsPerStep: 1.5 },
    { name: 'elementwise', msPerImage: 0.3, share: 0.15, callsPerStep: 0.5 },
    { name: 'between', msPerImage: 0.2, share: 0.1, callsPerStep: 1 },
    { name: 'outside', msPerImage: 0.8, share: 0.4, callsPerStep: 1 },
  ]);
  expect(profile.operators.map(({ name }) => name)).toEqual(['Gemm', 'Mul', 'FusedMatMul']);
});

test('fewer runs than steps are a mistake', () => {
  const about = { steps: 2, batch: 1, wallMs: 1 };
  expect(() => summariseProfile([run(0, 1)], about)).toThrow('a run for each step');
});

test('every operator has a kind', () => {
  expect(kindOf('Transpose')).toBe('moves');
  expect(kindOf('Erf')).toBe('elementwise');
});

test('real steps are profiled: all of their time is in one kind or another', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'melo-profile-'));
  const backbone = randomBackbone({
    configuration: {
      ...{ dimension: 48, blocks: 2, heads: 3, mlpDimension: 96, patchSize: 8, imageSize: 32 },
      ...{ channels: 3, layerNormEpsilon: 1e-6, activation: 'gelu', pooling: 'cls' },
      ...{ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    },
    seed: 'profile',
  });
  try {
    const { kinds, operators, msPerImage } = await profileSteps({
      ...{ backbone, rank: 2, batch: 3, threads: 1, isAlone: false, steps: 2, directory },
    });
    expect(kinds.map(({ name }) => name).sort()).toEqual(
      ['between', 'elementwise', 'moves', 'norms', 'outside', 'products', 'softmax'].sort(),
    );
    expect(kinds.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(kinds.reduce((sum, kind) => sum + kind.msPerImage, 0)).toBeCloseTo(msPerImage, 9);
    for (const { share } of kinds) expect(share).toBeGreaterThanOrEqual(0);
    expect(operators.length).toBeGreaterThan(kinds.length);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
