/** Sums over events as onnxruntime 1.30 writes them. */
import { kindOf, summarise } from './profile.ts';

const kernel = (op_name: string, dur: number): object => ({
  ...{ cat: 'Node', name: `node_1_kernel_time`, dur, args: { op_name, provider: 'CPU' } },
});

test('kernels are summed by operator and kind, an image; other events are not counted', () => {
  const events = [
    { cat: 'Session', name: 'model_run', dur: 1e6, args: {} },
    { cat: 'Node', name: 'node_1_fence_before', dur: 5, args: { op_name: 'Gemm' } },
    kernel('Gemm', 4000),
    kernel('Gemm', 2000),
    kernel('FusedMatMul', 1000),
    kernel('Mul', 3000),
  ];
  const profile = summarise(events, 2, 5);
  expect(profile.operatorMsPerImage).toBe(1);
  expect(profile.kinds).toEqual([
    { name: 'products', msPerImage: 0.7, share: 0.7, callsPerStep: 1.5 },
    { name: 'elementwise', msPerImage: 0.3, share: 0.3, callsPerStep: 0.5 },
  ]);
  expect(profile.operators.map(({ name }) => name)).toEqual(['Gemm', 'Mul', 'FusedMatMul']);
});

test('every operator has a kind', () => {
  expect(kindOf('Transpose')).toBe('moves');
  expect(kindOf('Erf')).toBe('elementwise');
});
