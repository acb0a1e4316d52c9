/**
 * Rows held in memory: read once, then kept by the commits of this process, the only one that changes them.
 *
 * The database stays the source: whatever is in doubt is forgotten and read again.
 */
export class HeldRows<Key, Row> {
  readonly #read: () => Promise<Map<Key, Row>>;
  #rows: Map<Key, Row> | null = null;
  /** Grows with every change, so that what was read before one is not taken for what holds after it. */
  #changes = 0;

  constructor(read: () => Promise<Map<Key, Row>>) {
    this.#read = read;
  }

  /** All rows; read where they are not held. Not to be called within a transaction: the reading would wait for its end. */
  async all(): Promise<ReadonlyMap<Key, Row>> {
    for (;;) {
      if (this.#rows !== null) return this.#rows;
      const changes = this.#changes;
      const rows = await this.#read();
      if (changes === this.#changes) this.#rows = rows;
    }
  }

  /** All rows where they are held; null where they must be read. */
  held(): ReadonlyMap<Key, Row> | null {
    return this.#rows;
  }

  /** Take what was committed as the row of a key. */
  set(key: Key, row: Row): void {
    this.#changes += 1;
    this.#rows?.set(key, row);
  }

  /** Let go of a row that is committed and needed no more. */
  delete(key: Key): void {
    this.#changes += 1;
    this.#rows?.delete(key);
  }

  /** Let go of everything: it is read again. */
  forget(): void {
    this.#changes += 1;
    this.#rows = null;
  }
}
