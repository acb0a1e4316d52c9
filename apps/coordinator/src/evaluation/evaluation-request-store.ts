/** Requests for evaluations as they are stored; the open ones are held in memory, since every pull of a site asks for them. */
import { Injectable } from '@nestjs/common';
import {
  and,
  asc,
  desc,
  eq,
  getTableColumns,
  inArray,
  isNotNull,
  isNull,
  or,
  sql,
} from 'drizzle-orm';
import { z } from 'zod';
import type { SignedEnvelope } from '#core/crypto';
import {
  evaluationRequestIdSchema,
  evaluationStateSchema,
  requestSubjectSchema,
  siteIdSchema,
  taskIdSchema,
  type SiteId,
} from '#core/protocol';
import { Environment } from '../common/environment.ts';
import { HeldRows } from '../common/held-rows.ts';
import { pageOf, type Page } from '../common/pages.contract.ts';
import { pageStatement } from '../common/pages.ts';
import type { Queries } from '../config/database.ts';
import { evaluationItems, evaluationRequests } from '../config/schema.ts';
import type { RequestsQuery } from './evaluation-requests.contract.ts';

const itemSchema = z.object({
  request: z.string(),
  version: z.number().int(),
  site: siteIdSchema,
  state: evaluationStateSchema,
  code: z.string().nullable(),
  reason: z.string().nullable(),
  changedAtMs: z.number(),
});
/** One version at one site, as it is stored. */
export type ItemRecord = z.infer<typeof itemSchema>;

const requestSchema = z.object({
  request: evaluationRequestIdSchema,
  task: taskIdSchema,
  subject: requestSubjectSchema,
  reason: z.string().nullable(),
  payload: z.instanceof(Uint8Array),
  signature: z.instanceof(Uint8Array),
  requestedAtMs: z.number(),
  deadlineAtMs: z.number(),
  closedAtMs: z.number().nullable(),
  /** Of `cross`: whose adapter it is, where its ciphertext lies; null elsewhere, the latter also once it is erased. */
  owner: siteIdSchema.nullable(),
  ciphertextDigest: z.string().nullable(),
  ciphertextBytes: z.number().nullable(),
  /** Of `cross` its content key, of `baseline-upload` the secret key that adapters are sealed to, both wrapped. */
  wrappedKey: z.instanceof(Uint8Array).nullable(),
});
/** A request with its items, as it is stored. */
export type RequestRecord = z.infer<typeof requestSchema> & {
  readonly items: readonly ItemRecord[];
};

/** What a request holds of adapters that sites trained alone. */
export interface StoredAdapter {
  readonly owner: SiteId | null;
  readonly ciphertextDigest: string | null;
  readonly ciphertextBytes: number | null;
  readonly wrappedKey: Uint8Array | null;
}

/** Requests for evaluations. */
@Injectable()
export class EvaluationRequestStore {
  readonly #environment: Environment;
  readonly #open = new HeldRows<string, RequestRecord>(async () => {
    const { queries } = this.#environment;
    const rows = await queries
      .select()
      .from(evaluationRequests)
      .where(isNull(evaluationRequests.closedAtMs))
      .orderBy(asc(evaluationRequests.requestedAtMs));
    return new Map((await this.#withItems(rows)).map((record) => [record.request, record]));
  });

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Requests that wait for a site, oldest first. */
  async open(): Promise<readonly RequestRecord[]> {
    return [...(await this.#open.all()).values()];
  }

  /** Requests of a task for adapters that sites trained alone and for evaluations of these, newest first: as many as members at most. */
  async listOfLocalAdapters(task: string): Promise<readonly RequestRecord[]> {
    const rows = await this.#environment.queries
      .select()
      .from(evaluationRequests)
      .where(
        and(
          eq(evaluationRequests.task, task),
          inArray(evaluationRequests.subject, ['baseline-upload', 'cross']),
        ),
      )
      .orderBy(desc(evaluationRequests.requestedAtMs));
    return this.#withItems(rows);
  }

  /** A page of the requests of a task, newest first; where `own` is a site, without those about another site's adapter. */
  async page(task: string, own: SiteId | null, query: RequestsQuery): Promise<Page<RequestRecord>> {
    const { requestedAtMs, request, owner } = evaluationRequests;
    const { where, orderBy, limit } = pageStatement([requestedAtMs, request], 'descending', query);
    const isSeen = own === null ? undefined : or(isNull(owner), eq(owner, own));
    const rows = await this.#environment.queries
      .select()
      .from(evaluationRequests)
      .where(and(eq(evaluationRequests.task, task), isSeen, where))
      .orderBy(...orderBy)
      .limit(limit);
    const page = pageOf(rows, query.limit, (row) => [row.requestedAtMs, row.request]);
    return { ...page, items: await this.#withItems(page.items) };
  }

  /** Find a request of a task. */
  async find(task: string, request: string): Promise<RequestRecord | null> {
    const rows = await this.#environment.queries
      .select()
      .from(evaluationRequests)
      .where(and(eq(evaluationRequests.task, task), eq(evaluationRequests.request, request)));
    return (await this.#withItems(rows))[0] ?? null;
  }

  /** The newest request of a task that is about its versions. */
  async newestOfVersions(task: string): Promise<RequestRecord | null> {
    const rows = await this.#environment.queries
      .select()
      .from(evaluationRequests)
      .where(and(eq(evaluationRequests.task, task), eq(evaluationRequests.subject, 'global')))
      .orderBy(desc(evaluationRequests.requestedAtMs), desc(evaluationRequests.request))
      .limit(1);
    return (await this.#withItems(rows))[0] ?? null;
  }

  /** What became last of each version of a task at each site that was asked for it. */
  async lastItems(task: string): Promise<readonly ItemRecord[]> {
    const rows = await this.#environment.queries
      .selectDistinctOn(
        [evaluationItems.version, evaluationItems.site],
        getTableColumns(evaluationItems),
      )
      .from(evaluationItems)
      .innerJoin(evaluationRequests, eq(evaluationRequests.request, evaluationItems.request))
      .where(and(eq(evaluationRequests.task, task), eq(evaluationRequests.subject, 'global')))
      .orderBy(
        asc(evaluationItems.version),
        asc(evaluationItems.site),
        desc(evaluationRequests.requestedAtMs),
        desc(evaluationRequests.request),
      );
    return z.array(itemSchema).parse(rows);
  }

  async #withItems(
    rows: readonly (typeof evaluationRequests.$inferSelect)[],
  ): Promise<RequestRecord[]> {
    if (rows.length === 0) return [];
    const names = rows.map(({ request }) => request);
    const found = await this.#environment.queries
      .select()
      .from(evaluationItems)
      .where(inArray(evaluationItems.request, names))
      .orderBy(asc(evaluationItems.version), asc(evaluationItems.site));
    const items = z.array(itemSchema).parse(found);
    return rows.map((row) => ({
      ...requestSchema.parse(row),
      items: items.filter(({ request }) => request === row.request),
    }));
  }

  /** Store a request within a transaction. */
  async insert(
    transaction: Queries,
    record: Omit<
      z.input<typeof requestSchema>,
      'payload' | 'signature' | 'closedAtMs' | keyof StoredAdapter
    > &
      StoredAdapter & {
        readonly signed: SignedEnvelope;
        readonly items: readonly Omit<ItemRecord, 'request' | 'changedAtMs'>[];
      },
  ): Promise<void> {
    this.#readAgainAfter(transaction);
    const { items, signed, ...request } = record;
    await transaction.insert(evaluationRequests).values({ ...request, ...signed });
    await transaction.insert(evaluationItems).values(
      items.map((item) => ({
        ...item,
        request: request.request,
        changedAtMs: request.requestedAtMs,
      })),
    );
  }

  /** Settle what is still asked of a request within a transaction; returns what it was. */
  async settle(
    transaction: Queries,
    request: string,
    which: { readonly site?: string; readonly version?: number },
    to: Pick<ItemRecord, 'state' | 'code' | 'reason'>,
  ): Promise<readonly { readonly site: string; readonly version: number }[]> {
    this.#readAgainAfter(transaction);
    return transaction
      .update(evaluationItems)
      .set({ ...to, changedAtMs: this.#environment.clock.wallTimeMs() })
      .where(
        and(
          eq(evaluationItems.request, request),
          eq(evaluationItems.state, 'asked'),
          which.site === undefined ? undefined : eq(evaluationItems.site, which.site),
          which.version === undefined ? undefined : eq(evaluationItems.version, which.version),
        ),
      )
      .returning({ site: evaluationItems.site, version: evaluationItems.version });
  }

  /** Nobody is waited for any more. */
  async close(transaction: Queries, request: string): Promise<void> {
    this.#readAgainAfter(transaction);
    const closedAtMs = this.#environment.clock.wallTimeMs();
    await transaction
      .update(evaluationRequests)
      .set({ closedAtMs })
      .where(eq(evaluationRequests.request, request));
  }

  /** Closed requests that still hold a key and were closed by then, and those of sites that are gone. */
  async retained(
    closedBeforeMs: number,
    isGone: (owner: string) => boolean,
  ): Promise<readonly RequestRecord[]> {
    const rows = await this.#environment.queries
      .select()
      .from(evaluationRequests)
      .where(
        and(isNotNull(evaluationRequests.wrappedKey), isNotNull(evaluationRequests.closedAtMs)),
      );
    return rows
      .map((row) => ({ ...requestSchema.parse(row), items: [] }))
      .filter(
        ({ closedAtMs, owner }) =>
          (closedAtMs ?? Infinity) <= closedBeforeMs || (owner !== null && isGone(owner)),
      );
  }

  /** Forget where an adapter lay and every key to it, within a transaction. */
  async forgetKey(transaction: Queries, request: string): Promise<void> {
    this.#readAgainAfter(transaction);
    await transaction
      .update(evaluationRequests)
      .set({ wrappedKey: null, ciphertextDigest: null })
      .where(eq(evaluationRequests.request, request));
  }

  /** Move every open deadline. */
  async shiftDeadlines(transaction: Queries, byMs: number): Promise<void> {
    this.#readAgainAfter(transaction);
    await transaction
      .update(evaluationRequests)
      .set({ deadlineAtMs: sql`${evaluationRequests.deadlineAtMs} + ${byMs}::bigint` })
      .where(isNull(evaluationRequests.closedAtMs));
  }

  #readAgainAfter(transaction: Queries): void {
    this.#environment.transactions.whenEnded(transaction, () => {
      this.#open.forget();
    });
  }
}
