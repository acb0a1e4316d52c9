/** The database: PGlite in the data folder, or PostgreSQL where an address is given; migrated when opened. */
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { drizzle as drizzlePostgres } from 'drizzle-orm/node-postgres';
import { migrate as migratePostgres } from 'drizzle-orm/node-postgres/migrator';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import { drizzle as drizzlePglite } from 'drizzle-orm/pglite';
import { migrate as migratePglite } from 'drizzle-orm/pglite/migrator';
import pg from 'pg';
import { UnavailableError } from '#core/errors';
import { packageRoot } from '../common/package-info.ts';
import { isDatabaseFolder, readDatabaseTemplate } from './database-template.ts';
import * as schema from './schema.ts';

/** Queries, inside or outside a transaction. */
export type Queries = PgDatabase<PgQueryResultHKT, typeof schema>;

/** An open database. */
export interface Database {
  readonly kind: 'pglite' | 'postgresql';
  readonly queries: Queries;
  close(): Promise<void>;
}

const migrationsFolder = join(packageRoot, 'apps', 'coordinator', 'migrations');

async function openPglite(folder: string): Promise<Database> {
  const loadDataDir = isDatabaseFolder(folder) ? null : await readDatabaseTemplate();
  const client = await PGlite.create(folder, loadDataDir === null ? {} : { loadDataDir });
  const queries = drizzlePglite(client, { schema });
  await migratePglite(queries, { migrationsFolder });
  return { kind: 'pglite', queries, close: () => client.close() };
}

async function openPostgres(url: string, onIdleError: (error: unknown) => void): Promise<Database> {
  const pool = new pg.Pool({ connectionString: url, max: 8, connectionTimeoutMillis: 10_000 });
  pool.on('error', onIdleError);
  const queries = drizzlePostgres(pool, { schema });
  await migratePostgres(queries, { migrationsFolder });
  return { kind: 'postgresql', queries, close: () => pool.end() };
}

/**
 * Open the database and bring its schema up to date.
 *
 * @param options - `folder` of PGlite, used unless `url` names a PostgreSQL
 */
export async function openDatabase(options: {
  readonly folder: string;
  readonly url: string | undefined;
  readonly onIdleError: (error: unknown) => void;
}): Promise<Database> {
  try {
    return options.url === undefined
      ? await openPglite(options.folder)
      : await openPostgres(options.url, options.onIdleError);
  } catch (cause) {
    throw new UnavailableError(
      'STORE_UNAVAILABLE',
      `database: expected to open ${options.url === undefined ? 'the embedded one in the data folder' : 'PostgreSQL at DATABASE_URL'}, it does not; see the cause, restore a backup if it is damaged`,
      {},
      { cause },
    );
  }
}

/** Tell whether the database answers. */
export async function isDatabaseAlive(database: Database): Promise<boolean> {
  try {
    await database.queries.execute(sql`select 1`);
    return true;
  } catch {
    return false; // any failure means the same to who asks; the failing query logs its own
  }
}
