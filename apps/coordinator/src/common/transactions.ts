/**
 * Transactions: repeated where nothing was stored and the same may go through, and word of how each ended, so that what is
 * held in memory follows the database and never runs ahead of it.
 */
import { randomInt } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { InvariantError } from '#core/errors';
import type { Database, Queries, TransactionWork } from '../config/database.ts';
import { isRepeatable, OutcomeUnknownError } from './store-errors.ts';

/** How a transaction ended; `unknown` where the connection was lost at its commit: the database alone knows. */
export type TransactionEnd = 'committed' | 'undone' | 'unknown';

/** Told once a transaction has ended. */
export type TransactionListener = (end: TransactionEnd) => void;

/** Runs of one transaction at most. */
const runsMax = 5;
/** Milliseconds before the second run, twice as long before each further one; up to as much again by chance. */
const delayMs = 25;

/** Transactions that tell how they ended. */
export class Transactions {
  readonly #database: Pick<Database, 'transaction'>;
  readonly #listeners = new WeakMap<Queries, TransactionListener[]>();

  constructor(database: Pick<Database, 'transaction'>) {
    this.#database = database;
  }

  /**
   * Run work in one transaction and return what it returns once that is committed. After a serialisation failure, a deadlock
   * or a connection that was lost before the commit the work is run again: it must not do anything but through the transaction.
   *
   * @throws OutcomeUnknownError where the connection was lost at the commit; listeners hear of it as `unknown`
   */
  async run<T>(work: TransactionWork<T>): Promise<T> {
    for (let run = 1; ; run++) {
      try {
        return await this.#runOnce(work);
      } catch (error) {
        if (run === runsMax || !isRepeatable(error)) throw error;
        const longestMs = delayMs * 2 ** run;
        await wait(randomInt(longestMs / 2, longestMs));
      }
    }
  }

  async #runOnce<T>(work: TransactionWork<T>): Promise<T> {
    const listeners: TransactionListener[] = [];
    let end: TransactionEnd = 'undone';
    try {
      const result = await this.#database.transaction((transaction) => {
        this.#listeners.set(transaction, listeners);
        return work(transaction);
      });
      end = 'committed';
      return result;
    } catch (error) {
      if (error instanceof OutcomeUnknownError) end = 'unknown';
      throw error;
    } finally {
      for (const listener of listeners) listener(end);
    }
  }

  /** Hear how a transaction of {@link run} ends; of each run by itself, where it is run again. */
  whenEnded(transaction: Queries, listener: TransactionListener): void {
    const listeners = this.#listeners.get(transaction);
    if (listeners === undefined) {
      throw new InvariantError('transactions: expected a transaction of this class, got queries');
    }
    listeners.push(listener);
  }
}
