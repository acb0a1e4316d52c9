/** Rows on their way into the database, many in one statement; and blobs on their way into their folder. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { PgTable } from 'drizzle-orm/pg-core';
import { toHex } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import type { Queries } from '../../apps/coordinator/src/config/database.ts';
import { blobPath } from '../../apps/coordinator/src/registry/blob-store.ts';

/** Rows of one statement: PostgreSQL takes 65,535 values, and no table has more than 25 columns. */
const rowsPerStatement = 500;

/** Rows by table, written in the order in which their tables were first named. */
export class Rows {
  readonly #flushes = new Map<PgTable, (queries: Queries) => Promise<void>>();
  readonly #waiting = new Map<PgTable, unknown[]>();

  /** Take rows of a table. */
  add<Table extends PgTable>(table: Table, ...added: readonly Table['$inferInsert'][]): void {
    const known = this.#waiting.get(table);
    if (known !== undefined) {
      known.push(...added);
      return;
    }
    const rows: Table['$inferInsert'][] = [...added];
    this.#waiting.set(table, rows);
    this.#flushes.set(table, async (queries) => {
      for (let at = 0; at < rows.length; at += rowsPerStatement)
        await queries.insert(table).values(rows.slice(at, at + rowsPerStatement));
      rows.length = 0;
    });
  }

  /** Write what was taken. */
  async flush(queries: Queries): Promise<void> {
    for (const flush of this.#flushes.values()) await flush(queries);
  }
}

/** Blobs of a folder, written without waiting for the disk: what is measured is not how they got there. */
export class Blobs {
  readonly #folder: string;
  readonly #waiting: Promise<void>[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Take a blob, and return the digest that names it. */
  add(bytes: Uint8Array): string {
    const digest = toHex(blake2b256(bytes));
    this.#waiting.push(this.#write(blobPath(this.#folder, digest), bytes));
    return digest;
  }

  async #write(path: string, bytes: Uint8Array): Promise<void> {
    if (!existsSync(dirname(path))) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(path, bytes, { mode: 0o600 });
  }

  /** Wait until what was taken is written. */
  async flush(): Promise<void> {
    await Promise.all(this.#waiting.splice(0));
  }
}
