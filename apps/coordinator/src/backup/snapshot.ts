/**
 * One moment of a coordinator: every row in one transaction, written beside the database, and the files that those rows name.
 *
 * Blobs never change and are never removed. Uploads are: their files get a second name (a hard link) meanwhile, so that
 * neither the end of a retention nor a repeat of an upload takes them from a backup that is under way.
 */
import { copyFile, link, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { getTableName, sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { utf8 } from '#core/bytes';
import { InputError, InvariantError, UnavailableError } from '#core/errors';
import { digestSchema } from '#core/protocol';
import { DurableFiles, onDisk, systemErrorCode } from '../common/durable-files.ts';
import type { FreeBytes } from '../common/environment.ts';
import { packageVersion } from '../common/package-info.ts';
import { blobColumns } from '../config/blob-columns.ts';
import type { CoordinatorKeys, DataFolder } from '../config/data-folder.ts';
import type { Database, Queries } from '../config/database.ts';
import {
  backupLimits,
  manifestSchema,
  type AbsentFile,
  type BackupManifest,
  type BackupTable,
} from './backup-format.ts';
import { describeKeys } from './key-files.ts';
import { columnsOf, schemaLevel, select, tablesOf } from './raw-database.ts';

const rowsPerFetch = 200;
/** Rows take more room as JSON than in the database, which packs them. */
const jsonFactor = 4;

/** What a snapshot is made of. */
export interface SnapshotSource {
  readonly database: Pick<Database, 'kind' | 'transaction'>;
  readonly folder: DataFolder;
  readonly keys: CoordinatorKeys;
  readonly federation: string;
  readonly nowMs: number;
  readonly freeBytes: FreeBytes;
}

/** A file of the data folder that goes into a backup. */
export interface SnapshotFile {
  /** Its name in the backup. */
  readonly path: string;
  /** Where its bytes are. */
  readonly source: string;
  /** An open upload may grow meanwhile: what comes later belongs to no row of the snapshot. */
  readonly bytes: number;
  /** BLAKE2b-256 that its bytes must have; null for an upload that is not whole yet. */
  readonly digest: string | null;
}

/** One moment of a coordinator. */
export interface Snapshot {
  /** Where its tables and second names lie; gone once the backup has ended. */
  readonly folder: string;
  readonly manifest: BackupManifest;
  readonly files: readonly SnapshotFile[];
  readonly absent: readonly AbsentFile[];
}

/** Where snapshots are written; the next start removes what is left of one. */
export const snapshotFolder = (dataFolder: string): string => join(dataFolder, 'backup');

/**
 * Take a snapshot; whoever calls removes its folder in the end.
 *
 * @throws UnavailableError DISK_LOW before anything is written
 */
export async function takeSnapshot(source: SnapshotSource): Promise<Snapshot> {
  const folder = snapshotFolder(source.folder.path);
  await rm(folder, { recursive: true, force: true });
  try {
    for (const part of ['database', 'uploads']) {
      await mkdir(join(folder, part), { recursive: true, mode: 0o700 });
    }
    return await source.database.transaction(
      (transaction) => readAll(source, folder, transaction),
      'snapshot',
    );
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function readAll(
  source: SnapshotSource,
  folder: string,
  queries: Queries,
): Promise<Snapshot> {
  // Bytes and numbers as every PostgreSQL writes them by default, whatever this one is told.
  await queries.execute(sql`set local bytea_output = 'hex'`);
  await queries.execute(sql`set local extra_float_digits = 1`);
  // The first statement that reads fixes the moment: the uploads get their second names right after it.
  const uploads = await nameUploads(source, folder, queries);
  const names = await tablesOf(queries);
  await checkRoom(source, queries, names);
  const tables: BackupTable[] = [];
  for (const name of names) tables.push(await writeTable(queries, folder, name));
  const blobs = await findBlobs(source, queries);
  const manifest = manifestSchema.parse({
    type: 'melo-backup',
    version: 1,
    createdAtMs: source.nowMs,
    release: packageVersion,
    federation: source.federation,
    databaseKind: source.database.kind,
    schema: await schemaLevel(queries),
    keys: describeKeys(source.keys),
    tables,
    blobs: total(blobs.files),
    uploads: total(uploads.files),
  });
  return {
    folder,
    manifest,
    files: [...blobs.files, ...uploads.files],
    absent: [...blobs.absent, ...uploads.absent],
  };
}

const total = (files: readonly SnapshotFile[]) => ({
  files: files.length,
  bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
});

interface Found {
  readonly files: SnapshotFile[];
  readonly absent: AbsentFile[];
}

const uploadRow = z.object({
  uploadId: digestSchema,
  status: z.enum(['open', 'committed', 'rejected']),
  hasRanges: z.boolean(),
});

async function nameUploads(
  { folder: { uploads } }: SnapshotSource,
  folder: string,
  queries: Queries,
): Promise<Found> {
  // What has no round is an adapter that a site trained alone. An older schema can be asked so, but not for the column `request`.
  const rows = await select(
    queries,
    uploadRow,
    sql`select upload_id as "uploadId", uploads.status,
          exists(select 1 from upload_ranges where upload_ranges.upload_id = uploads.upload_id) as "hasRanges"
        from uploads left join rounds on rounds.id = uploads.round_id
        where rounds.wrapped_secret_key is not null
          or (uploads.round_id is null and uploads.status = 'open')
        order by upload_id`,
  );
  const found: Found = { files: [], absent: [] };
  for (const { uploadId, status, hasRanges } of rows) {
    const path = `uploads/${uploadId}`;
    const second = join(folder, path);
    const bytes = await nameOnceMore(join(uploads, uploadId), second);
    const digest = status === 'committed' ? uploadId : null;
    if (bytes !== null) found.files.push({ path, source: second, bytes, digest });
    else if (status !== 'rejected' && hasRanges) found.absent.push({ path, reason: 'missing' });
  }
  return found;
}

/** Give a file a second name and tell its size; null where it is not there. */
async function nameOnceMore(path: string, second: string): Promise<number | null> {
  try {
    await link(path, second);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    await onDisk('backup', () => copyFile(path, second)); // a file system without links
  }
  return (await stat(second)).size;
}

async function blobDigests(queries: Queries): Promise<{ readonly digest: string }[]> {
  const parts: SQL[] = [];
  for (const { table, column } of blobColumns) {
    // A database of an older release lacks some.
    if (!(await columnsOf(queries, getTableName(table))).includes(column.name)) continue;
    const [from, name] = [sql.identifier(getTableName(table)), sql.identifier(column.name)];
    parts.push(sql`select ${name} as digest from ${from} where ${name} is not null`);
  }
  const union = sql.join(parts, sql` union `);
  return select(queries, z.object({ digest: digestSchema }), sql`${union} order by digest`);
}

async function findBlobs({ folder: { blobs } }: SnapshotSource, queries: Queries): Promise<Found> {
  const rows = await blobDigests(queries);
  if (rows.length > backupLimits.entriesMax) {
    throw new InputError(
      'PAYLOAD_TOO_LARGE',
      `backup: expected ${backupLimits.entriesMax} files at most, there are ${rows.length}; copy the data folder with the coordinator stopped`,
    );
  }
  const found: Found = { files: [], absent: [] };
  for (const { digest } of rows) {
    const path = `blobs/${digest}`;
    const source = join(blobs, digest.slice(0, 2), digest);
    try {
      found.files.push({ path, source, bytes: (await stat(source)).size, digest });
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
      found.absent.push({ path, reason: 'missing' });
    }
  }
  return found;
}

async function checkRoom(
  { folder, freeBytes }: SnapshotSource,
  queries: Queries,
  tables: readonly string[],
): Promise<void> {
  const names = sql.join(
    tables.map((name) => sql`${name}`),
    sql`, `,
  );
  const [row] = await select(
    queries,
    z.object({ bytes: z.coerce.number() }),
    sql`select coalesce(sum(pg_table_size(oid)), 0)::text as bytes from pg_class
        where relnamespace = 'public'::regnamespace and relname in (${names})`,
  );
  const neededBytes = jsonFactor * (row?.bytes ?? 0);
  const free = await freeBytes(folder.path);
  if (free >= neededBytes) return;
  throw new UnavailableError(
    'DISK_LOW',
    `backup: expected room for the database as text, up to ${neededBytes} bytes, on the disk of the data folder, there are ${free}; free some and run it again`,
    { freeBytes: free, neededBytes },
  );
}

const lineSchema = z.object({ line: z.string() });

/** Write a table, a row a line, as the database itself writes it as JSON. */
async function writeTable(queries: Queries, folder: string, table: string): Promise<BackupTable> {
  const columns = await columnsOf(queries, table);
  const name = sql.identifier(table);
  await queries.execute(
    sql`declare backup_rows no scroll cursor for select row_to_json(t)::text as line from ${name} t`,
  );
  let rows = 0;
  let bytes = 0;
  const path = join(folder, 'database', `${table}.ndjson`);
  await new DurableFiles().use(path, 'wx', 0o600, async (file) => {
    for (;;) {
      const fetch = sql.raw(`fetch forward ${rowsPerFetch} from backup_rows`);
      const page = await select(queries, lineSchema, fetch);
      if (page.length === 0) break;
      const text = utf8(page.map(({ line }) => `${line}\n`).join(''));
      await file.write(text, bytes);
      rows += page.length;
      bytes += text.length;
    }
  });
  await queries.execute(sql`close backup_rows`);
  if (bytes > backupLimits.tableBytesMax) {
    throw new InvariantError(`backup: expected table ${table} to fit into an entry, it does not`);
  }
  return { table, columns, rows, bytes };
}
