/** Files that are there after a power cut once a call has returned. */
import { randomUUID } from 'node:crypto';
import { open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { UnavailableError } from '#core/errors';

const systemErrorSchema = z.object({ code: z.string() });

/** The code of a system error, e.g. `ENOENT`; undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  const parsed = systemErrorSchema.safeParse(error);
  return parsed.success ? parsed.data.code : undefined;
}

/** Run disk work; a full disk becomes DISK_FULL, so that it is named and retried. */
export async function onDisk<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw cause;
    throw new UnavailableError(
      'DISK_FULL',
      `${what}: expected room on the disk, there is none; free some, the work goes on by itself`,
      {},
      { cause },
    );
  }
}

/** Make a folder's entries durable. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Write a file whole or not at all: temporary file, fsync, rename, fsync of the folder. */
export async function writeFileDurably(
  path: string,
  content: Uint8Array | string,
  mode = 0o600,
): Promise<void> {
  const temporary = join(dirname(path), `.${randomUUID()}.tmp`);
  await onDisk('write', async () => {
    try {
      await withFile(temporary, 'wx', mode, async (handle) => {
        await handle.writeFile(content);
        await handle.sync();
      });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(path));
  });
}

const temporaryPattern = /^\.[0-9a-f-]{36}\.tmp$/;

/**
 * Remove what {@link writeFileDurably} had not finished when a process ended; only while no other one writes there.
 *
 * @param folders - searched with all that is below them
 */
export async function removeHalfWritten(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !temporaryPattern.test(entry.name)) continue;
      await rm(join(entry.parentPath, entry.name), { force: true });
    }
  }
}

/** Open a file, use it, close it. */
export async function withFile<T>(
  path: string,
  flags: string | number,
  mode: number,
  use: (handle: FileHandle) => Promise<T>,
): Promise<T> {
  const handle = await open(path, flags, mode);
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}

/** Read one range of a file; shorter where the file ends. */
export async function readRange(path: string, offset: number, length: number): Promise<Uint8Array> {
  return withFile(path, 'r', 0, async (handle) => {
    const buffer = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  });
}
