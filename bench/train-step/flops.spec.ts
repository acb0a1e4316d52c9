/** The counts against what is known of these models. */
import { stepFlops, tokensOf } from './flops.ts';
import { shapeOf } from './shapes.ts';
import { weightsBytes } from './random-weights.ts';

test('tokens with the CLS token', () => {
  expect(tokensOf(shapeOf('vit_base'))).toBe(197);
  expect(tokensOf(shapeOf('vit_huge'))).toBe(257);
});

test('a step of ViT-B is a little under twice its forward pass of 35.1 GFLOP, the last block left out of it', () => {
  // Dosovitskiy's ViT-B/16: 17.56 billion multiplications with addition, forward.
  const forward = 2 * 17.56e9;
  expect(stepFlops(shapeOf('vit_base')) / (2 * forward)).toBeGreaterThan(0.88);
  expect(stepFlops(shapeOf('vit_base')) / (2 * forward)).toBeLessThan(1);
});

test.each([
  ['vit_tiny', 5.5],
  ['vit_small', 21.7],
  ['vit_base', 85.8],
  ['vit_large', 303.3],
  ['vit_huge', 630.8],
  ['vit_giant', 1011.2],
  ['vit_gigantic', 1842.9],
])('the file of %s has %d million numbers', (name, millions) => {
  expect(weightsBytes(shapeOf(name)) / 4e6).toBeCloseTo(millions, 0);
});
