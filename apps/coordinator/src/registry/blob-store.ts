/** Blobs by content: the name of a file is the BLAKE2b-256 of its bytes, never anything a user chose. */
import { dirname, join } from 'node:path';
import { Injectable } from '@nestjs/common';
import { toHex } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import { InputError, InvariantError } from '#core/errors';
import { digestSchema } from '#core/protocol';
import type { DurableFiles } from '../common/durable-files.ts';
import { Environment } from '../common/environment.ts';

/** Where a blob lies in the folder of blobs, whether or not it is there. */
export function blobPath(folder: string, digest: string): string {
  const name = digestSchema.parse(digest);
  return join(folder, name.slice(0, 2), name);
}

/** Blobs by content. */
@Injectable()
export class BlobStore {
  readonly #folder: string;
  readonly #files: DurableFiles;

  constructor(environment: Environment) {
    this.#files = environment.files;
    this.#folder = environment.folder.blobs;
  }

  /** Where a blob lies, whether or not it is there. */
  path(digest: string): string {
    return blobPath(this.#folder, digest);
  }

  /** Store bytes durably and return their digest; storing them again changes nothing. */
  async put(bytes: Uint8Array): Promise<string> {
    const digest = toHex(blake2b256(bytes));
    const path = this.path(digest);
    if (await this.#files.exists(path)) {
      // It may have been put there by a try that failed right after.
      await this.#files.syncFolder(dirname(path));
    } else {
      await this.#files.makeFolder(dirname(path));
      await this.#files.write(path, bytes);
    }
    await this.#files.syncFolder(this.#folder);
    return digest;
  }

  /** The digests of all blobs that lie there. */
  async list(): Promise<string[]> {
    const digests: string[] = [];
    for (const name of await this.#files.list(this.#folder)) {
      if (!/^[0-9a-f]{2}$/.test(name)) continue;
      const found = await this.#files.list(join(this.#folder, name));
      digests.push(...found.filter((each) => digestSchema.safeParse(each).success));
    }
    return digests;
  }

  /** Read a blob whole and check that it is still what its name says. */
  async get(digest: string): Promise<Uint8Array> {
    const bytes = await this.#files.read(this.path(digest));
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
    const bytes = await this.#files.readRange(this.path(digest), offset, length);
    if (bytes.length > 0) return bytes;
    throw new InputError(
      'REQUEST_INVALID',
      `blob ${digest.slice(0, 16)}: expected an offset before its end, got ${offset}; ask for a range within ciphertextBytes`,
      { offset },
    );
  }
}
