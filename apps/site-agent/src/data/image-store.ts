/** What is known of a site's images between two jobs of one process: digests, decoded pixels, and the folder behind them. */
import { makePrivateDirectory } from '../common/durable-file.ts';
import { FileHashes } from './file-hashes.ts';
import { ImageCache, systemDisk, type CacheDisk } from './image-cache.ts';
import { PixelMemory } from './pixel-memory.ts';

/** Decoded pixels kept in memory: a few thousand images of 224 pixels a side. */
const memoryBytesMax = 256 * 1024 * 1024;

interface Folder {
  readonly directory: string;
  readonly bytesMax: number;
  readonly cache: ImageCache;
}

/** Pixels by key, from memory or from the folder. */
export class ImageStore {
  readonly #hashes = new FileHashes();
  readonly #memory: PixelMemory;
  readonly #disk: CacheDisk;
  #folder: Folder | null = null;

  constructor(bytesMax = memoryBytesMax, disk = systemDisk) {
    this.#memory = new PixelMemory(bytesMax);
    this.#disk = disk;
  }

  /** SHA-256 of a file's content, in hexadecimal; read again only where the file may have changed. */
  hashOf(path: string): Promise<string> {
    return this.#hashes.hashOf(path);
  }

  /** A job begins, which keeps its images below this folder. */
  async beginJob(directory: string, bytesMax: number): Promise<void> {
    this.#memory.beginJob();
    const folder = this.#folder;
    if (folder?.directory === directory && folder.bytesMax === bytesMax) {
      await makePrivateDirectory(directory); // someone may have removed it to make room
      folder.cache.beginJob();
      return;
    }
    const cache = await ImageCache.open(directory, bytesMax, this.#disk);
    this.#folder = { directory, bytesMax, cache };
  }

  /** An entry's pixels, which the caller does not change; null where there is none. */
  async get(key: string): Promise<Uint8Array | null> {
    const kept = this.#memory.get(key);
    if (kept !== undefined) return kept;
    const pixels = (await this.#folder?.cache.get(key)) ?? null;
    if (pixels !== null) this.#memory.put(key, pixels);
    return pixels;
  }

  /** Keep pixels wherever there is room; the caller does not change them afterwards. */
  async put(key: string, pixels: Uint8Array): Promise<void> {
    this.#memory.put(key, pixels);
    await this.#folder?.cache.put(key, pixels);
  }
}
