/** Rates, quotients and the peer at its best, from turns with known times. */
import { fastestPeer, ourFigures, peerFigures, productRate, type Pair } from './figures.ts';
import { stepFlops } from './flops.ts';
import type { Turn } from './messages.ts';
import { shapeOf } from './shapes.ts';

const shape = shapeOf('vit_tiny');
const batch = 2;
const rows = 2 * 197;

function turn(wallSeconds: number[], peakBytes = 1e6): Turn {
  return { wallSeconds, processorSeconds: wallSeconds.map((seconds) => 2 * seconds), peakBytes };
}

/** A turn of products whose best is 2e9 operations a second, at the second one. */
const products = turn([1, (2 * rows * 192 * 768) / 2e9, (2 * rows * 192 * 768) / 1e9]);

const pair = (ours: number, eager: number, compile: number): Pair => ({
  ours: turn([ours, ours, ours], 4e8),
  products,
  peers: new Map([
    ['eager', turn([eager], 8e8)],
    ['compile', turn([compile], 6e8)],
  ]),
});
const pairs = [pair(1, 2, 1.5), pair(2, 5, 3.2), pair(1, 2, 100)];

test('the rate of the products is that of the fastest shape', () => {
  expect(productRate(products, shape, batch)).toBeCloseTo(2e9, 0);
});

test('our figures are medians over the pairs, an image', () => {
  const figures = ourFigures(pairs, shape, batch);
  expect(figures.msPerImage).toBe(500);
  expect(figures.processorMsPerImage).toBe(1000);
  expect(figures.peakMegabytes).toBe(400);
  expect(figures.gemmShare).toBeCloseTo((batch * stepFlops(shape)) / 2e9, 6);
});

test('the quotient is taken pair by pair, and the fastest way counts', () => {
  const peers = ['eager', 'compile'].map((mode) => peerFigures(pairs, mode, batch));
  expect(peers.map(({ ratio }) => ratio)).toEqual([2, 1.6]);
  expect(peers.map(({ memoryRatio }) => memoryRatio)).toEqual([2, 1.5]);
  expect(fastestPeer(peers)?.mode).toBe('compile');
  expect(fastestPeer([])).toBeUndefined();
});
