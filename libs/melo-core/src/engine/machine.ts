/** What this process may use of its machine: cores and memory, as affinity and control groups limit them. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join } from 'node:path';

/** Reads a small text file, or null where there is none. */
export type TextReader = (path: string) => string | null;

const groupRoot = '/sys/fs/cgroup';

const readText: TextReader = (path) => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null; // no Linux, no control groups, or a group without this limit
  }
};

/** A group and all groups above it, the nearest first. */
function withParents(group: string): string[] {
  const groups = [group];
  for (let at = group; at !== '/' && at !== '.';) groups.push((at = dirname(at)));
  return groups;
}

/** Cores of a quota of microseconds in a period; none where it is `max` or -1. */
function coresOf(quota: string | undefined, period: string | undefined): number {
  const cores = Number(quota) / Number(period);
  return Number.isFinite(cores) && cores > 0 ? cores : Number.POSITIVE_INFINITY;
}

function quotaOfGroup(controller: string, group: string, read: TextReader): number {
  if (controller === '') {
    const [quota, period] =
      read(join(groupRoot, group, 'cpu.max'))
        ?.trim()
        .split(' ') ?? [];
    return coresOf(quota, period);
  }
  const folder = join(groupRoot, controller, group);
  const quota = read(join(folder, 'cpu.cfs_quota_us'))?.trim();
  return coresOf(quota, read(join(folder, 'cpu.cfs_period_us'))?.trim());
}

/**
 * Tell how many cores the control groups of this process allow it, versions 2 and 1; infinite where they set no limit.
 *
 * Inside a container the own group's path may not exist under its mount: then the mount's root is the own group.
 *
 * @param read - of files under /proc and /sys
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max), https://docs.kernel.org/scheduler/sched-bwc.html (cfs_quota_us)
 */
export function coresOfQuota(read: TextReader = readText): number {
  let cores = Number.POSITIVE_INFINITY;
  for (const line of (read('/proc/self/cgroup') ?? '').split('\n')) {
    const [, controllers, group] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || group === undefined) continue;
    if (controllers !== '' && !controllers.split(',').includes('cpu')) continue;
    for (const each of withParents(group)) {
      cores = Math.min(cores, quotaOfGroup(controllers, each, read));
    }
  }
  return cores;
}

/** Whole cores that this process may use, one or more: its affinity, and the quota of its control group rounded down. */
export function coresAllowed(read: TextReader = readText): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(coresOfQuota(read))));
}

/** Bytes of memory that this process may use: the machine's, or its control group's where that is less. */
export function memoryAllowedBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem(); // 0: no limit is known
}
