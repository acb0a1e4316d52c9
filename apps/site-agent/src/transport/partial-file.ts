/** The part of a blob that is on this machine already: a file that only grows, so that its length says how far it is. */
import { open, readFile, rm, stat } from 'node:fs/promises';
import { UnavailableError } from '#core/errors';
import { isDiskFull, systemErrorCode } from '../common/durable-file.ts';

/** After so many bytes they are flushed: what a power cut costs at most. A kill costs nothing. */
const flushIntervalBytes = 1024 * 1024;

/** A blob's file while it is fetched; ranges come in any order and are appended in theirs. */
export class PartialFile {
  readonly #path: string;
  readonly #waiting = new Map<number, Uint8Array>();
  #bytes: number;
  #flushedBytes: number;
  #appending: Promise<void> = Promise.resolve();

  private constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
    this.#flushedBytes = bytes;
  }

  /** Take up what an earlier process left; a file longer than the blob is not of it. */
  static async open(path: string, bytesMax: number): Promise<PartialFile> {
    let bytes = 0;
    try {
      bytes = (await stat(path)).size;
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
    const partial = new PartialFile(path, bytes);
    if (bytes > bytesMax) await partial.remove();
    return partial;
  }

  /** Bytes that are there, without a gap. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Take the bytes at an offset; they are written once all before them are.
   *
   * @throws UnavailableError DISK_FULL
   */
  put(offset: number, bytes: Uint8Array): Promise<void> {
    this.#waiting.set(offset, bytes);
    this.#appending = this.#appending.then(() => this.#append());
    return this.#appending;
  }

  /** Read everything. */
  async read(): Promise<Uint8Array> {
    return new Uint8Array(await readFile(this.#path));
  }

  /** Remove the file. */
  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
    this.#bytes = 0;
    this.#flushedBytes = 0;
  }

  async #append(): Promise<void> {
    const next = this.#waiting.get(this.#bytes);
    if (next === undefined) return;
    try {
      const file = await open(this.#path, 'a', 0o600);
      try {
        for (let bytes = this.#take(); bytes !== undefined; bytes = this.#take()) {
          await file.writeFile(bytes);
          this.#bytes += bytes.length;
        }
        if (this.#bytes - this.#flushedBytes >= flushIntervalBytes) {
          await file.sync();
          this.#flushedBytes = this.#bytes;
        }
      } finally {
        await file.close();
      }
    } catch (cause) {
      if (!isDiskFull(cause)) throw cause;
      throw new UnavailableError(
        'DISK_FULL',
        `${this.#path}: expected room to write, the disk is full; free some space in the data folder`,
        {},
        { cause },
      );
    }
  }

  /** The bytes that come next, if they are there. */
  #take(): Uint8Array | undefined {
    const bytes = this.#waiting.get(this.#bytes);
    this.#waiting.delete(this.#bytes);
    return bytes;
  }
}
