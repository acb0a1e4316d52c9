/** A backup's rows into an empty database, PGlite or PostgreSQL, whichever they came from. */
import { sql, type SQL } from 'drizzle-orm';
import { z } from 'zod';
import { fromUtf8, concatBytes } from '#core/bytes';
import { InputError } from '#core/errors';
import { encodeEntry } from '../audit/audit-entry.ts';
import type { Queries } from '../config/database.ts';
import { auditEntries } from '../config/schema.ts';
import { backupLimits, type BackupManifest, type BackupTable } from './backup-format.ts';
import {
  columnsOf,
  migrateForward,
  migrateTo,
  select,
  tablesOf,
  type RawDatabase,
} from './raw-database.ts';
import { readArchive } from './read-archive.ts';
import type { Pieces } from './tar.ts';

/** Rows are put in by so many bytes of JSON at a time. */
const batchBytes = 1024 * 1024;

/** Whether no table of this coordinator has a row. */
export async function isDatabaseEmpty(queries: Queries): Promise<boolean> {
  for (const table of await tablesOf(queries)) {
    const [row] = await select(
      queries,
      z.object({ isThere: z.boolean() }),
      sql`select exists(select 1 from ${sql.identifier(table)}) as "isThere"`,
    );
    if (row?.isThere === true) return false;
  }
  return true;
}

/** Move the tables of this coordinator, and what says which migrations they had, into a schema of their own. */
export async function moveTablesAside(queries: Queries, aside: string): Promise<void> {
  const tables = await tablesOf(queries);
  if (tables.length === 0) return;
  await queries.transaction(async (transaction) => {
    const to = sql.identifier(aside);
    await transaction.execute(sql`create schema ${to}`);
    for (const table of tables) {
      await transaction.execute(sql`alter table ${sql.identifier(table)} set schema ${to}`);
    }
    await transaction.execute(sql`alter table drizzle.__drizzle_migrations set schema ${to}`);
  });
}

/** Remove tables without a row, so that they can be made anew at the backup's own level. */
async function dropEmptyTables(queries: Queries): Promise<void> {
  const tables = await tablesOf(queries);
  if (tables.length === 0) return;
  await queries.transaction(async (transaction) => {
    for (const table of tables) {
      await transaction.execute(sql`drop table ${sql.identifier(table)}`);
    }
    await transaction.execute(sql`drop table if exists drizzle.__drizzle_migrations`);
  });
}

/**
 * Fill an empty database: its schema as the backup's, then the rows in one transaction, then this release's schema.
 *
 * @param read - opens the archive from its beginning
 */
export async function fillDatabase(
  database: RawDatabase,
  manifest: BackupManifest,
  read: () => Pieces,
): Promise<void> {
  await dropEmptyTables(database.queries);
  await migrateTo(database, manifest.schema);
  await database.queries.transaction(async (transaction) => {
    for (const table of manifest.tables) await checkColumns(transaction, table);
    await readArchive(read(), {
      onEntry: async ({ path, content }) => {
        const table = manifest.tables.find((each) => path === `database/${each.table}.ndjson`);
        if (table !== undefined) await fillTable(transaction, table, content);
      },
    });
  });
  await migrateForward(database);
}

async function checkColumns(queries: Queries, { table, columns }: BackupTable): Promise<void> {
  const here = (await columnsOf(queries, table)).sort().join(', ');
  const there = [...columns].sort().join(', ');
  if (here === there) return;
  throw new InputError(
    'BACKUP_INVALID',
    `backup, manifest.json: expected table ${table} with the columns ${here}, it has ${there}; report this`,
    { table },
  );
}

async function fillTable(queries: Queries, table: BackupTable, content: Pieces): Promise<void> {
  let rows = 0;
  let batch: string[] = [];
  let bytes = 0;
  const flush = async (): Promise<void> => {
    if (batch.length === 0) return;
    await queries.execute(insertOf(table, `[${batch.join(',')}]`));
    rows += batch.length;
    batch = [];
    bytes = 0;
  };
  for await (const line of linesOf(content, table.table)) {
    batch.push(line);
    bytes += line.length;
    if (bytes >= batchBytes) await flush();
  }
  await flush();
  if (rows !== table.rows) {
    throw new InputError(
      'BACKUP_INVALID',
      `backup, database/${table.table}.ndjson: expected ${table.rows} rows as the manifest says, it has ${rows}; report this`,
      { table: table.table },
    );
  }
  await setSequences(queries, table);
}

/** PostgreSQL itself reads rows from JSON by the names of the columns. */
function insertOf({ table, columns }: BackupTable, rows: string): SQL {
  const name = sql.identifier(table);
  const list = sql.join(
    columns.map((column) => sql.identifier(column)),
    sql`, `,
  );
  return sql`insert into ${name} (${list})
    select ${list} from json_populate_recordset(null::${name}, ${rows}::json)`;
}

/** Numbers that the database gives go on behind those of the rows. */
async function setSequences(queries: Queries, { table, rows }: BackupTable): Promise<void> {
  if (rows === 0) return;
  const columns = await select(
    queries,
    z.object({ name: z.string() }),
    sql`select column_name as name from information_schema.columns
        where table_schema = 'public' and table_name = ${table} and column_default like 'nextval(%'`,
  );
  for (const { name } of columns) {
    await queries.execute(
      sql`select setval(pg_get_serial_sequence(${table}::text, ${name}::text)::regclass, max(${sql.identifier(name)}))
          from ${sql.identifier(table)}`,
    );
  }
}

/** Split bytes into their lines. */
async function* linesOf(content: Pieces, table: string): AsyncGenerator<string> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const piece of content) {
    rest = rest.length === 0 ? piece : concatBytes(rest, piece);
    for (let end = rest.indexOf(0x0a); end !== -1; end = rest.indexOf(0x0a)) {
      yield fromUtf8(rest.subarray(0, end));
      rest = rest.subarray(end + 1);
    }
    if (rest.length > backupLimits.rowBytesMax) {
      throw new InputError(
        'BACKUP_INVALID',
        `backup, database/${table}.ndjson: expected rows of ${backupLimits.rowBytesMax} bytes at most, one is longer; report this`,
        { table },
      );
    }
  }
}

/** An update that was acknowledged, of a round that is open, and whose file the backup does not have. */
export interface LostUpdate {
  readonly task: string;
  readonly round: number;
  readonly site: string;
}

/** Let sites send again what is not whole, and tell which acknowledged updates are lost. */
export async function forgetAbsentUploads(
  queries: Queries,
  uploadIds: readonly string[],
): Promise<LostUpdate[]> {
  const lost: LostUpdate[] = [];
  for (const uploadId of uploadIds) {
    lost.push(
      ...(await select(
        queries,
        z.object({ task: z.string(), round: z.number(), site: z.string() }),
        sql`select rounds.task, rounds.round, uploads.site
            from uploads join rounds on rounds.id = uploads.round_id
            where uploads.upload_id = ${uploadId} and uploads.status = 'committed'
              and rounds.settled_at_ms is null`,
      )),
    );
    await queries.execute(
      sql`delete from upload_ranges using uploads
          where upload_ranges.upload_id = ${uploadId} and uploads.upload_id = upload_ranges.upload_id
            and uploads.status = 'open'`,
    );
  }
  return lost;
}

/** Say in the audit log that it goes on from a backup; the next start gives the entry its place. */
export async function recordRestore(
  queries: Queries,
  { createdAtMs, release }: BackupManifest,
  nowMs: number,
): Promise<void> {
  const entry = {
    atMs: nowMs,
    actor: 'administrator',
    action: 'coordinator.restored',
    target: 'coordinator',
    details: { backupAtMs: createdAtMs, backupRelease: release },
  };
  await queries.insert(auditEntries).values({ ...entry, payload: encodeEntry(entry) });
}
