import { heartbeatAge } from './heartbeat.ts';

const nowMs = 10_000_000;
const beat = (agoMs: number) => ({
  atMs: nowMs - agoMs,
  phase: 'idle',
  task: null,
  round: null,
  progress: null,
  load: 0,
});

describe('the age of a heartbeat', () => {
  test.each([
    [0, 'fresh'],
    [119_999, 'fresh'],
    [120_000, 'late'],
    [599_999, 'late'],
    [600_000, 'silent'],
  ])('of %d ms is %s', (agoMs, level) => {
    const site = { heartbeat: beat(agoMs), lastSeenAtMs: null, isConnected: true };
    expect(heartbeatAge(site, nowMs)).toEqual({ level, atMs: nowMs - agoMs });
  });

  test('is never fresh for a site without a connection', () => {
    const site = { heartbeat: null, lastSeenAtMs: nowMs - 10, isConnected: false };
    expect(heartbeatAge(site, nowMs).level).toBe('late');
  });

  test('is none for a site that was never heard of', () => {
    const site = { heartbeat: null, lastSeenAtMs: null, isConnected: false };
    expect(heartbeatAge(site, nowMs)).toEqual({ level: 'none', atMs: null });
  });
});
