/** One agent a data folder: a lock file with the holder's process id; a dead holder's lock is taken over. */
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

/**
 * Take the lock of a data folder; the returned function gives it back.
 *
 * @throws StateError DATA_FOLDER_LOCKED while a living process holds it
 */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(directory, 'agent.lock');
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await claim(path)) return () => rm(path, { force: true });
    const holder = Number.parseInt(await readFile(path, 'utf8').catch(() => ''), 10);
    if (Number.isSafeInteger(holder) && holder > 0 && isAlive(holder)) {
      throw new StateError(
        'DATA_FOLDER_LOCKED',
        `${directory}: expected no other agent here, process ${holder} holds agent.lock; stop it, or give this agent a dataDirectory of its own`,
        { holder },
      );
    }
    await rm(path, { force: true });
  }
  throw new StateError(
    'DATA_FOLDER_LOCKED',
    `${directory}: expected to take agent.lock, another agent was faster; start one agent a dataDirectory`,
  );
}
