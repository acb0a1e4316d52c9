/** What the probe's lines become. */
import { roundsAt } from './probe-summary.ts';

test('a time is told in rounds, whole ones and the share of the one under way', () => {
  const timesMs = [1000, 1100, 1300];
  expect(roundsAt(timesMs, 500)).toBe(0);
  expect(roundsAt(timesMs, 1050)).toBe(0.5);
  expect(roundsAt(timesMs, 1100)).toBe(1);
  expect(roundsAt(timesMs, 1250)).toBe(1.75);
  expect(roundsAt(timesMs, 9000)).toBe(2);
});
