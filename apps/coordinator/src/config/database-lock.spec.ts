/** One coordinator a PostgreSQL database, whatever happens to the session that has the lock. */
import { once } from 'node:events';
import pg from 'pg';
import { openDatabase, type Database } from './database.ts';
import { sql } from 'drizzle-orm';
import { makeSpecDatabase, specServerUrl, type SpecDatabase } from '../testing/spec-database.ts';

const heldSessions = `select l.pid from pg_locks l join pg_database d on d.oid = l.database
  where l.locktype = 'advisory' and l.granted and d.datname = current_database()`;

(specServerUrl === undefined ? describe.skip : describe)('the lock of a database', () => {
  let place: SpecDatabase;
  let operator: pg.Client;
  beforeEach(async () => {
    place = await makeSpecDatabase(specServerUrl ?? '');
    operator = new pg.Client({ connectionString: place.url });
    operator.on('error', () => undefined);
    await operator.connect();
  });
  afterEach(async () => {
    await operator.end();
    await place.drop();
  });

  const open = (onIdleError: (error: unknown) => void = () => undefined): Promise<Database> =>
    openDatabase({ folder: '', url: place.url, onIdleError });
  /** End the session that has the lock, as a network or an operator would. */
  const endHolder = async (): Promise<void> => {
    await operator.query(`select pg_terminate_backend(pid) from (${heldSessions}) as held`);
  };
  const store = (database: Database): Promise<unknown> =>
    database.transaction((transaction) => transaction.execute(sql`select 1`));

  test('a second coordinator is refused and told who is there; after the first it may', async () => {
    const first = await open();
    const refused = expect.objectContaining({
      code: 'DATABASE_LOCKED',
      message: expect.stringContaining(`melo coordinator ${process.pid}`),
    });
    await expect(open()).rejects.toEqual(refused);
    await first.close();
    const second = await open();
    await second.close();
  });

  test('a session that is lost is taken again, and what is written waits for that', async () => {
    let tell: () => void = () => undefined;
    const lost = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const database = await open(() => {
      tell();
    });
    await endHolder();
    await lost;
    await store(database);
    expect((await operator.query(heldSessions)).rowCount).toBe(1);
    await database.close();
  });

  test('where another coordinator came meanwhile, the first one ends and writes nothing', async () => {
    const first = await open();
    const failed = first.failed.catch((error: unknown) => error);
    // Somebody takes the lock in the moment in which it is free.
    const other = new pg.Client({ connectionString: place.url, application_name: 'the other one' });
    await other.connect();
    const taking = other.query('select pg_advisory_lock($1, $2)', [0x6d656c6f, 1]);
    await endHolder();
    await taking;
    const refused = { code: 'DATABASE_LOCKED', message: expect.stringContaining('the other one') };
    expect(await failed).toMatchObject(refused);
    await expect(store(first)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    await first.close();
    const ended = once(other, 'end');
    await other.end();
    await ended;
  });

  test('where another one was there and is gone, the first one ends all the same', async () => {
    const first = await open();
    const failed = first.failed.catch((error: unknown) => error);
    await operator.query(`update settings set value = '"another"' where key = 'coordinator-mark'`);
    await endHolder();
    expect(await failed).toMatchObject({ code: 'DATABASE_LOCKED' });
    await first.close();
  });

  test('connections that are lost amid transactions end no process', async () => {
    const database = await open();
    const endAll = async (): Promise<void> => {
      await operator.query(`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and pid not in (${heldSessions})`);
    };
    let runs = 0;
    const failing = database.transaction(async (transaction) => {
      runs += 1;
      await transaction.execute(sql`select 1`);
      await endAll();
      await transaction.execute(sql`select 1`);
    });
    await expect(failing).rejects.toThrow();
    expect(runs).toBe(1);
    await store(database);
    await endAll();
    expect(await database.queries.execute(sql`select 1`)).toMatchObject({ rowCount: 1 });
    await database.close();
  });
});
