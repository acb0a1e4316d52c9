/** Webhooks as they are stored: their secrets wrapped by the wrapping key, each for its own webhook alone. */
import { Injectable } from '@nestjs/common';
import { asc, eq } from 'drizzle-orm';
import { z } from 'zod';
import { unwrapSecret, wrapSecret } from '#core/crypto';
import { InputError } from '#core/errors';
import { Environment } from '../common/environment.ts';
import { pageOf, type Page } from '../common/pages.contract.ts';
import { pageStatement } from '../common/pages.ts';
import type { Queries } from '../config/database.ts';
import { webhooks } from '../config/schema.ts';
import { alertKindSchema, webhookIdSchema, type WebhooksQuery } from './webhooks.contract.ts';

const webhookRowSchema = z.object({
  webhook: webhookIdSchema,
  url: z.string(),
  kinds: z.array(alertKindSchema),
  wrappedSecret: z.instanceof(Uint8Array),
  createdAtMs: z.number(),
});
/** A webhook as it is stored. */
export type WebhookRecord = z.infer<typeof webhookRowSchema>;

/** What a webhook's secret is wrapped for: it unwraps nowhere else. */
export const webhookSecretPurpose = (webhook: string): string => `webhook/${webhook}`;

/** Webhooks. */
@Injectable()
export class WebhookStore {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  async list(queries: Queries = this.#environment.queries): Promise<WebhookRecord[]> {
    const rows = await queries
      .select()
      .from(webhooks)
      .orderBy(asc(webhooks.createdAtMs), asc(webhooks.webhook));
    return rows.map((row) => webhookRowSchema.parse(row));
  }

  /** A page of the webhooks, oldest first. */
  async page(query: WebhooksQuery): Promise<Page<WebhookRecord>> {
    const { createdAtMs, webhook } = webhooks;
    const { where, orderBy, limit } = pageStatement([createdAtMs, webhook], 'ascending', query);
    const rows = await this.#environment.queries
      .select()
      .from(webhooks)
      .where(where)
      .orderBy(...orderBy)
      .limit(limit);
    const found = rows.map((row) => webhookRowSchema.parse(row));
    return pageOf(found, query.limit, (record) => [record.createdAtMs, record.webhook]);
  }

  async find(
    webhook: string,
    queries: Queries = this.#environment.queries,
  ): Promise<WebhookRecord | undefined> {
    const rows = await queries.select().from(webhooks).where(eq(webhooks.webhook, webhook));
    return rows[0] === undefined ? undefined : webhookRowSchema.parse(rows[0]);
  }

  /**
   * Get a webhook.
   *
   * @throws InputError NOT_FOUND
   */
  async get(webhook: string, queries?: Queries): Promise<WebhookRecord> {
    const found = await this.find(webhook, queries);
    if (found !== undefined) return found;
    throw new InputError(
      'NOT_FOUND',
      `webhooks: expected one that is there, ${webhook} is none; see GET /v1/webhooks`,
    );
  }

  async insert(
    transaction: Queries,
    record: Omit<WebhookRecord, 'wrappedSecret'>,
    secret: Uint8Array,
  ): Promise<void> {
    const { wrappingKey } = this.#environment.keys;
    const purpose = webhookSecretPurpose(record.webhook);
    const wrappedSecret = wrapSecret({ secret, wrappingKey, purpose });
    await transaction.insert(webhooks).values({ ...record, wrappedSecret });
  }

  async remove(transaction: Queries, webhook: string): Promise<void> {
    await transaction.delete(webhooks).where(eq(webhooks.webhook, webhook));
  }

  secretOf({ webhook, wrappedSecret: wrapped }: WebhookRecord): Uint8Array {
    const { wrappingKey } = this.#environment.keys;
    return unwrapSecret({ wrapped, wrappingKey, purpose: webhookSecretPurpose(webhook) });
  }
}
