/**
 * One coordinator a PostgreSQL database: an advisory lock on a session of its own, which the server gives back when the
 * session ends, whatever ended it.
 *
 * Where that session is lost, nothing is written until the lock is taken again. It is, where nobody else was there meanwhile:
 * every coordinator leaves a mark of its own in the database when it starts. Where somebody was, what this one holds in memory
 * is worth nothing any more, and it ends.
 */
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { z } from 'zod';
import { toHex } from '#core/bytes';
import { randomBytes } from '#core/crypto';
import { StateError, UnavailableError } from '#core/errors';
import type { Queries } from './database.ts';
import { settings } from './schema.ts';

/** `melo` in ASCII, and the lock's number among ours. */
const lockKeys = [0x6d656c6f, 1];
const connectTimeoutMs = 10_000;
/** A coordinator that was killed a moment ago may still be known to the server. */
const takeTimeoutMs = 5000;
const lookMs = 200;
/** How long a transaction waits for the lock to be taken again. */
const heldTimeoutMs = 10_000;
const ownerKey = 'coordinator-mark';

const holderSchema = z.object({
  pid: z.number().int(),
  name: z.string(),
  address: z.string().nullable(),
});
type Holder = z.infer<typeof holderSchema>;

interface TakenLock {
  readonly kind: 'taken';
  readonly client: pg.Client;
  /** The server's number of the session. */
  readonly session: number;
}
interface RefusedLock {
  readonly kind: 'refused';
  /** Null where it let go of it in between. */
  readonly holder: Holder | null;
}

/** Seconds until the server lets go of a machine that went away without a goodbye: 10 + 3 * 5. */
const keepAlive =
  'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3';

function lockedBy(holder: Holder | null): StateError {
  const { pid, name, address } = holder ?? { pid: null, name: 'another process', address: null };
  const who = `${name}${address === null ? '' : ` at ${address}`}${pid === null ? '' : ` (session ${pid})`}`;
  return new StateError(
    'DATABASE_LOCKED',
    `database: expected no other coordinator in it, ${who} uses it; stop that one, or name another database with DATABASE_URL; one whose machine is gone is let go of after half a minute`,
    pid === null ? {} : { pid },
  );
}

function takenMeanwhile(): StateError {
  return new StateError(
    'DATABASE_LOCKED',
    'database: expected it to itself, another coordinator used it while the connection was lost; see that only one is started, then start this one again',
  );
}

function ending(cause: StateError): UnavailableError {
  const message = 'database: another coordinator has it, this one ends; ask that one';
  return new UnavailableError('SHUTTING_DOWN', message, {}, { cause });
}

/** The lock of one coordinator. */
export class DatabaseLock {
  /** Rejects once another coordinator has the database. */
  readonly failed: Promise<never>;
  readonly #url: string;
  readonly #onLost: (error: unknown) => void;
  readonly #mark = toHex(randomBytes(16));
  #fail: (error: StateError) => void = () => undefined;
  #failure: StateError | null = null;
  #client: pg.Client;
  /** The session that had the lock last; the server may not know yet that it is gone. */
  #session: number;
  /** Settles once the lock is held again; null while it is. */
  #taking: Promise<void> | null = null;
  #isReleased = false;

  private constructor(url: string, onLost: (error: unknown) => void, taken: TakenLock) {
    this.#url = url;
    this.#onLost = onLost;
    this.#client = taken.client;
    this.#session = taken.session;
    this.failed = new Promise((_resolve, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => undefined); // whoever waits for it hears of it
    this.#watch(taken);
  }

  /**
   * Take the lock of a database.
   *
   * @param onLost - told when its session is lost
   * @throws StateError DATABASE_LOCKED where another coordinator has it
   */
  static async take(url: string, onLost: (error: unknown) => void): Promise<DatabaseLock> {
    const deadlineMs = performance.now() + takeTimeoutMs;
    for (;;) {
      const taken = await tryTake(url);
      if (taken.kind === 'taken') return new DatabaseLock(url, onLost, taken);
      if (performance.now() > deadlineMs) throw lockedBy(taken.holder);
      await wait(lookMs);
    }
  }

  /** Leave this coordinator's mark in the database. */
  async claim(queries: Queries): Promise<void> {
    const value = this.#mark;
    await queries
      .insert(settings)
      .values({ key: ownerKey, value })
      .onConflictDoUpdate({ target: settings.key, set: { value } });
  }

  /**
   * Return at once where the lock is held, otherwise once it is again.
   *
   * @throws UnavailableError STORE_UNAVAILABLE where that takes too long, SHUTTING_DOWN where it never will be
   */
  async untilHeld(): Promise<void> {
    if (this.#taking === null) return;
    const timer = new AbortController();
    const tooLong = wait(heldTimeoutMs, true, { signal: timer.signal, ref: false });
    tooLong.catch(() => undefined); // aborted below
    const isTooLong = await Promise.race([this.#taking, tooLong]);
    timer.abort();
    if (this.#failure !== null) throw ending(this.#failure);
    if (isTooLong !== true) return;
    throw new UnavailableError(
      'STORE_UNAVAILABLE',
      'database: expected its lock to be taken again, the server does not answer; it is tried again',
    );
  }

  async release(): Promise<void> {
    this.#isReleased = true;
    await this.#client.end().catch(() => undefined); // the server lets go of it all the same
  }

  #watch({ client, session }: TakenLock): void {
    this.#client = client;
    this.#session = session;
    let isLost = false;
    const lost = (error?: unknown): void => {
      if (isLost || this.#isReleased) return;
      isLost = true;
      this.#onLost(error);
      this.#taking = this.#takeAgain();
    };
    client.on('error', lost);
    client.on('end', lost);
  }

  async #takeAgain(): Promise<void> {
    while (!this.#isReleased) {
      try {
        const taken = await tryTake(this.#url);
        if (taken.kind === 'taken') {
          await this.#resume(taken);
          return;
        }
        // The session that was lost may still stand at the server.
        if (taken.holder !== null && taken.holder.pid !== this.#session) {
          throw lockedBy(taken.holder);
        }
      } catch (error) {
        if (error instanceof StateError) {
          this.#failure = error;
          this.#fail(error);
          return;
        }
        // A server that is away is asked again.
      }
      await wait(lookMs);
    }
  }

  /** Go on with a lock that was taken again, unless another coordinator had it meanwhile. */
  async #resume(taken: TakenLock): Promise<void> {
    try {
      const query = 'select value from settings where key = $1';
      const { rows } = await taken.client.query<{ readonly value: unknown }>(query, [ownerKey]);
      if (rows[0]?.value !== this.#mark) throw takenMeanwhile();
    } catch (error) {
      await taken.client.end();
      throw error;
    }
    this.#watch(taken);
    this.#taking = null;
  }
}

/** Try to take the lock on a session of its own. */
async function tryTake(url: string): Promise<TakenLock | RefusedLock> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    application_name: `melo coordinator ${process.pid} on ${hostname()}`.slice(0, 63),
  });
  client.on('error', () => undefined); // the query that runs then fails by itself
  try {
    await client.connect();
    await client.query(keepAlive);
    const { rows } = await client.query<{ readonly taken: boolean; readonly session: number }>(
      'select pg_try_advisory_lock($1, $2) as taken, pg_backend_pid() as session',
      lockKeys,
    );
    if (rows[0]?.taken === true) return { kind: 'taken', client, session: rows[0].session };
    const holder = await findHolder(client);
    await client.end();
    return { kind: 'refused', holder };
  } catch (error) {
    await client.end().catch(() => undefined); // what failed before it is what counts
    throw error;
  }
}

async function findHolder(client: pg.Client): Promise<Holder | null> {
  const { rows } = await client.query(
    `select a.pid, a.application_name as name, host(a.client_addr) as address
       from pg_locks l join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.objsubid = 2
        and l.classid::bigint = $1 and l.objid::bigint = $2
        and l.database = (select oid from pg_database where datname = current_database())`,
    lockKeys,
  );
  return rows.length === 0 ? null : holderSchema.parse(rows[0]);
}
