/** A database as it is, no migration applied: what a backup reads of a stopped coordinator, and what a restore fills. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { getTableName, is, sql } from 'drizzle-orm';
import { readMigrationFiles } from 'drizzle-orm/migrator';
import { drizzle as drizzlePostgres } from 'drizzle-orm/node-postgres';
import { migrate as migratePostgres } from 'drizzle-orm/node-postgres/migrator';
import { PgTable, type PgTransactionConfig } from 'drizzle-orm/pg-core';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { migrate as migratePglite } from 'drizzle-orm/pglite/migrator';
import pg from 'pg';
import { z } from 'zod';
import { InputError, StateError, UnavailableError } from '#core/errors';
import { packageRoot, packageVersion } from '../common/package-info.ts';
import { isDatabaseFolder, readDatabaseTemplate } from '../config/database-template.ts';
import { DatabaseLock } from '../config/database-lock.ts';
import type { Database, Queries, TransactionKind } from '../config/database.ts';
import * as schema from '../config/schema.ts';
import type { SchemaLevel } from './backup-format.ts';

const migrationsFolder = join(packageRoot, 'apps', 'coordinator', 'migrations');

/** Names of the tables of this release. */
const knownTables: ReadonlySet<string> = new Set(
  Object.values(schema)
    .filter((each) => is(each, PgTable))
    .map((table) => getTableName(table)),
);

/** A database whose schema can be brought to a level. */
export interface RawDatabase extends Pick<Database, 'kind' | 'queries' | 'transaction' | 'close'> {
  /** Apply the migrations of a folder that are not applied yet. */
  migrate(folder: string): Promise<void>;
}

/** Where a database is: PostgreSQL where an address is given, else the folder of a PGlite. */
export interface DatabasePlace {
  readonly folder: string;
  readonly url: string | undefined;
}

const configOf = (kind: TransactionKind = 'change'): PgTransactionConfig | undefined =>
  kind === 'change' ? undefined : { isolationLevel: 'repeatable read', accessMode: 'read only' };

async function openPglite(folder: string): Promise<RawDatabase> {
  const loadDataDir = isDatabaseFolder(folder) ? null : await readDatabaseTemplate();
  const client = await PGlite.create(folder, loadDataDir === null ? {} : { loadDataDir });
  const queries = drizzlePglite(client, { schema });
  return {
    kind: 'pglite',
    queries,
    transaction: (work, kind) => queries.transaction(work, configOf(kind)),
    close: () => client.close(),
    migrate: (from) => migratePglite(queries, { migrationsFolder: from }),
  };
}

async function openPostgres(url: string): Promise<RawDatabase> {
  const lock = await DatabaseLock.take(url, () => undefined);
  const pool = new pg.Pool({ connectionString: url, max: 2, connectionTimeoutMillis: 10_000 });
  pool.on('error', () => undefined); // the next statement says so
  const queries = drizzlePostgres(pool, { schema });
  return {
    kind: 'postgresql',
    queries,
    transaction: (work, kind) => queries.transaction(work, configOf(kind)),
    close: async () => {
      await pool.end();
      await lock.release();
    },
    migrate: (from) => migratePostgres(queries, { migrationsFolder: from }),
  };
}

/**
 * Open a database and change nothing in it.
 *
 * @throws StateError DATABASE_LOCKED where a coordinator uses it, UnavailableError STORE_UNAVAILABLE
 */
export async function openRawDatabase({ folder, url }: DatabasePlace): Promise<RawDatabase> {
  try {
    return url === undefined ? await openPglite(folder) : await openPostgres(url);
  } catch (cause) {
    if (cause instanceof StateError) throw cause;
    throw new UnavailableError(
      'STORE_UNAVAILABLE',
      `database: expected to open ${url === undefined ? 'the embedded one' : 'PostgreSQL at DATABASE_URL'}, it does not; see the cause`,
      {},
      { cause },
    );
  }
}

/** Run a statement and parse the rows that it gives. */
export async function select<Row extends z.ZodType>(
  queries: Queries,
  row: Row,
  statement: Parameters<Queries['execute']>[0],
): Promise<z.output<Row>[]> {
  const result: unknown = await queries.execute(statement);
  return z.object({ rows: z.array(row) }).parse(result).rows;
}

/** The tables of this coordinator that a database has, by name. */
export async function tablesOf(queries: Queries): Promise<string[]> {
  const rows = await select(
    queries,
    z.object({ name: z.string() }),
    sql`select table_name as name from information_schema.tables
        where table_schema = 'public' and table_type = 'BASE TABLE' order by table_name`,
  );
  return rows.map(({ name }) => name).filter((name) => knownTables.has(name));
}

/** The columns of a table in their order. */
export async function columnsOf(queries: Queries, table: string): Promise<string[]> {
  const rows = await select(
    queries,
    z.object({ name: z.string() }),
    sql`select column_name as name from information_schema.columns
        where table_schema = 'public' and table_name = ${table} order by ordinal_position`,
  );
  return rows.map(({ name }) => name);
}

/**
 * Tell how far a database's schema has been brought.
 *
 * @throws StateError STATE_CONFLICT where it is none of this release or an older one
 */
export async function schemaLevel(queries: Queries): Promise<SchemaLevel> {
  const rows = await select(
    queries,
    z.object({ hash: z.string() }),
    sql`select hash from drizzle.__drizzle_migrations order by created_at`,
  );
  const last = rows.at(-1);
  const level = { migrations: rows.length, lastHash: last?.hash ?? '' };
  if (migrationHashes()[level.migrations - 1] === level.lastHash) return level;
  throw new StateError(
    'STATE_CONFLICT',
    `database: expected a schema of release ${packageVersion} or older, it has ${rows.length} migrations and another last one; use the release of the coordinator`,
    { migrations: rows.length },
  );
}

const migrationHashes = (): string[] =>
  readMigrationFiles({ migrationsFolder }).map(({ hash }) => hash);

/**
 * Check that this release knows the schema of a backup.
 *
 * @throws InputError BACKUP_INVALID where it is newer or another
 */
export function checkSchemaLevel(level: SchemaLevel, release: string): void {
  const known = migrationHashes();
  if (known[level.migrations - 1] === level.lastHash) return;
  const what =
    level.migrations > known.length
      ? `it is of schema ${level.migrations}, this release ${packageVersion} knows up to ${known.length}`
      : `its schema ${level.migrations} is not the one that this release ${packageVersion} knows`;
  throw new InputError(
    'BACKUP_INVALID',
    `backup, manifest.json: expected a schema of this release or an older one, ${what}; restore it with melo ${release} or newer`,
    { migrations: level.migrations, known: known.length },
  );
}

/** Bring an empty database to the schema that a backup was made of. */
export async function migrateTo(database: RawDatabase, level: SchemaLevel): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'melo-migrations-'));
  try {
    await cp(migrationsFolder, folder, { recursive: true });
    const file = join(folder, 'meta', '_journal.json');
    const journal = z
      .looseObject({ entries: z.array(z.unknown()) })
      .parse(JSON.parse(await readFile(file, 'utf8')));
    const entries = journal.entries.slice(0, level.migrations);
    await writeFile(file, JSON.stringify({ ...journal, entries }));
    await database.migrate(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Bring a database to the schema of this release. */
export const migrateForward = (database: RawDatabase): Promise<void> =>
  database.migrate(migrationsFolder);
