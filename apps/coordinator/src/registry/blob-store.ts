/** Blobs by content: the name of a file is the BLAKE2b-256 of its bytes, never anything a user chose. */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { toHex } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import { InputError, InvariantError } from '#core/errors';
import { digestSchema } from '#core/protocol';
import {
  onDisk,
  readRange,
  syncFolder,
  systemErrorCode,
  writeFileDurably,
} from '../common/durable-files.ts';
import { Environment } from '../common/environment.ts';

/** Blobs by content. */
@Injectable()
export class BlobStore {
  readonly #folder: string;

  constructor(environment: Environment) {
    this.#folder = environment.folder.blobs;
  }

  /** Where a blob lies, whether or not it is there. */
  path(digest: string): string {
    const name = digestSchema.parse(digest);
    return join(this.#folder, name.slice(0, 2), name);
  }

  /** Store bytes durably and return their digest; storing them again changes nothing. */
  async put(bytes: Uint8Array): Promise<string> {
    const digest = toHex(blake2b256(bytes));
    const path = this.path(digest);
    if (await this.#exists(path)) return digest;
    await onDisk('blob', () => mkdir(join(path, '..'), { recursive: true, mode: 0o700 }));
    await writeFileDurably(path, bytes);
    await syncFolder(this.#folder);
    return digest;
  }

  /** Read a blob whole and check that it is still what its name says. */
  async get(digest: string): Promise<Uint8Array> {
    const bytes = new Uint8Array(await readFile(this.path(digest)));
    if (toHex(blake2b256(bytes)) !== digest) {
      throw new InvariantError(
        `blob ${digest.slice(0, 16)}: expected the bytes of its name, the file has others; restore it from the backup`,
        { digest },
      );
    }
    return bytes;
  }

  /**
   * Read one range.
   *
   * @throws InputError REQUEST_INVALID where it begins behind the end
   */
  async range(digest: string, offset: number, length: number): Promise<Uint8Array> {
    const bytes = await readRange(this.path(digest), offset, length);
    if (bytes.length > 0) return bytes;
    throw new InputError(
      'REQUEST_INVALID',
      `blob ${digest.slice(0, 16)}: expected an offset before its end, got ${offset}; ask for a range within ciphertextBytes`,
      { offset },
    );
  }

  async #exists(path: string): Promise<boolean> {
    try {
      await stat(path);
      return true;
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return false;
      throw error;
    }
  }
}
