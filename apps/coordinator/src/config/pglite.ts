/** PGlite: PostgreSQL in this process, one session whose statements and transactions take turns. */
import { PGlite, type QueryOptions } from '@electric-sql/pglite';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/pglite';
import { migrate } from 'drizzle-orm/pglite/migrator';
import type { CallPort } from '../common/calls.ts';
import { KeyedMutex } from '../common/mutex.ts';
import type { Database, Queries, TransactionKind, TransactionWork } from './database.ts';
import { isDatabaseFolder, readDatabaseTemplate } from './database-template.ts';
import * as schema from './schema.ts';
import { migrationsFolder, transact, withQuery } from './session.ts';

/** Open the database in a folder, or make one there. */
export async function openPglite(folder: string, calls: CallPort): Promise<Database> {
  const loadDataDir = isDatabaseFolder(folder) ? null : await readDatabaseTemplate();
  const client = await PGlite.create(folder, loadDataDir === null ? {} : { loadDataDir });
  await migrate(drizzle(client, { schema }), { migrationsFolder });
  return new PgliteDatabase(client, calls);
}

class PgliteDatabase implements Database {
  readonly kind = 'pglite';
  readonly queries: Queries;
  /** The lock of the data folder keeps others away for as long as the process lives. */
  readonly failed = new Promise<never>(() => undefined);
  readonly #client: PGlite;
  readonly #calls: CallPort;
  readonly #mutex = new KeyedMutex();
  /** Set where a transaction could not be rolled back yet. */
  #isOpen = false;

  constructor(client: PGlite, calls: CallPort) {
    this.#client = client;
    this.#calls = calls;
    this.queries = this.#queries((run) => this.#alone(run));
  }

  transaction<T>(work: TransactionWork<T>, kind: TransactionKind = 'change'): Promise<T> {
    const queries = this.#queries((run) => run());
    return this.#alone(async () => {
      try {
        return await transact(queries, work, kind);
      } catch (error) {
        this.#isOpen = true;
        await this.#rollBack().catch(() => undefined); // whoever comes next tries again
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await this.#mutex.run('', () => this.#client.close());
  }

  /** Run alone on the session, outside of any transaction. */
  #alone<T>(run: () => Promise<T>): Promise<T> {
    return this.#mutex.run('', async () => {
      if (this.#isOpen) await this.#rollBack();
      return run();
    });
  }

  async #rollBack(): Promise<void> {
    await this.#queries((run) => run()).execute(sql`rollback`);
    this.#isOpen = false;
  }

  #queries(turn: <T>(run: () => Promise<T>) => Promise<T>): Queries {
    const query = (text: string, values: unknown[], options: QueryOptions): Promise<unknown> =>
      turn(() =>
        this.#calls.pass({ kind: 'statement', name: text }, () =>
          this.#client.query(text, values, options),
        ),
      );
    return drizzle(withQuery(this.#client, query), { schema });
  }
}
