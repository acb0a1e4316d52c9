/** Downloads one file into a partial one beside it, goes on after a cut, and names it only once every byte is right. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { InputError, MeloError, ProtocolError, UnavailableError } from '#core/errors';
import { isDiskFull, systemErrorCode } from '../common/durable-file.ts';
import type { HubFile } from './hub-client.ts';

const attemptsMax = 8;
const firstWaitMs = 1000;
const waitMsMax = 30_000;

/** What a download needs of the world. */
export interface DownloadOptions {
  readonly file: HubFile;
  /** Where the whole file shall lie; the partial one is `destination` with `.part`. */
  readonly destination: string;
  /** Read the file from an offset to its end. */
  readonly read: (file: HubFile, offset: number) => AsyncIterable<Uint8Array>;
  /** Told after each piece, and once at the start with what an earlier run left. */
  readonly onProgress?: (bytes: number) => void;
  /** Waits between attempts; a spec hands in one that does not. */
  readonly wait?: (ms: number) => Promise<unknown>;
}

/** Start the digest that a file's bytes must have; null where the hub promised none. */
function startDigest({ digest, bytes }: HubFile): Hash | null {
  switch (digest.kind) {
    case 'sha256':
      return createHash('sha256');
    case 'git-sha1':
      return createHash('sha1').update(`blob ${bytes}\0`); // git's name of a blob
    case 'none':
      return null;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** The partial file under way. */
interface Partial {
  readonly path: string;
  bytes: number;
  readonly digest: Hash | null;
}

/** Take up what an earlier run left: its bytes are hashed again, since nobody vouches for the disk. */
async function resume(file: HubFile, destination: string): Promise<Partial> {
  const digest = startDigest(file);
  const path = `${destination}.part`;
  await rename(destination, path).catch((error: unknown) => {
    if (systemErrorCode(error) !== 'ENOENT') throw error; // most often there is no whole file yet
  });
  let bytes = await sizeOf(path);
  if (bytes > file.bytes) {
    await rm(path);
    bytes = 0;
  }
  if (bytes > 0 && digest !== null) {
    for await (const chunk of createReadStream(path)) {
      if (chunk instanceof Uint8Array) digest.update(chunk);
    }
  }
  return { path, bytes, digest };
}

/** Append what one request brings; whatever it brings before it breaks is kept. */
async function append(partial: Partial, options: DownloadOptions): Promise<void> {
  const { file, read, onProgress } = options;
  const handle = await open(partial.path, 'a', 0o644);
  try {
    for await (const chunk of read(file, partial.bytes)) {
      if (partial.bytes + chunk.length > file.bytes) throw mismatch(file, 'more bytes came');
      await handle.writeFile(chunk);
      partial.digest?.update(chunk);
      partial.bytes += chunk.length;
      onProgress?.(partial.bytes);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function mismatch({ path, repository, bytes }: HubFile, what: string): ProtocolError {
  return new ProtocolError(
    'DIGEST_MISMATCH',
    `${path} of ${repository}: expected the ${bytes} bytes that the hub promised, ${what}; run the same command again, and look at the proxy or mirror between if it stays so`,
    { path, bytes },
  );
}

function cut({ path, repository, bytes }: HubFile, got: number): UnavailableError {
  return new UnavailableError(
    'HUB_UNREACHABLE',
    `${path} of ${repository}: expected ${bytes} bytes, the connection ended after ${got}; run the same command again: it goes on where it stood`,
    { path, bytes, got },
  );
}

function diskError(error: unknown, path: string): unknown {
  if (!isDiskFull(error)) return error;
  return new UnavailableError(
    'DISK_FULL',
    `${path}: expected room to write, the disk is full; free some space and run the same command again: it goes on where it stood`,
    {},
    { cause: error },
  );
}

const isWorthAnotherTry = (error: unknown): boolean =>
  error instanceof MeloError && error.code === 'HUB_UNREACHABLE';

/**
 * Download a file whole or not at all.
 *
 * A broken connection is taken up again, at most eight times in a row without a byte; a next run goes on at the partial file's end.
 *
 * @returns whether its digest was checked: false where the hub promised none
 * @throws ProtocolError DIGEST_MISMATCH, after which the partial file is gone; UnavailableError HUB_UNREACHABLE or DISK_FULL
 */
export async function downloadFile(options: DownloadOptions): Promise<boolean> {
  const { file, destination, onProgress, wait = delay } = options;
  const partial = await resume(file, destination);
  onProgress?.(partial.bytes);
  let failures = 0;
  while (partial.bytes < file.bytes) {
    const before = partial.bytes;
    try {
      await append(partial, options);
      if (partial.bytes < file.bytes) throw cut(file, partial.bytes);
    } catch (error) {
      if (error instanceof ProtocolError || error instanceof InputError) {
        await rm(partial.path, { force: true });
      }
      if (!isWorthAnotherTry(error)) throw diskError(error, partial.path);
      failures = partial.bytes > before ? 1 : failures + 1;
      if (failures >= attemptsMax) throw error;
      await wait(Math.min(waitMsMax, firstWaitMs * 2 ** (failures - 1)));
    }
  }
  const { digest } = file;
  if (digest.kind !== 'none' && partial.digest?.digest('hex') !== digest.hex) {
    await rm(partial.path, { force: true });
    throw mismatch(file, 'they have another digest');
  }
  await finish(partial.path, destination);
  return digest.kind !== 'none';
}

async function finish(path: string, destination: string): Promise<void> {
  const handle = await open(path, 'a', 0o644); // an empty file has no partial one yet
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(path, destination);
}
