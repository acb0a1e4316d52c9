/** The slope is that of the trend, whatever single points do. */
import { slope } from './slope.ts';

const line = (step: (x: number) => number): [number, number][] =>
  Array.from({ length: 40 }, (_, x) => [x, step(x)]);

test('of a line, with and without outliers', () => {
  expect(slope(line((x) => 3 * x + 7))).toBe(3);
  expect(slope(line((x) => 3 * x + (x === 20 ? 1e9 : 0)))).toBeCloseTo(3, 6);
});

test('of a level with one jump is none, of a steady leak is the leak', () => {
  expect(slope(line((x) => (x < 10 ? 0 : 1e6)))).toBe(0);
  expect(slope(line((x) => 12_000 * x + 1e5 * Math.sin(x)))).toBeGreaterThan(10_000);
});
