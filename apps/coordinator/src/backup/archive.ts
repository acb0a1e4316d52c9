/** A snapshot as the bytes of an archive: made piece by piece, so that any size fits. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex, utf8 } from '#core/bytes';
import { blake2b256, signDomains, signPayload } from '#core/crypto';
import { InvariantError } from '#core/errors';
import { systemErrorCode } from '../common/durable-files.ts';
import {
  contentsSchema,
  parts,
  signatureSchema,
  type AbsentFile,
  type BackupContents,
} from './backup-format.ts';
import type { Snapshot, SnapshotFile } from './snapshot.ts';
import { tarEnd, tarHeader, tarPadding, type Pieces } from './tar.ts';

/** What a slow reader takes in well under a minute. */
const pieceBytes = 256 * 1024;

const hexDigest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Write the archive of a snapshot, signed at the end. */
export async function* writeArchive(snapshot: Snapshot, signingSecretKey: Uint8Array): Pieces {
  const { manifest, folder, files } = snapshot;
  const atMs = manifest.createdAtMs;
  const entries: BackupContents['entries'] = [];
  const absent: AbsentFile[] = [...snapshot.absent];
  const whole = function* (path: string, bytes: Uint8Array): Generator<Uint8Array> {
    yield tarHeader(path, bytes.length, atMs);
    for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
      yield bytes.subarray(offset, offset + pieceBytes);
    }
    yield tarPadding(bytes.length);
  };

  const beginning = utf8(JSON.stringify(manifest));
  entries.push({ path: parts.manifest, bytes: beginning.length, digest: hexDigest(beginning) });
  yield* whole(parts.manifest, beginning);
  for (const { table, bytes } of manifest.tables) {
    const path = `database/${table}.ndjson`;
    const hash = createHash('sha256');
    yield tarHeader(path, bytes, atMs);
    let left = bytes;
    for await (const piece of piecesOf(join(folder, path))) {
      hash.update(piece);
      left -= piece.length;
      yield piece;
    }
    if (left !== 0) throw new InvariantError(`backup: expected ${path} to stay as it was written`);
    yield tarPadding(bytes);
    entries.push({ path, bytes, digest: hash.digest('hex') });
  }
  for (const file of files) {
    const content = await readWhole(file);
    if (typeof content === 'string') {
      absent.push({ path: file.path, reason: content });
      continue;
    }
    entries.push({ path: file.path, bytes: content.length, digest: hexDigest(content) });
    yield* whole(file.path, content);
  }
  const contents = utf8(
    JSON.stringify(contentsSchema.parse({ type: 'melo-backup-contents', entries, absent })),
  );
  yield* whole(parts.contents, contents);
  const { signature } = signPayload(signDomains.backup, contents, signingSecretKey);
  const end = { type: 'melo-backup-signature', signature: toHex(signature) };
  yield* whole(parts.signature, utf8(JSON.stringify(signatureSchema.parse(end))));
  yield tarEnd();
}

/** The bytes of a file of the data folder, or why it cannot be in the backup. */
async function readWhole(file: SnapshotFile): Promise<Uint8Array | AbsentFile['reason']> {
  let all: Buffer;
  try {
    all = await readFile(file.source);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 'missing';
    throw error;
  }
  const bytes = all.subarray(0, file.bytes);
  if (file.digest === null || toHex(blake2b256(bytes)) === file.digest) return bytes;
  return 'damaged';
}

async function* piecesOf(path: string): Pieces {
  const stream: AsyncIterable<unknown> = createReadStream(path);
  for await (const piece of stream) {
    if (!(piece instanceof Uint8Array)) throw new InvariantError('backup: expected bytes');
    yield piece;
  }
}
