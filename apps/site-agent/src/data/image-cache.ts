/**
 * Decoded images on disk, so that a round does not decode again: a digest (32 bytes) and the bytes (S,S,3) in one file.
 *
 * Named by the source's content and the preprocessing; bounded in bytes, the least recently used go first. An entry that is
 * damaged is simply made again. On a disk that is all but full nothing more is kept: the cache is a matter of speed, and what
 * else lies on that disk is not.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readdir, rename, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDiskFull, makePrivateDirectory, readIfPresent } from '../common/durable-file.ts';

const digestBytes = 32;
/** Left free for records, updates and whoever else writes to the same disk. */
const reserveBytes = 256 * 1024 ** 2;
const digestOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

interface Entry {
  bytes: number;
  lastUsedMs: number;
}

/** The disk that a cache lies on. */
export interface CacheDisk {
  /** Bytes free where a folder lies. */
  freeBytes(directory: string): Promise<number>;
  /** Write a new file that only its owner can read. */
  write(path: string, pieces: readonly Uint8Array[]): Promise<void>;
}

/** The disk itself. */
export const systemDisk: CacheDisk = {
  freeBytes: async (directory) => {
    const { bavail, blocks, bsize } = await statfs(directory);
    return blocks === 0 ? Infinity : bavail * bsize; // some file systems do not tell
  },
  write: (path, pieces) => writeFile(path, pieces, { mode: 0o600 }),
};

/** The folder of decoded images. */
export class ImageCache {
  readonly #directory: string;
  readonly #bytesMax: number;
  readonly #disk: CacheDisk;
  readonly #entries = new Map<string, Entry>();
  readonly #inUse = new Set<string>();
  #bytes = 0;

  private constructor(directory: string, bytesMax: number, disk: CacheDisk) {
    this.#directory = directory;
    this.#bytesMax = bytesMax;
    this.#disk = disk;
  }

  /** Open the folder and see what is in it. */
  static async open(
    directory: string,
    bytesMax: number,
    disk: CacheDisk = systemDisk,
  ): Promise<ImageCache> {
    await makePrivateDirectory(directory);
    const cache = new ImageCache(directory, bytesMax, disk);
    for (const name of await readdir(directory)) {
      const info = await stat(join(directory, name)).catch(() => null); // removed meanwhile
      if (info === null) continue;
      if (name.endsWith('.rgb')) cache.#add(name, info.size, info.mtimeMs);
      else await rm(join(directory, name), { force: true }); // left by a crash
    }
    return cache;
  }

  /** Bytes in the folder. */
  get bytes(): number {
    return this.#bytes;
  }

  #add(name: string, bytes: number, lastUsedMs: number): void {
    this.#bytes += bytes - (this.#entries.get(name)?.bytes ?? 0);
    this.#entries.set(name, { bytes, lastUsedMs });
  }

  async #remove(name: string): Promise<void> {
    this.#bytes -= this.#entries.get(name)?.bytes ?? 0;
    this.#entries.delete(name);
    await rm(join(this.#directory, name), { force: true });
  }

  /** Another job begins: no entry is in use yet. */
  beginJob(): void {
    this.#inUse.clear();
  }

  /** Return an entry's pixels, or null where there is none or it is damaged. */
  async get(key: string): Promise<Uint8Array | null> {
    const name = `${key}.rgb`;
    if (!this.#entries.has(name)) return null;
    const path = join(this.#directory, name);
    const content = await readIfPresent(path);
    const pixels = content?.subarray(digestBytes);
    if (
      content === null ||
      pixels === undefined ||
      !content.subarray(0, digestBytes).equals(digestOf(pixels))
    ) {
      await this.#remove(name);
      return null;
    }
    if (!this.#inUse.has(name)) {
      this.#inUse.add(name);
      const now = new Date();
      await utimes(path, now, now).catch(() => undefined); // the order of eviction is a matter of speed only
    }
    return pixels;
  }

  /** Keep an entry, if there is room on the disk and beside the entries used by this job; tells whether it was kept. */
  async put(key: string, pixels: Uint8Array): Promise<boolean> {
    const name = `${key}.rgb`;
    const bytes = digestBytes + pixels.length;
    if (!(await this.#makeRoom(bytes))) return false;
    const path = join(this.#directory, name);
    // A name of its own: two images of the same content are decoded side by side, and both are put here.
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
    try {
      await this.#disk.write(temporary, [digestOf(pixels), pixels]);
      await rename(temporary, path);
    } catch (cause) {
      await rm(temporary, { force: true });
      if (isDiskFull(cause)) return false;
      throw cause;
    }
    this.#add(name, bytes, Date.now());
    this.#inUse.add(name);
    return true;
  }

  async #makeRoom(bytes: number): Promise<boolean> {
    // Asked for each image: it costs little beside the decoding of one, and others write to the disk too.
    if ((await this.#disk.freeBytes(this.#directory)) < reserveBytes + bytes) return false;
    if (this.#bytes + bytes <= this.#bytesMax) return true;
    const evictable = [...this.#entries]
      .filter(([name]) => !this.#inUse.has(name))
      .sort(([, a], [, b]) => a.lastUsedMs - b.lastUsedMs);
    for (const [name] of evictable) {
      if (this.#bytes + bytes <= this.#bytesMax) return true;
      await this.#remove(name);
    }
    return this.#bytes + bytes <= this.#bytesMax;
  }
}
