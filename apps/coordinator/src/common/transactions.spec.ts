/** Listeners of a transaction hear of its end, after it and never before. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { InvariantError } from '#core/errors';
import { openDatabase, type Database, type Queries } from '../config/database.ts';
import { settings } from '../config/schema.ts';
import { ConnectionLostError, OutcomeUnknownError } from './store-errors.ts';
import { Transactions, type TransactionEnd } from './transactions.ts';

describe('transactions', () => {
  let folder: string;
  let database: Database;
  let transactions: Transactions;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'melo-transactions-'));
    const onIdleError = (): void => undefined;
    database = await openDatabase({ folder: join(folder, 'db'), url: undefined, onIdleError });
    transactions = new Transactions(database);
  });
  afterAll(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });
  const isStored = async (key: string): Promise<boolean> =>
    (await database.queries.select().from(settings).where(eq(settings.key, key))).length > 0;
  const store = async (
    transaction: Queries,
    key: string,
    heard: TransactionEnd[],
  ): Promise<void> => {
    await transaction.insert(settings).values({ key, value: 1 });
    transactions.whenEnded(transaction, (end) => {
      heard.push(end);
    });
    expect(heard).toEqual([]);
  };

  test('tell that they were committed', async () => {
    const heard: TransactionEnd[] = [];
    await transactions.run((transaction) => store(transaction, 'kept', heard));
    expect(heard).toEqual(['committed']);
    expect(await isStored('kept')).toBe(true);
  });

  test('tell that they were not, where the work throws', async () => {
    const heard: TransactionEnd[] = [];
    const failing = transactions.run(async (transaction) => {
      await store(transaction, 'lost', heard);
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(heard).toEqual(['undone']);
    expect(await isStored('lost')).toBe(false);
  });

  test('know nothing of queries outside', () => {
    expect(() => {
      transactions.whenEnded(database.queries, () => undefined);
    }).toThrow(InvariantError);
  });
});

/** A database whose transactions end as they are told to, one after the other. */
function failing(...ends: readonly Error[]) {
  let runs = 0;
  return {
    runs: () => runs,
    transaction: async <T>(work: (transaction: Queries) => Promise<T>): Promise<T> => {
      const result = await work({ number: runs } as unknown as Queries);
      const end = ends[runs++];
      if (end !== undefined) throw end;
      return result;
    },
  };
}
const refusedWith = (code: string) =>
  new Error('query', { cause: Object.assign(new Error(), { code }) });

describe('a transaction that fails', () => {
  const endsOf = async (...ends: readonly Error[]) => {
    const heard: TransactionEnd[] = [];
    const failingDatabase = failing(...ends);
    const runner = new Transactions(failingDatabase);
    const result = await runner
      .run(async (transaction) => {
        runner.whenEnded(transaction, (end) => {
          heard.push(end);
        });
      })
      .then(() => 'done', String);
    return { heard, result, runs: failingDatabase.runs() };
  };

  test.each([
    ['a serialisation failure', refusedWith('40001')],
    ['a deadlock', refusedWith('40P01')],
    ['a connection lost before the commit', new ConnectionLostError(new Error('gone'))],
  ])('is run again after %s', async (_what, error) => {
    expect(await endsOf(error, error)).toEqual({
      heard: ['undone', 'undone', 'committed'],
      result: 'done',
      runs: 3,
    });
  });

  test('is given up after five runs', async () => {
    const { heard, runs } = await endsOf(...Array.from({ length: 9 }, () => refusedWith('40001')));
    expect(runs).toBe(5);
    expect(heard).toEqual(Array(5).fill('undone'));
  });

  test.each([
    ['a constraint', refusedWith('23505')],
    ['a disk that is full', refusedWith('53100')],
    ['a mistake of ours', new Error('no')],
  ])('is not run again after %s', async (_what, error) => {
    expect(await endsOf(error)).toMatchObject({ heard: ['undone'], runs: 1 });
  });

  test('is not run again where nobody knows whether it was stored, and says so', async () => {
    const unknown = new OutcomeUnknownError(refusedWith('40001'));
    expect(await endsOf(unknown)).toMatchObject({ heard: ['unknown'], runs: 1 });
  });
});
