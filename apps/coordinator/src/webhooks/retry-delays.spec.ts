import { retryDelayMs, retryDelaysMs } from './retry-delays.ts';

describe('the wait before the next attempt', () => {
  test('grows, half of it by chance', () => {
    retryDelaysMs.forEach((longestMs, index) => {
      expect(retryDelayMs(index + 1, 0)).toBe(longestMs / 2);
      expect(retryDelayMs(index + 1, 1)).toBe(longestMs);
      if (index > 0) expect(longestMs).toBeGreaterThan(retryDelaysMs[index - 1] ?? Infinity);
    });
  });

  test('ends after nine attempts, a day and a half after the first at most', () => {
    expect(retryDelaysMs).toHaveLength(8);
    expect(retryDelayMs(9, 0.5)).toBeNull();
    const longestMs = retryDelaysMs.reduce((sum, ms) => sum + ms, 0);
    expect(longestMs).toBeLessThan(36.5 * 3_600_000);
  });
});
