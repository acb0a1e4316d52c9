/** One agent a data folder, one pull a backbone: a lock file with the holder's process id; a dead holder's lock is taken over. */
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StateError } from '#core/errors';
import { systemErrorCode } from './durable-file.ts';

function isAlive(processId: number): boolean {
  if (processId === process.pid) return false; // in a container the dead holder had our own id
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return systemErrorCode(error) === 'EPERM';
  }
}

async function claim(path: string): Promise<boolean> {
  try {
    const handle = await open(path, 'wx', 0o600);
    await handle.writeFile(String(process.pid));
    await handle.close();
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
 * @throws StateError DATA_FOLDER_LOCKED while a living process holds it
 */
export async function lockDirectory(
  directory: string,
  { file, who, advice }: LockPurpose = agentPurpose,
): Promise<() => Promise<void>> {
  const path = join(directory, file);
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await claim(path)) return () => rm(path, { force: true });
    const holder = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10);
    if (Number.isSafeInteger(holder) && holder > 0 && isAlive(holder)) {
      throw new StateError(
        'DATA_FOLDER_LOCKED',
        `${directory}: expected no other ${who} here, process ${holder} holds ${file}; stop it, or ${advice}`,
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
