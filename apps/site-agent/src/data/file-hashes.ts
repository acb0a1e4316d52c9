/** Digests of files, made again only where a file's place, size or times say that it may be another. */
import { stat } from 'node:fs/promises';
import { contentHash } from './groups.ts';

/** Files remembered; about 200 bytes each. */
const filesMax = 200_000;
/** A file changed so lately may change again within the same tick of the file system's clock. */
const settledAfterMs = 2000;

/** What a spec replaces. */
export interface FileHashesPorts {
  readonly hash: (path: string) => Promise<string>;
  readonly now: () => number;
}

/** Remembers digests between the jobs of one process. */
export class FileHashes {
  readonly #ports: FileHashesPorts;
  readonly #known = new Map<string, { readonly identity: string; readonly hash: string }>();

  constructor(ports: Partial<FileHashesPorts> = {}) {
    this.#ports = { hash: contentHash, now: () => Date.now(), ...ports };
  }

  /** SHA-256 of a file's content, in hexadecimal. */
  async hashOf(path: string): Promise<string> {
    const { dev, ino, size, mtimeNs, ctimeNs, ctimeMs } = await stat(path, { bigint: true });
    const identity = [dev, ino, size, mtimeNs, ctimeNs].join('/');
    const known = this.#known.get(path);
    if (known?.identity === identity) return known.hash;
    const isSettled = this.#ports.now() - Number(ctimeMs) > settledAfterMs;
    const hash = await this.#ports.hash(path);
    const isRoom = known !== undefined || this.#known.size < filesMax;
    if (isSettled && isRoom) this.#known.set(path, { identity, hash });
    else this.#known.delete(path);
    return hash;
  }
}
