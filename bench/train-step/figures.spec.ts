/** Rates, quotients and the peer at its best, from turns with known times. */
import { fastestPeer, ourFigures, peerFigures, type Pair } from './figures.ts';
import { stepFlops } from './flops.ts';
import type { Turn } from './messages.ts';
import { bestRate, chainFlops, productChains } from './products.ts';
import { shapeOf } from './shapes.ts';

const shape = shapeOf('vit_tiny');
const batch = 2;

function turn(wallSeconds: number[], peakBytes = 1e6): Turn {
  return { wallSeconds, processorSeconds: wallSeconds.map((seconds) => 2 * seconds), peakBytes };
}

const pair = (ours: number, eager: number, compile: number, productRate = 1e9): Pair => ({
  ours: turn([ours, ours, ours], 4e8),
  productRate,
  peers: new Map([
    ['eager', turn([eager], 8e8)],
    ['compile', turn([compile], 6e8)],
  ]),
});
const pairs = [pair(1, 2, 1.5), pair(2, 5, 3.2, 2e10), pair(1, 2, 100)];

test('the rate of the products is that of the fastest chain', () => {
  const chains = productChains(shape, batch);
  expect(chains[0]).toEqual({ rows: 2 * 197, widths: [192, 192, 192, 192, 192] });
  expect(chainFlops({ rows: 3, widths: [5, 7, 2] })).toBe(2 * 3 * (5 * 7 + 7 * 2));
  const seconds = [...chains, ...chains].map((chain) => chainFlops(chain) / 1e9);
  seconds[chains.length + 2] = chainFlops(chains[2] ?? { rows: 0, widths: [] }) / 2e9;
  expect(bestRate(seconds, chains)).toBeCloseTo(2e9, 0);
});

test('our figures are medians over the pairs, an image', () => {
  const figures = ourFigures(pairs, shape, batch);
  expect(figures.msPerImage).toBe(500);
  expect(figures.processorMsPerImage).toBe(1000);
  expect(figures.peakMegabytes).toBe(400);
  expect(figures.gemmShare).toBeCloseTo((batch * stepFlops(shape)) / 2e10, 6); // of the best product of all pairs
  expect(figures).not.toHaveProperty('gemmShareFault');
});

test('a step that outran every product is said to be a fault', () => {
  const slow = { ...pair(1, 2, 1), productRate: batch * stepFlops(shape) * 0.8 };
  expect(ourFigures([slow], shape, batch).gemmShareFault).toContain('got 1.25');
});

test('the quotient is taken pair by pair, and the fastest way counts', () => {
  const peers = ['eager', 'compile'].map((mode) => peerFigures(pairs, mode, batch));
  expect(peers.map(({ ratio }) => ratio)).toEqual([2, 1.6]);
  expect(peers.map(({ memoryRatio }) => memoryRatio)).toEqual([2, 1.5]);
  expect(fastestPeer(peers)?.mode).toBe('compile');
  expect(fastestPeer([])).toBeUndefined();
});
