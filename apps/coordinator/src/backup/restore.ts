/**
 * A backup back into a data folder: checked whole before anything is written, laid out in a folder `restoring` inside the
 * target, and moved into its place at the end. What was there before is moved aside, never removed.
 */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromHex } from '#core/bytes';
import { StateError } from '#core/errors';
import { DurableFiles, onDisk } from '../common/durable-files.ts';
import { restoringFolder } from '../config/data-folder.ts';
import { takePidLock } from '../config/pid-lock.ts';
import { announcedBytes, type BackupManifest } from './backup-format.ts';
import { checkAuditChain, checkResultChains, type ChainFinding } from './check-chains.ts';
import { checkFreeBytes, readPieces, syncTree } from './files.ts';
import { checkKeys, readKeys, usableKeys, writeKeysFolder, type SecretKeys } from './key-files.ts';
import {
  checkSchemaLevel,
  openRawDatabase,
  type DatabasePlace,
  type RawDatabase,
} from './raw-database.ts';
import { readArchive, type ArchiveVisitor, type CheckedArchive } from './read-archive.ts';
import {
  fillDatabase,
  forgetAbsentUploads,
  isDatabaseEmpty,
  moveTablesAside,
  recordRestore,
  type LostUpdate,
} from './restore-database.ts';

/** Room for what a fresh database takes, and for what rows take beside their text. */
const databaseFactor = 3;
const freshDatabaseBytes = 64 * 1024 * 1024;
const asidePrefix = 'before-restore-';

/** How a backup is restored. */
export interface RestoreOptions {
  /** The backup's file. */
  readonly from: string;
  /** The data folder. */
  readonly to: string;
  /** A file of `--keys-to`, or a folder of key files. */
  readonly keys: string;
  /** PostgreSQL; the embedded database of the data folder otherwise. */
  readonly databaseUrl: string | undefined;
  /** Whether what is there is moved aside; otherwise nothing may be there. */
  readonly isReplacing: boolean;
  readonly nowMs: number;
  readonly onProgress: NonNullable<ArchiveVisitor['onProgress']>;
}

/** What a restore did and found. */
export interface RestoreReport {
  readonly manifest: BackupManifest;
  readonly rows: number;
  readonly files: number;
  /** Files that the database names and the backup does not have. */
  readonly absent: CheckedArchive['contents']['absent'];
  readonly lostUpdates: readonly LostUpdate[];
  readonly chains: readonly ChainFinding[];
  /** Where what was there before is now: a folder, a schema of the database, both or none. */
  readonly movedTo: { readonly folder: string | null; readonly schema: string | null };
}

/**
 * Restore a backup.
 *
 * @throws InputError BACKUP_INVALID, CONFIG_INVALID for keys of another coordinator; StateError ALREADY_EXISTS where
 *   something is there, DATA_FOLDER_LOCKED where a coordinator runs in it; UnavailableError DISK_LOW
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreReport> {
  const secretKeys = await readKeys(options.keys);
  const archive = await check(options, secretKeys);
  await mkdir(options.to, { recursive: true, mode: 0o700 });
  const lock = takePidLock(options.to);
  try {
    return await restoreInto(options, archive, secretKeys);
  } finally {
    lock.release();
  }
}

/** Read the whole backup and write nothing. */
async function check(options: RestoreOptions, secretKeys: SecretKeys): Promise<CheckedArchive> {
  const keys = usableKeys(secretKeys);
  return readArchive(readPieces(options.from), {
    onManifest: async (manifest) => {
      checkSchemaLevel(manifest.schema, manifest.release);
      checkKeys(keys, manifest);
    },
    onProgress: options.onProgress,
  });
}

async function restoreInto(
  options: RestoreOptions,
  archive: CheckedArchive,
  secretKeys: SecretKeys,
): Promise<RestoreReport> {
  const { to, isReplacing, databaseUrl, nowMs } = options;
  const { manifest } = archive;
  const staging = restoringFolder(to);
  await rm(staging, { recursive: true, force: true }); // of a restore that was interrupted
  const before = await thingsIn(to);
  if (before.length > 0 && !isReplacing) throw somethingThere(`folder ${to}`);
  await checkFreeBytes(to, databaseFactor * announcedBytes(manifest) + freshDatabaseBytes);
  const place = { folder: join(staging, 'database'), url: databaseUrl };
  const stamp = new Date(nowMs).toISOString().replace(/\D/g, '').slice(0, 14);
  let stored: StoredDatabase;
  try {
    await layOut(options, staging, secretKeys);
    stored = await store(options, archive, place, `melo_before_${stamp}`);
    await syncTree(staging);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
  const aside = before.length > 0 ? join(to, `${asidePrefix}${stamp}`) : null;
  if (aside !== null) await moveAll(to, before, aside);
  await moveAll(staging, await readdir(staging), to);
  await rm(staging, { recursive: true });
  await new DurableFiles().syncFolder(to);
  const { lostUpdates, chains, schema } = stored;
  return {
    manifest,
    rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    files: archive.contents.entries.length - manifest.tables.length - 1,
    absent: archive.contents.absent,
    lostUpdates,
    chains,
    movedTo: { folder: aside, schema },
  };
}

/** What lies in a target, but for what restores themselves leave there. */
async function thingsIn(folder: string): Promise<string[]> {
  const own = /^(?:coordinator\.lock.*|before-restore-\d{14}|lost\+found)$/;
  return (await readdir(folder)).filter((name) => !own.test(name));
}

function somethingThere(what: string): StateError {
  return new StateError(
    'ALREADY_EXISTS',
    `restore: expected the ${what} to be empty, something is there; name another, or add --replace, which moves it aside`,
  );
}

async function moveAll(from: string, names: readonly string[], to: string): Promise<void> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  for (const name of names) await rename(join(from, name), join(to, name));
  await new DurableFiles().syncFolder(to);
}

/** Keys and files, as a coordinator finds them. */
async function layOut(
  options: RestoreOptions,
  staging: string,
  secretKeys: SecretKeys,
): Promise<void> {
  for (const part of ['blobs', 'uploads']) {
    await mkdir(join(staging, part), { recursive: true, mode: 0o700 });
  }
  await writeKeysFolder(join(staging, 'keys'), secretKeys);
  await readArchive(readPieces(options.from), {
    onEntry: async ({ path, bytes, content }) => {
      const [part = '', name = ''] = path.split('/');
      if (part !== 'blobs' && part !== 'uploads') return;
      const folder = join(staging, part, ...(part === 'blobs' ? [name.slice(0, 2)] : []));
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const whole = new Uint8Array(bytes); // at most that of one update
      let filled = 0;
      for await (const piece of content) {
        whole.set(piece, filled);
        filled += piece.length;
      }
      await onDisk('restore', () => writeFile(join(folder, name), whole, { mode: 0o600 }));
    },
  });
}

interface StoredDatabase {
  readonly lostUpdates: readonly LostUpdate[];
  readonly chains: readonly ChainFinding[];
  readonly schema: string | null;
}

/** The rows, and what the restored database says of itself. */
async function store(
  options: RestoreOptions,
  { manifest, contents }: CheckedArchive,
  place: DatabasePlace,
  aside: string,
): Promise<StoredDatabase> {
  const database = await openRawDatabase(place);
  try {
    const schema = await makeRoom(database, options, aside);
    await fillDatabase(database, manifest, () => readPieces(options.from));
    const { queries } = database;
    const chains = [
      await checkAuditChain(queries),
      ...(await checkResultChains(
        queries,
        manifest.federation,
        fromHex(manifest.keys.signingPublicKey),
      )),
    ];
    const absent = contents.absent.flatMap(({ path }) =>
      path.startsWith('uploads/') ? [path.slice('uploads/'.length)] : [],
    );
    const lostUpdates = await forgetAbsentUploads(queries, absent);
    await recordRestore(queries, manifest, options.nowMs);
    return { lostUpdates, chains, schema };
  } finally {
    await database.close();
  }
}

async function makeRoom(
  { queries }: RawDatabase,
  { isReplacing }: RestoreOptions,
  aside: string,
): Promise<string | null> {
  if (await isDatabaseEmpty(queries)) return null;
  if (!isReplacing) throw somethingThere('database');
  await moveTablesAside(queries, aside);
  return aside;
}
