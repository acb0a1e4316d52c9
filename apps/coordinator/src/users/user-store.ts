/** Accounts of people as they are stored. */
import { Injectable } from '@nestjs/common';
import { and, asc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { InputError, StateError } from '#core/errors';
import { siteIdSchema } from '#core/protocol';
import { roleSchema } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { pageOf, type Page, type PageQuery } from '../common/pages.contract.ts';
import { pageStatement } from '../common/pages.ts';
import type { Queries } from '../config/database.ts';
import { apiTokens, users } from '../config/schema.ts';
import { userNameSchema, userStatusSchema } from './accounts.contract.ts';

const userRecordSchema = z.object({
  user: userNameSchema,
  role: roleSchema,
  site: siteIdSchema.nullable(),
  status: userStatusSchema,
  reason: z.string().nullable(),
  passwordHash: z.string().nullable(),
  isPasswordTemporary: z.boolean(),
  passwordSetAtMs: z.number().nullable(),
  version: z.number().int(),
  createdAtMs: z.number(),
  lastSignInAtMs: z.number().nullable(),
  wrappedTotpSecret: z.custom<Uint8Array>((value) => value instanceof Uint8Array).nullable(),
  isTotpConfirmed: z.boolean(),
  totpLastStep: z.number().int().nullable(),
  recoveryCodeHashes: z.array(z.string()),
  issuer: z.string().nullable(),
  subject: z.string().nullable(),
});
/** An account as it is stored. */
export type UserRecord = z.infer<typeof userRecordSchema>;
/** What may change of an account. */
export type UserChange = Partial<Omit<UserRecord, 'user' | 'version' | 'createdAtMs'>>;

/** What tells one version of an account from every other, also from one of an earlier account of the same name. */
export const stampOf = ({ createdAtMs, version }: UserRecord): string =>
  `${createdAtMs}.${version}`;

/**
 * Refuse what was allowed to an account that somebody has changed or removed since.
 *
 * @throws StateError STATE_CONFLICT
 */
export function checkUnchanged(allowed: UserRecord, present: UserRecord | null): void {
  if (present !== null && stampOf(present) === stampOf(allowed)) return;
  throw new StateError(
    'STATE_CONFLICT',
    `account: expected ${allowed.user} as it was when the password was checked, somebody changed it since; sign in again`,
  );
}

/** Accounts of people as they are stored. */
@Injectable()
export class UserStore {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  async list(queries: Queries = this.#environment.queries): Promise<UserRecord[]> {
    const rows = await queries.select().from(users).orderBy(asc(users.user));
    return rows.map((row) => userRecordSchema.parse(row));
  }

  /** A page of the accounts by name. */
  async page(query: PageQuery<readonly [string]>): Promise<Page<UserRecord>> {
    const { where, orderBy, limit } = pageStatement([users.user], 'ascending', query);
    const rows = await this.#environment.queries
      .select()
      .from(users)
      .where(where)
      .orderBy(...orderBy)
      .limit(limit);
    const found = rows.map((row) => userRecordSchema.parse(row));
    return pageOf(found, query.limit, ({ user }) => [user]);
  }

  async find(
    user: string,
    queries: Queries = this.#environment.queries,
  ): Promise<UserRecord | null> {
    const [row] = await queries.select().from(users).where(eq(users.user, user));
    return row === undefined ? null : userRecordSchema.parse(row);
  }

  /** Find the account that somebody else vouches for. */
  async findBySubject(issuer: string, subject: string): Promise<UserRecord | null> {
    const [row] = await this.#environment.queries
      .select()
      .from(users)
      .where(and(eq(users.issuer, issuer), eq(users.subject, subject)));
    return row === undefined ? null : userRecordSchema.parse(row);
  }

  /**
   * Get an account.
   *
   * @throws InputError NOT_FOUND
   */
  async get(user: string, queries?: Queries): Promise<UserRecord> {
    const record = await this.find(user, queries);
    if (record !== null) return record;
    throw new InputError(
      'NOT_FOUND',
      `users: expected somebody with an account, ${user} has none; see GET /v1/users`,
    );
  }

  async insert(transaction: Queries, record: UserRecord): Promise<void> {
    await transaction.insert(users).values(record);
  }

  /** Change an account; its sessions end with it. What was noted since `record` was read stays. */
  async change(transaction: Queries, record: UserRecord, change: UserChange): Promise<UserRecord> {
    const changed = { ...change, version: record.version + 1 };
    await transaction.update(users).set(changed).where(eq(users.user, record.user));
    return { ...record, ...changed };
  }

  /** Note what is no change of the account: its sessions go on. */
  async note(
    user: string,
    noted: UserChange,
    queries: Queries = this.#environment.queries,
  ): Promise<void> {
    await queries.update(users).set(noted).where(eq(users.user, user));
  }

  /** Remove an account and its API tokens. */
  async remove(transaction: Queries, user: string): Promise<void> {
    await transaction.delete(apiTokens).where(eq(apiTokens.owner, user));
    await transaction.delete(users).where(eq(users.user, user));
  }
}
