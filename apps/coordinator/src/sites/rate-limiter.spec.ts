import { RateLimiter } from './rate-limiter.ts';

describe('the rate limiter', () => {
  let nowMs = 0;
  const clock = { wallTimeMs: () => nowMs, monotonicTimeMs: () => nowMs };
  const limits = {
    messagesPerSecond: 2,
    messagesBurst: 4,
    bytesPerSecond: 10,
    bytesBurst: 100,
    inFlightMax: 3,
  };
  let limiter: RateLimiter;
  beforeEach(() => {
    nowMs = 0;
    limiter = new RateLimiter(clock, limits);
  });
  const send = (site: string, bytes = 1): boolean => {
    const isIn = limiter.enter(site, bytes);
    if (isIn) limiter.leave(site);
    return isIn;
  };

  test('refuses messages above the burst and fills again with time', () => {
    expect([1, 2, 3, 4, 5].map(() => send('north'))).toEqual([true, true, true, true, false]);
    nowMs = 499;
    expect(send('north')).toBe(false);
    nowMs = 500;
    expect(send('north')).toBe(true);
  });

  test('refuses bytes above the burst', () => {
    expect(send('north', 100)).toBe(true);
    expect(send('north', 1)).toBe(false);
    nowMs = 100;
    expect(send('north', 1)).toBe(true);
  });

  test('refuses more commands at once than may wait', () => {
    expect([1, 2, 3, 4].map(() => limiter.enter('north', 1))).toEqual([true, true, true, false]);
    limiter.leave('north');
    expect(limiter.enter('north', 1)).toBe(true);
  });

  test('counts every site by itself', () => {
    while (send('north')) limiter.enter('north', 0);
    expect(send('south')).toBe(true);
  });
});
