/** Silence and sleep: what sockets do not tell. */
import { LinkWatch } from './link-watch.ts';

function watching(): {
  readonly clock: { wallMs: number; monotonicMs: number };
  readonly line: { bytes: number };
  readonly watch: LinkWatch;
  /** Let both clocks go on and look. */
  readonly after: (ms: number) => ReturnType<LinkWatch['look']>;
} {
  const clock = { wallMs: 1e12, monotonicMs: 500 };
  const line = { bytes: 0 };
  const watch = new LinkWatch({
    clock: { wallTimeMs: () => clock.wallMs, monotonicTimeMs: () => clock.monotonicMs },
    silenceMaxMs: 45_000,
    sleepGapMs: 22_500,
    bytesReceived: () => line.bytes,
  });
  const after = (ms: number): ReturnType<LinkWatch['look']> => {
    clock.wallMs += ms;
    clock.monotonicMs += ms;
    return watch.look();
  };
  return { clock, line, watch, after };
}

test('a link without a byte is silent after 45 seconds, one with a byte now and then is not', () => {
  const { line, after } = watching();
  for (let looks = 0; looks < 100; looks++) {
    line.bytes += looks % 10 === 0 ? 1 : 0;
    expect(after(2500)).toBeNull();
  }
  const findings = Array.from({ length: 20 }, () => after(2500));
  expect(findings.indexOf('silence')).toBeGreaterThanOrEqual(8);
});

test.each([
  ['stops the monotonic clock', 0],
  ['lets the monotonic clock go on', 3_600_000],
])('an hour of sleep is noticed at once on a system that %s', (_what, monotonicMs) => {
  const { clock, watch, after } = watching();
  after(2500);
  clock.wallMs += 3_600_000;
  clock.monotonicMs += monotonicMs;
  expect(watch.look()).toBe('sleep');
  expect(after(2500)).toBeNull(); // said once
});

test('a clock that is set back is neither sleep nor silence, and silence is still found', () => {
  const { clock, watch, after } = watching();
  clock.wallMs -= 86_400_000;
  expect(watch.look()).toBeNull();
  const findings = Array.from({ length: 19 }, () => after(2500));
  expect(findings.at(-1)).toBe('silence');
  expect(findings.slice(0, 18)).toEqual(Array<null>(18).fill(null));
});
