import fc from 'fast-check';
import { tensorView } from '#core/adapter';
import { applyDropout, drawDropout } from './dropout.ts';
import { linearModel, pixelNumbers } from './testing/linear-model.ts';

const { layout } = linearModel();
const ones = new Float32Array(layout.size).fill(1);

describe('LoRA dropout', () => {
  test('leaves out whole columns of every A, and scales the others; all else stays', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.9, noNaN: true }), fc.string(), (rate, seed) => {
        const masked = applyDropout(drawDropout(layout, rate, seed), ones);
        const kept = Math.fround(1 / (1 - rate));
        for (const { name } of layout.tensors) {
          const values = [...tensorView(layout, masked, name)];
          if (name.endsWith('.lora_A')) {
            expect(values.every((value) => value === 0 || value === kept)).toBe(true);
          } else expect(values.every((value) => value === 1)).toBe(true);
        }
      }),
    );
  });

  test('leaves out a column in every row of A alike', () => {
    const wide = layout.tensors.map((tensor) => ({ ...tensor }));
    const rows = 3;
    const two = { ...layout, size: rows * pixelNumbers, tensors: wide.slice(0, 1) };
    const [first] = two.tensors;
    if (first === undefined) throw new Error('expected a tensor');
    const tensors = [{ ...first, shape: [rows, pixelNumbers], size: rows * pixelNumbers }];
    const { factors } = drawDropout({ ...two, tensors }, 0.5, 'columns');
    for (let column = 0; column < pixelNumbers; column++) {
      for (let row = 1; row < rows; row++) {
        expect(factors[row * pixelNumbers + column]).toBe(factors[column]);
      }
    }
  });

  test('leaves out about the wanted share, another one each step, the same for the same seed', () => {
    const all = Array.from({ length: 200 }, (_, step) => drawDropout(layout, 0.3, `${step}`));
    const factors = all.flatMap(({ factors: each }) => [
      ...tensorView(layout, each, layout.tensors[0]?.name ?? ''),
    ]);
    const share = factors.filter((factor) => factor === 0).length / factors.length;
    expect(Math.abs(share - 0.3)).toBeLessThan(0.04);
    expect(drawDropout(layout, 0.3, '1')).toEqual(all[1]);
    expect(all[1]).not.toEqual(all[2]);
  });
});
