/** What each address was told or is to be told, as it is stored. */
import { Injectable } from '@nestjs/common';
import { and, asc, count, eq, inArray, isNotNull, isNull, lt, lte, notExists } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import { Environment } from '../common/environment.ts';
import { pageOf, type Page } from '../common/pages.contract.ts';
import { pageStatement } from '../common/pages.ts';
import type { Queries } from '../config/database.ts';
import { webhookDeliveries as deliveries } from '../config/schema.ts';
import {
  alertBodySchema,
  deliveryViewSchema,
  type AlertBody,
  type DeliveriesQuery,
  type DeliveryView,
} from './webhooks.contract.ts';

/** Milliseconds that a delivery is kept, once it is settled. */
const keptMs = 30 * 24 * 3_600_000;
/** Deliveries that may wait for one address; of more the oldest are given up. */
export const pendingMax = 1000;

/** A delivery as it is stored. */
export type DeliveryRecord = typeof deliveries.$inferSelect;
/** What one attempt left. */
export type Settlement = Pick<
  DeliveryRecord,
  'attempts' | 'nextAtMs' | 'deliveredAtMs' | 'lastOutcome'
>;

/** What a delivery says. */
export function bodyOf({ body }: Pick<DeliveryRecord, 'body'>): AlertBody {
  return alertBodySchema.parse(JSON.parse(body));
}

/** A delivery as people see it. */
export function viewOf(record: DeliveryRecord): DeliveryView {
  const { id: delivery, webhook, attempts, createdAtMs } = record;
  const { nextAtMs, deliveredAtMs, lastOutcome } = record;
  const { id, alert, kind, state, subject, summary } = bodyOf(record);
  const settled = deliveredAtMs === null ? 'failed' : 'delivered';
  return deliveryViewSchema.parse({
    ...{ delivery, webhook, id, alert, kind, state, subject, summary, attempts, createdAtMs },
    ...{ nextAtMs, deliveredAtMs, lastOutcome },
    status: nextAtMs === null ? settled : 'pending',
  });
}

/** What each address was told or is to be told. */
@Injectable()
export class DeliveryStore {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Store deliveries that are due at once. */
  add(
    transaction: Queries,
    added: readonly { readonly webhook: string; readonly body: AlertBody }[],
  ): Promise<DeliveryRecord[]> {
    const values = added.map(({ webhook, body }) => {
      const { alert, atMs } = body;
      return { webhook, alert, body: JSON.stringify(body), createdAtMs: atMs, nextAtMs: atMs };
    });
    return transaction.insert(deliveries).values(values).returning();
  }

  /** The longest due delivery of each address. What is told of one alert is told in its order: the end never before the beginning. */
  due(nowMs: number): Promise<DeliveryRecord[]> {
    const { queries } = this.#environment;
    const earlier = alias(deliveries, 'earlier');
    const waitsForEarlier = queries
      .select({ id: earlier.id })
      .from(earlier)
      .where(
        and(
          eq(earlier.webhook, deliveries.webhook),
          eq(earlier.alert, deliveries.alert),
          lt(earlier.id, deliveries.id),
          isNotNull(earlier.nextAtMs),
        ),
      );
    return queries
      .selectDistinctOn([deliveries.webhook])
      .from(deliveries)
      .where(and(lte(deliveries.nextAtMs, nowMs), notExists(waitsForEarlier)))
      .orderBy(asc(deliveries.webhook), asc(deliveries.nextAtMs), asc(deliveries.id));
  }

  async settle(id: number, settlement: Settlement): Promise<void> {
    const { queries } = this.#environment;
    await queries.update(deliveries).set(settlement).where(eq(deliveries.id, id));
  }

  /** A page of the deliveries of an address, newest first. */
  async page(webhook: string, query: DeliveriesQuery): Promise<Page<DeliveryRecord>> {
    const { where, orderBy, limit } = pageStatement([deliveries.id], 'descending', query);
    const found = await this.#environment.queries
      .select()
      .from(deliveries)
      .where(and(eq(deliveries.webhook, webhook), where))
      .orderBy(...orderBy)
      .limit(limit);
    return pageOf(found, query.limit, ({ id }) => [id]);
  }

  /** How many deliveries of each address wait. */
  async pending(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#environment.queries
      .select({ webhook: deliveries.webhook, waiting: count() })
      .from(deliveries)
      .where(isNotNull(deliveries.nextAtMs))
      .groupBy(deliveries.webhook);
    return new Map(rows.map(({ webhook, waiting }) => [webhook, waiting]));
  }

  async removeOf(transaction: Queries, webhook: string): Promise<void> {
    await transaction.delete(deliveries).where(eq(deliveries.webhook, webhook));
  }

  /** Forget what was settled long ago, and give up what waits beyond the limit, the oldest first. */
  async clean(): Promise<void> {
    const { queries, clock } = this.#environment;
    const isOld = lt(deliveries.createdAtMs, clock.wallTimeMs() - keptMs);
    await queries.delete(deliveries).where(and(isNull(deliveries.nextAtMs), isOld));
    for (const [webhook, waiting] of await this.pending()) {
      if (waiting <= pendingMax) continue;
      const oldest = queries
        .select({ id: deliveries.id })
        .from(deliveries)
        .where(and(eq(deliveries.webhook, webhook), isNotNull(deliveries.nextAtMs)))
        .orderBy(asc(deliveries.id))
        .limit(waiting - pendingMax);
      await queries
        .update(deliveries)
        .set({ nextAtMs: null, lastOutcome: 'too-many' })
        .where(inArray(deliveries.id, oldest));
    }
  }
}
