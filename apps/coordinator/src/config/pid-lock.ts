/**
 * One process a data folder: PGlite has no lock of its own, and a second opener ruins it.
 *
 * The lock is a file made whole and exclusively (link of a finished temporary file). A live holder is never robbed, a dead
 * one is taken over. Alive means: the same machine and boot, a process with that id and that start time; on another
 * machine (a shared volume), a file touched within the last minute.
 */
import { randomUUID } from 'node:crypto';
import {
  linkSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { StateError } from '#core/errors';
import { systemErrorCode } from '../common/durable-files.ts';

const touchIntervalMs = 10_000;
const foreignHolderDeadAfterMs = 60_000;
const takeoverDeadAfterMs = 10_000;

const holderSchema = z.strictObject({
  version: z.literal(1),
  pid: z.number().int().positive(),
  host: z.string(),
  /** Boot of the machine and start of the process within it; null where the system does not tell. */
  boot: z.string().nullable(),
  startTime: z.string().nullable(),
});
/** Who holds a lock. */
export type LockHolder = z.infer<typeof holderSchema>;

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null; // absent, or no /proc on this system: the caller then knows less, never more
  }
}

/** Clock ticks from boot to a process's start: field 22 of /proc/PID/stat, after the name in parentheses. */
function startTimeOf(pid: number): string | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

/** Describe this process as a holder. */
export function thisHolder(): LockHolder {
  return {
    version: 1,
    pid: process.pid,
    host: hostname(),
    boot: readOrNull('/proc/sys/kernel/random/boot_id')?.trim() ?? null,
    startTime: startTimeOf(process.pid),
  };
}

function doesProcessExist(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) === 'EPERM';
  }
}

function isAlive(path: string, holder: LockHolder): boolean {
  const self = thisHolder();
  if (holder.host !== self.host) return ageMs(path) < foreignHolderDeadAfterMs;
  if (holder.boot !== null && self.boot !== null && holder.boot !== self.boot) return false;
  if (!doesProcessExist(holder.pid)) return false;
  const startTime = startTimeOf(holder.pid);
  return startTime === null || holder.startTime === null || startTime === holder.startTime;
}

function ageMs(path: string): number {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return Infinity; // gone in the meantime
  }
}

/** Make the lock whole at once; false where there is one. */
function tryCreate(folder: string, path: string, holder: LockHolder): boolean {
  const temporary = join(folder, `.${randomUUID()}.lock`);
  writeFileSync(temporary, JSON.stringify(holder), { mode: 0o600, flag: 'wx' });
  try {
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(temporary);
  }
}

function locked(holder: LockHolder | null): StateError {
  const who = holder === null ? 'another process' : `process ${holder.pid} on ${holder.host}`;
  return new StateError(
    'DATA_FOLDER_LOCKED',
    `data folder: expected no other coordinator in it, ${who} uses it; stop that one or name another folder with --data`,
    holder === null ? {} : { pid: holder.pid },
  );
}

function readHolder(path: string): LockHolder | null {
  const text = readOrNull(path);
  if (text === null) return null;
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    // The file is made whole, so other content is not ours to remove.
    throw locked(null);
  }
}

/** Remove a dead holder's lock, one taker at a time. */
function removeDead(path: string): void {
  const takeover = `${path}.takeover`;
  if (ageMs(takeover) > takeoverDeadAfterMs) rmSync(takeover, { force: true });
  try {
    writeFileSync(takeover, '', { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') throw locked(null);
    throw error;
  }
  try {
    const holder = readHolder(path);
    if (holder !== null && isAlive(path, holder)) throw locked(holder);
    rmSync(path, { force: true });
  } finally {
    rmSync(takeover, { force: true });
  }
}

function isHeldBy(path: string, self: LockHolder): boolean {
  return readOrNull(path) === JSON.stringify(self);
}

/** Show that the holder lives; a lock that somebody removed is made again, unless another process has taken its place. */
function touch(folder: string, path: string, self: LockHolder): void {
  if (!isHeldBy(path, self) && !tryCreate(folder, path, self)) throw locked(readHolder(path));
  utimesSync(path, new Date(), new Date());
}

/** A lock that is held. */
export interface PidLock {
  /**
   * Show that the holder lives, which it does by itself every ten seconds.
   *
   * @throws StateError DATA_FOLDER_LOCKED where another process holds the lock by now
   */
  touch(): void;
  release(): void;
}

/**
 * Take the lock of a data folder.
 *
 * @throws StateError DATA_FOLDER_LOCKED where a live process holds it
 */
export function takePidLock(folder: string): PidLock {
  const path = join(folder, 'coordinator.lock');
  const self = thisHolder();
  if (!tryCreate(folder, path, self)) {
    const holder = readHolder(path);
    if (holder !== null && isAlive(path, holder)) throw locked(holder);
    removeDead(path);
    if (!tryCreate(folder, path, self)) throw locked(readHolder(path));
  }
  const touchThis = (): void => {
    touch(folder, path, self);
  };
  const touching = setInterval(touchThis, touchIntervalMs).unref();
  return {
    touch: touchThis,
    release: () => {
      clearInterval(touching);
      if (isHeldBy(path, self)) rmSync(path, { force: true });
    },
  };
}
