/** API tokens as they are stored: the hash of the secret alone. */
import { Injectable } from '@nestjs/common';
import { and, asc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { scopeSchema } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { pageOf, type Page } from '../common/pages.contract.ts';
import { pageStatement } from '../common/pages.ts';
import type { Queries } from '../config/database.ts';
import { apiTokens } from '../config/schema.ts';
import type { TokensQuery } from './tokens.contract.ts';

const tokenRecordSchema = z.object({
  tokenHash: z.string(),
  token: z.string(),
  name: z.string(),
  owner: z.string().nullable(),
  scopes: z.array(scopeSchema),
  createdAtMs: z.number(),
  expiresAtMs: z.number(),
  lastUsedAtMs: z.number().nullable(),
});
/** A token as it is stored. */
export type TokenRecord = z.infer<typeof tokenRecordSchema>;

/** Milliseconds within which uses are noted once. */
const useNotedMs = 60_000;

/** API tokens as they are stored. */
@Injectable()
export class TokenStore {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  async list(queries: Queries = this.#environment.queries): Promise<TokenRecord[]> {
    const rows = await queries.select().from(apiTokens).orderBy(asc(apiTokens.createdAtMs));
    return rows.map((row) => tokenRecordSchema.parse(row));
  }

  /** A page of the tokens of one owner, or of everybody where it is null, oldest first. */
  async page(owner: string | null, query: TokensQuery): Promise<Page<TokenRecord>> {
    const { createdAtMs, token } = apiTokens;
    const { where, orderBy, limit } = pageStatement([createdAtMs, token], 'ascending', query);
    const rows = await this.#environment.queries
      .select()
      .from(apiTokens)
      .where(and(owner === null ? undefined : eq(apiTokens.owner, owner), where))
      .orderBy(...orderBy)
      .limit(limit);
    const found = rows.map((row) => tokenRecordSchema.parse(row));
    return pageOf(found, query.limit, (record) => [record.createdAtMs, record.token]);
  }

  /** Find a token that has not expired, by hash. */
  async find(hash: string): Promise<TokenRecord | null> {
    const [row] = await this.#environment.queries
      .select()
      .from(apiTokens)
      .where(eq(apiTokens.tokenHash, hash));
    if (row === undefined || row.expiresAtMs <= this.#environment.clock.wallTimeMs()) return null;
    return tokenRecordSchema.parse(row);
  }

  async insert(transaction: Queries, record: TokenRecord): Promise<void> {
    await transaction.insert(apiTokens).values(record);
  }

  async remove(transaction: Queries, token: string): Promise<void> {
    await transaction.delete(apiTokens).where(eq(apiTokens.token, token));
  }

  /** Note that a token was used, unless that was noted within the last minute. */
  async noteUse({ tokenHash, lastUsedAtMs }: TokenRecord): Promise<void> {
    const nowMs = this.#environment.clock.wallTimeMs();
    if (lastUsedAtMs !== null && nowMs - lastUsedAtMs < useNotedMs) return;
    await this.#environment.queries
      .update(apiTokens)
      .set({ lastUsedAtMs: nowMs })
      .where(eq(apiTokens.tokenHash, tokenHash));
  }
}
