/** Files that are there after a power cut once a call has returned. */
import { randomUUID } from 'node:crypto';
import {
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  type FileHandle,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { UnavailableError } from '#core/errors';
import { throughPort, type CallPort } from './calls.ts';

const systemErrorSchema = z.object({ code: z.string() });

/** The code of a system error, e.g. `ENOENT`; undefined for anything else. */
export function systemErrorCode(error: unknown): string | undefined {
  const parsed = systemErrorSchema.safeParse(error);
  return parsed.success ? parsed.data.code : undefined;
}

const fullCodes: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);
const brokenCodes: ReadonlySet<string | undefined> = new Set([
  ...['EIO', 'EROFS', 'ENXIO', 'ENODEV', 'ESTALE', 'ETIMEDOUT', 'EBUSY', 'EMFILE', 'ENFILE'],
]);

/** A failure of the disk in our own words; anything else stays as it is. */
export function toDiskError(what: string, cause: unknown): unknown {
  const code = systemErrorCode(cause);
  if (fullCodes.has(code)) {
    const message = `${what}: expected room on the disk, there is none; free some, the work goes on by itself`;
    return new UnavailableError('DISK_FULL', message, {}, { cause });
  }
  if (code !== undefined && brokenCodes.has(code)) {
    const message = `${what}: expected the disk to do it, it answers ${code}; look at the disk, the work goes on by itself`;
    return new UnavailableError('STORE_UNAVAILABLE', message, {}, { cause });
  }
  return cause;
}

/** Do disk work; its failures are told in our own words. */
export async function onDisk<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toDiskError(what, error);
  }
}

/** A file that is open; every call may throw DISK_FULL or STORE_UNAVAILABLE. */
export interface OpenFile {
  /** Write all bytes from an offset on. */
  write(bytes: Uint8Array, offset: number): Promise<void>;
  /** Read a range; shorter where the file ends. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Make what was written durable. */
  sync(): Promise<void>;
}

const temporaryPattern = /^\.[0-9a-f-]{36}\.tmp$/;

/** Files and folders, with the failures of the disk in our own words: DISK_FULL and STORE_UNAVAILABLE, both of which pass. */
export class DurableFiles {
  readonly #calls: CallPort;

  constructor(calls: CallPort = throughPort) {
    this.#calls = calls;
  }

  #call<T>(what: string, path: string, run: () => Promise<T>): Promise<T> {
    const call = { kind: 'file', name: `${what} ${basename(path)}` } as const;
    return onDisk(what, () => this.#calls.pass(call, run));
  }

  /** Make a folder that belongs to its owner alone, where it is missing. */
  async makeFolder(path: string): Promise<void> {
    await this.#call('mkdir', path, () => mkdir(path, { recursive: true, mode: 0o700 }));
  }

  /** Names in a folder. */
  list(path: string): Promise<string[]> {
    return this.#call('list', path, () => readdir(path));
  }

  /** Read a file whole. */
  async read(path: string): Promise<Uint8Array> {
    return new Uint8Array(await this.#call('read', path, () => readFile(path)));
  }

  /** Read a file whole as text; null where there is none. */
  async readText(path: string): Promise<string | null> {
    try {
      return await this.#call('read', path, () => readFile(path, 'utf8'));
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  /** Read one range of a file; shorter where the file ends. */
  readRange(path: string, offset: number, length: number): Promise<Uint8Array> {
    return this.use(path, 'r', 0, (file) => file.read(offset, length));
  }

  async exists(path: string): Promise<boolean> {
    try {
      await this.#call('stat', path, () => stat(path));
      return true;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  /** Remove a file, where it is there. */
  remove(path: string): Promise<void> {
    return this.#call('remove', path, () => rm(path, { force: true }));
  }

  /** Make a folder's entries durable. */
  async syncFolder(path: string): Promise<void> {
    await this.use(path, 'r', 0, (folder) => folder.sync());
  }

  /** Write a file whole or not at all: temporary file, fsync, rename, fsync of the folder. */
  async write(path: string, content: Uint8Array | string, mode = 0o600): Promise<void> {
    const temporary = join(dirname(path), `.${randomUUID()}.tmp`);
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    try {
      await this.use(temporary, 'wx', mode, async (file) => {
        await file.write(bytes, 0);
        await file.sync();
      });
      await this.#call('rename', path, () => rename(temporary, path));
    } catch (error) {
      // What cannot be removed now is removed at the next start: the failure before it is the one that counts.
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await this.syncFolder(dirname(path));
  }

  /** Open a file, use it, close it. */
  async use<T>(
    path: string,
    flags: string | number,
    mode: number,
    use: (file: OpenFile) => Promise<T>,
  ): Promise<T> {
    const handle = await this.#call('open', path, () => open(path, flags, mode));
    try {
      return await use(this.#openFile(path, handle));
    } finally {
      await this.#call('close', path, () => handle.close());
    }
  }

  #openFile(path: string, handle: FileHandle): OpenFile {
    return {
      write: (bytes, offset) => this.#call('write', path, () => writeAll(handle, bytes, offset)),
      read: (offset, length) => this.#call('read', path, () => readAll(handle, offset, length)),
      sync: () => this.#call('sync', path, () => handle.sync()),
    };
  }

  /**
   * Remove what {@link write} had not finished when a process ended; only while no other one writes there.
   *
   * @param folders - searched with all that is below them
   */
  async removeHalfWritten(folders: readonly string[]): Promise<void> {
    for (const folder of folders) {
      const read = () => readdir(folder, { recursive: true, withFileTypes: true });
      for (const entry of await this.#call('list', folder, read)) {
        if (!entry.isFile() || !temporaryPattern.test(entry.name)) continue;
        await this.remove(join(entry.parentPath, entry.name));
      }
    }
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const left = bytes.length - written;
    written += (await handle.write(bytes, written, left, offset + written)).bytesWritten;
  }
}

async function readAll(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const buffer = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, offset + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}
