/** Files of backups on this machine: read piece by piece, folders made durable, room looked for. */
import { createReadStream } from 'node:fs';
import { open, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, InvariantError, UnavailableError } from '#core/errors';
import { DurableFiles, systemErrorCode } from '../common/durable-files.ts';
import type { Pieces } from './tar.ts';

/** Read a file piece by piece. */
export async function* readPieces(path: string): Pieces {
  const stream: AsyncIterable<unknown> = createReadStream(path, { highWaterMark: 256 * 1024 });
  try {
    for await (const piece of stream) {
      if (!(piece instanceof Uint8Array)) throw new InvariantError('file: expected bytes');
      yield piece;
    }
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === undefined || !['ENOENT', 'EACCES', 'EISDIR'].includes(code)) throw cause;
    throw new InputError(
      'NOT_FOUND',
      `${path}: expected a file that can be read, got ${code}; check the path and its rights`,
      {},
      { cause },
    );
  }
}

/** Make everything below a folder durable. */
export async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) {
      const handle = await open(path, 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  }
  await new DurableFiles().syncFolder(folder);
}

/** Free bytes of the disk that a folder lies on. */
export async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/**
 * Check that there is room before anything is written.
 *
 * @throws UnavailableError DISK_LOW
 */
export async function checkFreeBytes(folder: string, neededBytes: number): Promise<void> {
  const freeBytes = await freeBytesOf(folder);
  if (freeBytes >= neededBytes) return;
  throw new UnavailableError(
    'DISK_LOW',
    `${folder}: expected room for ${neededBytes} bytes, there are ${freeBytes}; free some or name another disk`,
    { freeBytes, neededBytes },
  );
}
