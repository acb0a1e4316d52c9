/**
 * One agent a data folder, one pull a backbone: a lock file that names its holder; a dead holder's lock is taken over.
 *
 * It holds `PID`, and where the system tells them ` BOOT START` after it: after a power cut or a kill the same id belongs
 * to any other process sooner or later, another boot or another start shows that the holder is gone.
 */
import { open, readFile, rm, stat } from 'node:fs/promises';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { StateError } from '#core/errors';
import { readIfPresent, systemErrorCode } from './durable-file.ts';
import { atPath, type NamedPath } from './path-error.ts';

const readOrNull = (path: string): Promise<string | null> =>
  readFile(path, 'utf8').catch(() => null); // no /proc on this system, or none of that process

/** The machine's boot; null where the system does not tell. */
async function readBoot(): Promise<string | null> {
  return (await readOrNull('/proc/sys/kernel/random/boot_id'))?.trim() ?? null;
}

/** Clock ticks from boot to a process's start: field 22 of /proc/PID/stat, counted after the name in parentheses. */
async function readStart(processId: number): Promise<string | null> {
  const text = await readOrNull(`/proc/${processId}/stat`);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

async function describeThisProcess(): Promise<string> {
  const [boot, start] = await Promise.all([readBoot(), readStart(process.pid)]);
  return boot === null || start === null
    ? String(process.pid)
    : `${process.pid} ${boot} ${start}\n`;
}

function doesProcessExist(processId: number): boolean {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) === 'EPERM';
  }
}

/** Whether a file was last written before the machine's boot. */
async function isOlderThanBoot(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => null); // given back in the meantime
  return found === null || found.mtimeMs < Date.now() - uptime() * 1000;
}

/** Who holds a lock and lives; null where nobody does. */
async function findHolder(path: string): Promise<number | null> {
  const text = (await readIfPresent(path))?.toString('utf8') ?? '';
  const found = /^(?<id>[1-9]\d{0,9})(?: (?<boot>\S+) (?<start>\d+))?\s*$/.exec(text)?.groups;
  if (found === undefined) return null; // a power cut can leave it empty
  const processId = Number(found['id']);
  const thisBoot = await readBoot();
  if (found['boot'] === undefined || thisBoot === null) {
    // In a container the dead holder had our own id.
    if (processId === process.pid || (await isOlderThanBoot(path))) return null;
    return doesProcessExist(processId) ? processId : null;
  }
  if (found['boot'] !== thisBoot || !doesProcessExist(processId)) return null;
  const start = await readStart(processId);
  return start === null || start === found['start'] ? processId : null;
}

async function claim(path: string): Promise<boolean> {
  const content = await describeThisProcess();
  try {
    const handle = await open(path, 'wx', 0o600);
    try {
      await handle.writeFile(content);
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Who takes a lock, in the words of its message. */
export interface LockPurpose {
  readonly file: string;
  readonly who: string;
  readonly advice: string;
}

const agentPurpose: LockPurpose = {
  file: 'agent.lock',
  who: 'agent',
  advice: 'give this agent a dataDirectory of its own',
};

/**
 * Take the lock of a folder; the returned function gives it back.
 *
 * @throws StateError DATA_FOLDER_LOCKED while a living process holds it; InputError CONFIG_INVALID where it cannot be used
 */
export async function lockDirectory(
  directory: string,
  { file, who, advice }: LockPurpose = agentPurpose,
): Promise<() => Promise<void>> {
  const path = join(directory, file);
  const expected = 'a lock that this user can read and write';
  const named: NamedPath = { path, expected, code: 'CONFIG_INVALID' };
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await atPath(named, () => claim(path))) return () => rm(path, { force: true });
    const holder = await atPath(named, () => findHolder(path));
    if (holder !== null) {
      throw new StateError(
        'DATA_FOLDER_LOCKED',
        `${directory}: expected no other ${who} here, process ${holder} holds ${file}; stop it, or ${advice}; if process ${holder} is no melo, remove ${path}`,
        { holder },
      );
    }
    await rm(path, { force: true });
  }
  throw new StateError(
    'DATA_FOLDER_LOCKED',
    `${directory}: expected to take ${file}, another ${who} was faster; stop it, or ${advice}`,
  );
}
