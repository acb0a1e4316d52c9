/** Pages of a list out of the database: which rows, in which order. */
import { asc, desc, sql, type SQL } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { PageKey, PageQuery } from './pages.contract.ts';

/** What a statement reads a page with. */
export interface PageStatement {
  /** Rows after the cursor; undefined for the first page. */
  readonly where: SQL | undefined;
  readonly orderBy: SQL[];
  /** One row more than are shown. */
  readonly limit: number;
}

/** Read a page of rows in the order of these columns, which together are unique; the cursor has a value for each. */
export function pageStatement(
  columns: readonly PgColumn[],
  order: 'ascending' | 'descending',
  { limit, cursor }: PageQuery<PageKey>,
): PageStatement {
  const isAscending = order === 'ascending';
  const comma = sql`, `;
  const isAfter = isAscending ? sql`>` : sql`<`;
  const values = cursor?.map((value, at) => sql.param(value, columns[at]));
  return {
    where:
      values === undefined
        ? undefined
        : sql`(${sql.join([...columns], comma)}) ${isAfter} (${sql.join(values, comma)})`,
    orderBy: columns.map((column) => (isAscending ? asc(column) : desc(column))),
    limit: limit + 1,
  };
}
