import {
  abandonedRound,
  conditionKey,
  holdingAlerts,
  resolvedSummary,
  type Observed,
  type ObservedSite,
} from './alert-conditions.ts';
import { siteIdSchema } from '#core/protocol';

const minuteMs = 60_000;
const dayMs = 24 * 3_600_000;
const nowMs = 1_800_000_000_000;
const nothing: ReadonlySet<string> = new Set();

const site = (change: Partial<ObservedSite> = {}): ObservedSite => ({
  ...{ site: siteIdSchema.parse('north'), status: 'active', isConnected: false },
  ...{ lastSeenAtMs: nowMs - 10 * minuteMs, enrolledAtMs: nowMs - dayMs },
  ...change,
});
const observed = (change: Partial<Observed> = {}): Observed => ({
  ...{ nowMs, startedAtMs: nowMs - dayMs, sites: [site()] },
  ...{ disk: { freeBytes: 100, reserveBytes: 100, isLow: false } },
  ...{ siteSilentMs: 10 * minuteMs, keyAgeMaxMs: 365 * dayMs },
  ...change,
});
const keysOf = (seen: Observed, held = nothing): string[] =>
  holdingAlerts(seen, held).map(conditionKey);

describe('a site is silent', () => {
  const silent = ['site-silent site:north'];

  test.each<[string, Partial<ObservedSite>, boolean]>([
    ['after ten minutes without a connection', {}, true],
    ['a millisecond less', { lastSeenAtMs: nowMs - 10 * minuteMs + 1 }, false],
    ['with a connection, however old its last sign is stored', { isConnected: true }, false],
    ['that was never heard of', { lastSeenAtMs: null }, false],
    ['that waits for approval', { status: 'pending' }, false],
    ['that is suspended', { status: 'suspended' }, false],
    ['that left', { status: 'left' }, false],
  ])('%s', (_name, change, isSilent) => {
    expect(keysOf(observed({ sites: [site(change)] }))).toEqual(isSilent ? silent : []);
  });

  test('... but not for the time that the coordinator itself was down', () => {
    const sites = [site({ lastSeenAtMs: nowMs - dayMs })];
    const startedAtMs = nowMs - 10 * minuteMs;
    expect(keysOf(observed({ sites, startedAtMs: startedAtMs + 1 }))).toEqual([]);
    expect(keysOf(observed({ sites, startedAtMs }))).toEqual(silent);
    const [alert] = holdingAlerts(observed({ sites, startedAtMs }), nothing);
    expect(alert?.details).toEqual({ silentMinutes: 10 });
  });

  test('... and stays so over a restart until it is back or takes part no more', () => {
    const held = new Set(silent);
    expect(keysOf(observed({ startedAtMs: nowMs }), held)).toEqual(silent);
    expect(keysOf(observed({ sites: [site({ isConnected: true })] }), held)).toEqual([]);
    expect(keysOf(observed({ sites: [site({ status: 'revoked' })] }), held)).toEqual([]);
    expect(keysOf(observed({ sites: [] }), held)).toEqual([]);
  });
});

describe('keys are old', () => {
  test.each<[string, Partial<ObservedSite>, number | null]>([
    ['a year after the site enrolled with them', { enrolledAtMs: nowMs - 365 * dayMs }, 365],
    ['a millisecond less', { enrolledAtMs: nowMs - 365 * dayMs + 1 }, null],
    ['of a site that has none yet', { enrolledAtMs: null }, null],
    ['of a revoked site', { status: 'revoked', enrolledAtMs: 0 }, null],
  ])('%s', (_name, change, ageDays) => {
    const sites = [site({ isConnected: true, ...change })];
    expect(holdingAlerts(observed({ sites }), nothing)).toEqual(
      ageDays === null
        ? []
        : [
            {
              ...{ kind: 'key-old', subject: 'site:north', details: { ageDays } },
              summary: expect.stringContaining('365 days ago'),
            },
          ],
    );
  });
});

describe('the disk is low', () => {
  const disk = (freeBytes: number) =>
    observed({ sites: [], disk: { freeBytes, reserveBytes: 100, isLow: freeBytes < 100 } });
  const low = ['disk-low coordinator'];

  test('below the reserve, and no more once there is a tenth more than that', () => {
    expect(keysOf(disk(100))).toEqual([]);
    expect(keysOf(disk(99))).toEqual(low);
    expect(keysOf(disk(100), new Set(low))).toEqual(low);
    expect(keysOf(disk(109), new Set(low))).toEqual(low);
    expect(keysOf(disk(111), new Set(low))).toEqual([]);
  });

  test('never where the reserve is none', () => {
    const none = observed({ sites: [], disk: { freeBytes: 0, reserveBytes: 0, isLow: false } });
    expect(keysOf(none, new Set(low))).toEqual([]);
  });
});

test('what is said of an abandoned round has its numbers and not its reason', () => {
  const record = { task: 'chest', round: 3, attempt: 2, reason: 'Mrs Miller called' };
  expect(abandonedRound(record)).toEqual({
    ...{ kind: 'round-abandoned', subject: 'task:chest', details: { round: 3, attempt: 2 } },
    summary: expect.not.stringContaining('Miller'),
  });
});

test('every end has a sentence', () => {
  const subject = 'site:north';
  expect(resolvedSummary({ kind: 'site-silent', subject })).toContain('Site north is connected');
  expect(resolvedSummary({ kind: 'key-old', subject })).toContain('Site north has new keys');
  expect(resolvedSummary({ kind: 'disk-low', subject: 'coordinator' })).toContain('room again');
});
