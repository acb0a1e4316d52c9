/** Transactions, and word of how each ended: what is held in memory follows the database and never runs ahead of it. */
import { InvariantError } from '#core/errors';
import type { Queries } from '../config/database.ts';

/** Told once a transaction has ended; `isCommitted` is false too where nobody knows. */
export type TransactionListener = (isCommitted: boolean) => void;

/** Transactions that tell how they ended. */
export class Transactions {
  readonly #queries: Queries;
  readonly #listeners = new WeakMap<Queries, TransactionListener[]>();

  constructor(queries: Queries) {
    this.#queries = queries;
  }

  /** Run work in one transaction and return what it returns once that is committed. */
  async run<T>(work: (transaction: Queries) => Promise<T>): Promise<T> {
    const listeners: TransactionListener[] = [];
    let isCommitted = false;
    try {
      const result = await this.#queries.transaction((transaction) => {
        this.#listeners.set(transaction, listeners);
        return work(transaction);
      });
      isCommitted = true;
      return result;
    } finally {
      for (const listener of listeners) listener(isCommitted);
    }
  }

  /** Hear how a transaction of {@link run} ends. */
  whenEnded(transaction: Queries, listener: TransactionListener): void {
    const listeners = this.#listeners.get(transaction);
    if (listeners === undefined) {
      throw new InvariantError('transactions: expected a transaction of this class, got queries');
    }
    listeners.push(listener);
  }
}
