/** Median and quantile of measured times. */
import { median, quantile } from './median.ts';

test('the median of an odd and of an even count, whatever the order', () => {
  expect(median([3, 1, 10])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('a quantile is one of the values, the largest at 1', () => {
  const values = [5, 1, 4, 2, 3];
  expect(quantile(values, 0)).toBe(1);
  expect(quantile(values, 0.5)).toBe(3);
  expect(quantile(values, 0.9)).toBe(5);
  expect(quantile(values, 1)).toBe(5);
});
