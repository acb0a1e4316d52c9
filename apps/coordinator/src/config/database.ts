/** The database: PGlite in the data folder, or PostgreSQL where an address is given; migrated when opened. */
import { sql } from 'drizzle-orm';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import { MeloError, UnavailableError } from '#core/errors';
import { throughPort, type CallPort } from '../common/calls.ts';
import { openPglite } from './pglite.ts';
import { openPostgres } from './postgres.ts';
import type * as schema from './schema.ts';

/** Queries, inside or outside a transaction. */
export type Queries = PgDatabase<PgQueryResultHKT, typeof schema>;

/** What is done in a transaction. */
export type TransactionWork<T> = (transaction: Queries) => Promise<T>;
/** A `snapshot` only reads, and all of it of one moment. */
export type TransactionKind = 'change' | 'snapshot';

/** An open database. */
export interface Database {
  readonly kind: 'pglite' | 'postgresql';
  /** Statements outside any transaction. */
  readonly queries: Queries;
  /**
   * Do work in one transaction.
   *
   * @throws ConnectionLostError where nothing was stored, OutcomeUnknownError where nobody knows
   */
  transaction<T>(work: TransactionWork<T>, kind?: TransactionKind): Promise<T>;
  /** Rejects once the database belongs to another coordinator: this one can do nothing but end. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** How a database is opened. */
export interface DatabaseOptions {
  /** Of PGlite, used unless `url` names a PostgreSQL. */
  readonly folder: string;
  readonly url: string | undefined;
  /** Told of connections that were lost while nothing ran on them. */
  readonly onIdleError: (error: unknown) => void;
  readonly calls?: CallPort;
}

/**
 * Open the database and bring its schema up to date.
 *
 * @throws StateError DATABASE_LOCKED where another coordinator uses it, UnavailableError STORE_UNAVAILABLE
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { folder, url, onIdleError, calls = throughPort } = options;
  try {
    return url === undefined
      ? await openPglite(folder, calls)
      : await openPostgres({ url, onIdleError, calls });
  } catch (cause) {
    if (cause instanceof MeloError && cause.code === 'DATABASE_LOCKED') throw cause;
    throw new UnavailableError(
      'STORE_UNAVAILABLE',
      `database: expected to open ${url === undefined ? 'the embedded one in the data folder' : 'PostgreSQL at DATABASE_URL'}, it does not; see the cause, restore a backup if it is damaged`,
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
