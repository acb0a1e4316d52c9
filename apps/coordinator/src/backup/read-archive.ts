/** Read an archive from its beginning to its end and check every byte of it. */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { concatBytes, fromHex } from '#core/bytes';
import { signDomains, verifyPayload } from '#core/crypto';
import { InputError, MeloError } from '#core/errors';
import {
  announcedBytes,
  backupLimits,
  contentsSchema,
  manifestSchema,
  parts,
  signatureSchema,
  type BackupContents,
  type BackupManifest,
} from './backup-format.ts';
import { readTar, type Pieces, type TarEntry } from './tar.ts';

/** What is done with an archive while it is checked. What it is given is known to be good only at the end. */
export interface ArchiveVisitor {
  onManifest?(manifest: BackupManifest): Promise<void>;
  /** An entry of data; content that is left over is read all the same. */
  onEntry?(entry: TarEntry): Promise<void>;
  onProgress?(bytesDone: number, bytesTotal: number): void;
}

/** An archive that is whole. */
export interface CheckedArchive {
  readonly manifest: BackupManifest;
  readonly contents: BackupContents;
}

function invalid(where: string, what: string, cause?: unknown): InputError {
  return new InputError(
    'BACKUP_INVALID',
    `backup, ${where}: ${what}; take another copy of the file or an older backup`,
    { entry: where },
    { cause },
  );
}

async function readBounded(entry: TarEntry, bytesMax: number): Promise<Uint8Array> {
  if (entry.bytes > bytesMax) {
    throw invalid(entry.path, `expected ${bytesMax} bytes at most, it has ${entry.bytes}`);
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of entry.content) pieces.push(piece.slice());
  return concatBytes(...pieces);
}

function parseJson<Schema extends z.ZodType>(
  schema: Schema,
  path: string,
  bytes: Uint8Array,
): z.output<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw invalid(path, 'expected JSON, it is something else', cause);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw invalid(path, `expected the documented form, field ${field} differs`);
}

const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The next entry, which must be this one. */
async function expectEntry(
  entries: AsyncGenerator<TarEntry, void>,
  path: string,
  bytesMax: number,
): Promise<Uint8Array> {
  const { value } = await entries.next();
  if (value === undefined) throw invalid('end', `expected ${path}, the archive ends here`);
  if (value.path !== path) throw invalid(value.path, `expected ${path} in its place`);
  return readBounded(value, bytesMax);
}

const digestsOf = (contents: BackupContents) =>
  new Map(contents.entries.map(({ path, digest }) => [path, digest]));

/**
 * Read an archive whole.
 *
 * @throws InputError BACKUP_INVALID naming the entry that is not what the coordinator signed
 */
export async function readArchive(
  source: Pieces,
  visitor: ArchiveVisitor = {},
): Promise<CheckedArchive> {
  const entries = readTar(source);
  try {
    return await readEntries(entries, visitor);
  } finally {
    await entries.return(undefined);
  }
}

async function readEntries(
  entries: AsyncGenerator<TarEntry, void>,
  visitor: ArchiveVisitor,
): Promise<CheckedArchive> {
  const beginning = await expectEntry(entries, parts.manifest, backupLimits.manifestBytesMax);
  const manifest = parseJson(manifestSchema, parts.manifest, beginning);
  await visitor.onManifest?.(manifest);
  const seen = new Map<string, string>([[parts.manifest, digestOf(beginning)]]);
  const bytesTotal = announcedBytes(manifest);
  let bytesDone = 0;
  for (;;) {
    const { value: entry } = await entries.next();
    if (entry === undefined) throw invalid('end', 'expected contents.json, the archive ends here');
    if (entry.path === parts.contents) {
      const bytes = await readBounded(entry, backupLimits.contentsBytesMax);
      const contents = parseJson(contentsSchema, parts.contents, bytes);
      checkContents(manifest, contents, seen);
      const end = await expectEntry(entries, parts.signature, backupLimits.signatureBytesMax);
      checkSignature(manifest, bytes, parseJson(signatureSchema, parts.signature, end).signature);
      if ((await entries.next()).done !== true) throw invalid('end', 'expected nothing behind it');
      return { manifest, contents };
    }
    checkAnnounced(manifest, entry);
    if (seen.has(entry.path) || seen.size > backupLimits.entriesMax) {
      throw invalid(entry.path, 'expected every entry once, and not so many of them');
    }
    const hash = createHash('sha256');
    const content = watched(entry.content, (piece) => {
      hash.update(piece);
      bytesDone += piece.length;
      visitor.onProgress?.(bytesDone, bytesTotal);
    });
    await visitor.onEntry?.({ ...entry, content });
    await drain(content);
    seen.set(entry.path, hash.digest('hex'));
  }
}

/** Read what a visitor left. */
async function drain(content: Pieces): Promise<void> {
  const iterator = content[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
}

/** Pass pieces on, telling of each; what is left can be read by another loop. */
function watched(source: Pieces, onPiece: (piece: Uint8Array) => void): Pieces {
  const iterator = source[Symbol.asyncIterator]();
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const result = await iterator.next();
        if (result.done !== true) onPiece(result.value);
        return result;
      },
    }),
  };
}

function checkAnnounced(manifest: BackupManifest, { path, bytes }: TarEntry): void {
  if (/^(?:blobs|uploads)\/[0-9a-f]{64}$/.test(path)) {
    if (bytes > backupLimits.fileBytesMax) throw invalid(path, 'expected a smaller file');
    return;
  }
  const table = manifest.tables.find((each) => path === `database/${each.table}.ndjson`);
  if (table === undefined) throw invalid(path, 'expected an entry of a backup, it is none');
  if (table.bytes !== bytes) {
    throw invalid(path, `expected ${table.bytes} bytes as the manifest says, it has ${bytes}`);
  }
}

function checkContents(
  manifest: BackupManifest,
  contents: BackupContents,
  seen: ReadonlyMap<string, string>,
): void {
  const expected = digestsOf(contents);
  for (const { table } of manifest.tables) {
    const path = `database/${table}.ndjson`;
    if (!seen.has(path)) throw invalid(path, 'expected it, it is missing');
  }
  for (const [path, digest] of seen) {
    if (expected.get(path) === digest) continue;
    throw invalid(path, 'expected the bytes that the coordinator wrote, it has others');
  }
  for (const path of expected.keys()) {
    if (!seen.has(path)) throw invalid(path, 'expected it, it is missing');
  }
}

function checkSignature(manifest: BackupManifest, payload: Uint8Array, signature: string): void {
  try {
    const envelope = { payload, signature: fromHex(signature) };
    verifyPayload(signDomains.backup, envelope, fromHex(manifest.keys.signingPublicKey));
  } catch (cause) {
    if (!(cause instanceof MeloError)) throw cause;
    throw invalid(parts.signature, 'expected the signature of the coordinator', cause);
  }
}
