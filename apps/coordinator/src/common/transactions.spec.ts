/** Listeners of a transaction hear of its end, after it and never before. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eq } from 'drizzle-orm';
import { InvariantError } from '#core/errors';
import { openDatabase, type Database, type Queries } from '../config/database.ts';
import { settings } from '../config/schema.ts';
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
