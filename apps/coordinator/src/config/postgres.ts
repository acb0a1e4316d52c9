/**
 * PostgreSQL: a pool of sessions, and the lock that keeps a second coordinator out.
 *
 * A connection may be lost at any moment, also between two statements. What was not sent to its end is tried again; where a
 * commit was under way, its session is awaited to end before anybody looks at what is stored.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';
import { z } from 'zod';
import { UnavailableError } from '#core/errors';
import type { CallPort } from '../common/calls.ts';
import { ConnectionLostError, isLoss, OutcomeUnknownError } from '../common/store-errors.ts';
import { DatabaseLock } from './database-lock.ts';
import type { Database, Queries, TransactionKind, TransactionWork } from './database.ts';
import * as schema from './schema.ts';
import { migrationsFolder, transact, withQuery } from './session.ts';

const sessionsMax = 8;
const connectTimeoutMs = 10_000;
/** Tries of a reading statement: the sessions of the pool are lost together where the server starts again. */
const readsMax = sessionsMax + 1;
const goneTimeoutMs = 5000;
const goneLookMs = 50;

/** How PostgreSQL is opened. */
export interface PostgresOptions {
  readonly url: string;
  readonly onIdleError: (error: unknown) => void;
  readonly calls: CallPort;
}

/** Open the database that an address names. */
export async function openPostgres(options: PostgresOptions): Promise<Database> {
  const { url, onIdleError, calls } = options;
  const lock = await DatabaseLock.take(url, onIdleError);
  const pool = new pg.Pool({
    connectionString: url,
    max: sessionsMax,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
  });
  pool.on('error', onIdleError);
  try {
    const database = new PostgresDatabase(pool, lock, calls);
    await migrate(drizzle(pool, { schema }), { migrationsFolder });
    await lock.claim(database.queries);
    return database;
  } catch (error) {
    await pool.end();
    await lock.release();
    throw error;
  }
}

const processSchema = z.object({ processID: z.number().int() });

class PostgresDatabase implements Database {
  readonly kind = 'postgresql';
  readonly queries: Queries;
  readonly failed: Promise<never>;
  readonly #pool: pg.Pool;
  readonly #lock: DatabaseLock;
  readonly #calls: CallPort;
  /** Sessions whose connection is known to be gone. */
  readonly #lost = new WeakSet<pg.ClientBase>();

  constructor(pool: pg.Pool, lock: DatabaseLock, calls: CallPort) {
    this.#pool = pool;
    this.#lock = lock;
    this.#calls = calls;
    this.failed = lock.failed;
    // Without a listener a connection that is lost amid a transaction would end the process.
    pool.on('connect', (client) => client.on('error', () => this.#lost.add(client)));
    const query = (config: pg.QueryConfig, values: unknown[]): Promise<unknown> =>
      this.#single(config, values);
    this.queries = drizzle(withQuery(pool, query), { schema });
  }

  async transaction<T>(work: TransactionWork<T>, kind: TransactionKind = 'change'): Promise<T> {
    await this.#lock.untilHeld();
    const client = await this.#connect();
    const query = (config: pg.QueryConfig, values: unknown[]): Promise<unknown> =>
      this.#send(client, config, values);
    try {
      const queries = drizzle(withQuery(client, query), { schema });
      const result = await transact(queries, work, kind);
      client.release();
      return result;
    } catch (error) {
      await this.#endBadly(client, error);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
    await this.#lock.release();
  }

  /** Roll back what failed; a session that cannot is given up, and the server rolls back by itself. */
  async #endBadly(client: pg.PoolClient, error: unknown): Promise<void> {
    const isUnknown = error instanceof OutcomeUnknownError;
    let isGivenUp = isUnknown || this.#lost.has(client);
    if (!isGivenUp) {
      try {
        await this.#send(client, { text: 'rollback' }, []);
      } catch {
        isGivenUp = true; // the failure before it is the one that counts
      }
    }
    client.release(isGivenUp);
    if (isUnknown) await this.#untilGone(client);
  }

  /** Wait until the server has ended a session: what it still does to its last statement is then done. */
  async #untilGone(client: pg.PoolClient): Promise<void> {
    const { data } = processSchema.safeParse(client);
    const text = 'select 1 from pg_stat_activity where pid = $1';
    const deadlineMs = performance.now() + goneTimeoutMs;
    while (data !== undefined && performance.now() < deadlineMs) {
      try {
        if ((await this.#pool.query(text, [data.processID])).rowCount === 0) return;
      } catch {
        // A server that is away has ended the session too.
      }
      await wait(goneLookMs);
    }
  }

  /** One statement by itself; one that only reads is sent again after a lost connection. */
  async #single(config: pg.QueryConfig, values: unknown[]): Promise<unknown> {
    const isReading = /^\s*select\b/i.test(config.text);
    if (!isReading) await this.#lock.untilHeld();
    for (let tries = 1; ; tries++) {
      try {
        return await this.#once(config, values);
      } catch (error) {
        const isAgain = isReading && error instanceof ConnectionLostError && tries < readsMax;
        if (!isAgain) throw error;
      }
    }
  }

  async #once(config: pg.QueryConfig, values: unknown[]): Promise<unknown> {
    const client = await this.#connect();
    try {
      return await this.#send(client, config, values);
    } finally {
      client.release(this.#lost.has(client));
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      const call = { kind: 'connect', name: 'connect' } as const;
      return await this.#calls.pass(call, () => this.#pool.connect());
    } catch (cause) {
      if (isLoss(cause)) throw new ConnectionLostError(cause);
      throw new UnavailableError(
        'STORE_UNAVAILABLE',
        'database: expected a session, none could be had; see the cause, it is tried again',
        {},
        { cause },
      );
    }
  }

  async #send(client: pg.PoolClient, config: pg.QueryConfig, values: unknown[]): Promise<unknown> {
    const cut = (): void => {
      client.connection.stream.destroy();
    };
    try {
      return await this.#calls.pass({ kind: 'statement', name: config.text, cut }, () =>
        client.query(config, values),
      );
    } catch (error) {
      if (this.#lost.has(client) || isLoss(error)) throw new ConnectionLostError(error);
      throw error;
    }
  }
}
