/** Cores from control groups of both versions, as the kernel writes them. */
import { availableParallelism } from 'node:os';
import { coresAllowed, coresOfQuota, memoryAllowedBytes } from './machine.ts';
import type { TextReader } from './machine.ts';

const files =
  (content: Readonly<Record<string, string>>): TextReader =>
  (path) =>
    content[path] ?? null;

const unlimited = Number.POSITIVE_INFINITY;

describe('cores of a quota', () => {
  test.each([
    ['no control groups', {}, unlimited],
    [
      'version 2 in a container: its own group is the root of the mount',
      { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '150000 100000\n' },
      1.5,
    ],
    [
      'version 2, no limit',
      { '/proc/self/cgroup': '0::/a\n', '/sys/fs/cgroup/a/cpu.max': 'max 100000\n' },
      unlimited,
    ],
    [
      'version 2, a group above is narrower',
      {
        '/proc/self/cgroup': '0::/system.slice/melo.service\n',
        '/sys/fs/cgroup/system.slice/melo.service/cpu.max': '800000 100000\n',
        '/sys/fs/cgroup/system.slice/cpu.max': '400000 100000\n',
      },
      4,
    ],
    [
      'version 1',
      {
        '/proc/self/cgroup': '9:memory:/x\n4:cpu,cpuacct:/docker/abc\n',
        '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us': '200000\n',
        '/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us': '100000\n',
      },
      2,
    ],
    [
      'version 1, no limit',
      {
        '/proc/self/cgroup': '4:cpu,cpuacct:/\n',
        '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us': '-1\n',
        '/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us': '100000\n',
      },
      unlimited,
    ],
    [
      'another controller of version 1 alone',
      { '/proc/self/cgroup': '9:cpuset:/x\n', '/sys/fs/cgroup/cpuset/x/cpu.cfs_quota_us': '1' },
      unlimited,
    ],
    [
      'numbers that are none',
      { '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': '\n' },
      unlimited,
    ],
  ])('%s', (_name, content, cores) => {
    expect(coresOfQuota(files(content))).toBe(cores);
  });
});

test('cores allowed are whole, one at least, and never more than the affinity has', () => {
  const quota = (line: string): TextReader =>
    files({ '/proc/self/cgroup': '0::/\n', '/sys/fs/cgroup/cpu.max': line });
  expect(coresAllowed(quota('50000 100000'))).toBe(1);
  expect(coresAllowed(quota('100000000 100000'))).toBe(availableParallelism());
  expect(coresAllowed(files({}))).toBe(availableParallelism());
});

test('memory allowed is a number of bytes of this machine', () => {
  expect(memoryAllowedBytes()).toBeGreaterThan(2 ** 26);
  expect(memoryAllowedBytes()).toBeLessThan(2 ** 50);
});
