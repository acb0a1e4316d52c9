/** What PGlite and PostgreSQL have in common: one transaction on one session, and what is known when it ends badly. */
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { isRolledBack, OutcomeUnknownError } from '../common/store-errors.ts';
import { packageRoot } from '../common/package-info.ts';
import type { Queries, TransactionKind, TransactionWork } from './database.ts';

/** Where the migrations lie. */
export const migrationsFolder = join(packageRoot, 'apps', 'coordinator', 'migrations');

/**
 * Do work between BEGIN and COMMIT; ROLLBACK is the caller's, wherever this throws.
 *
 * @throws OutcomeUnknownError where COMMIT was not answered, or not by a refusal
 */
export async function transact<T>(
  queries: Queries,
  work: TransactionWork<T>,
  kind: TransactionKind,
): Promise<T> {
  await queries.execute(
    kind === 'change' ? sql`begin` : sql`begin isolation level repeatable read read only`,
  );
  const result = await work(queries);
  try {
    await queries.execute(sql`commit`);
  } catch (error) {
    throw isRolledBack(error) ? error : new OutcomeUnknownError(error);
  }
  return result;
}

/** The same client with another `query`. */
export function withQuery<Client extends object>(
  client: Client,
  query: (...parameters: never[]) => Promise<unknown>,
): Client {
  return new Proxy(client, {
    get: (target, property): unknown =>
      property === 'query' ? query : Reflect.get(target, property, target),
  });
}
