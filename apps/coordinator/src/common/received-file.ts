/** A file that comes in pieces: there whole and durable, or not at all, and never in memory as a whole. */
import { randomUUID } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DurableFiles, onDisk } from './durable-files.ts';

type Pieces = AsyncIterable<Uint8Array>;

/**
 * Write a file from pieces so that it is there whole and durable, or not at all.
 *
 * @param use - reads the pieces to their end, each of which is written before it is handed on; what it throws leaves no file
 */
export async function receiveFile<T>(
  path: string,
  source: Pieces,
  use: (pieces: Pieces) => Promise<T>,
): Promise<T> {
  const temporary = join(dirname(path), `.${randomUUID()}.tmp`);
  try {
    const handle = await open(temporary, 'wx', 0o600);
    let result: T;
    try {
      result = await use(
        (async function* (): Pieces {
          for await (const piece of source) {
            await onDisk('file', () => handle.writeFile(piece));
            yield piece;
          }
        })(),
      );
      await onDisk('file', () => handle.sync());
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await new DurableFiles().syncFolder(dirname(path));
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
