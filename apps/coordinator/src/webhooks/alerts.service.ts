/**
 * Alerts: stored for every address that wants to know, in the transaction of what they are about, so that none that was decided
 * is lost; sent by others.
 */
import { Injectable } from '@nestjs/common';
import { toHex } from '#core/bytes';
import { randomBytes } from '#core/crypto';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import type { Queries } from '../config/database.ts';
import { conditionKey, resolvedSummary, type Alert, type Condition } from './alert-conditions.ts';
import { AlertStore, type OpenAlert } from './alert-store.ts';
import { DeliveryStore, type DeliveryRecord } from './delivery-store.ts';
import { WebhookStore, type WebhookRecord } from './webhook-store.ts';
import type { AlertBody } from './webhooks.contract.ts';

/** What a delivery says beside its own id. */
type Told = Pick<AlertBody, 'alert' | 'kind' | 'state' | 'subject' | 'summary' | 'details'>;

const newId = (prefix: 'alert' | 'msg'): string => `${prefix}_${toHex(randomBytes(16))}`;

/** Alerts. */
@Injectable()
export class AlertsService {
  readonly #environment: Environment;
  readonly #store: AlertStore;
  readonly #webhooks: WebhookStore;
  readonly #deliveries: DeliveryStore;
  readonly #mutex = new KeyedMutex();
  #onStored: () => void = () => undefined;

  constructor(
    environment: Environment,
    store: AlertStore,
    webhooks: WebhookStore,
    deliveries: DeliveryStore,
  ) {
    this.#environment = environment;
    this.#store = store;
    this.#webhooks = webhooks;
    this.#deliveries = deliveries;
  }

  /** Name who sends what is stored. */
  connect(onStored: () => void): void {
    this.#onStored = onStored;
  }

  /** Tell of something that happened and has no end, once the transaction is committed. */
  raise(transaction: Queries, alert: Alert): Promise<void> {
    return this.#tellAll(transaction, { ...alert, alert: newId('alert'), state: 'raised' });
  }

  /** Tell of what began and what ended since the last look; `look` is given the names of what held. */
  follow(look: (held: ReadonlySet<string>) => readonly Condition[]): Promise<void> {
    return this.exclusively(async () => {
      const held = await this.#store.list();
      const holding = look(new Set(held.map(conditionKey)));
      const heldKeys = new Set(held.map(conditionKey));
      const holdingKeys = new Set(holding.map(conditionKey));
      for (const alert of holding) {
        if (!heldKeys.has(conditionKey(alert))) await this.#begin(alert);
      }
      for (const alert of held) {
        if (!holdingKeys.has(conditionKey(alert))) await this.#end(alert);
      }
    });
  }

  /** Change who is told while nothing begins or ends: a new address hears of what holds, once. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#mutex.run('alerts', work);
  }

  /** Tell a new address of what holds; within {@link exclusively}. */
  async welcome(
    transaction: Queries,
    webhook: Pick<WebhookRecord, 'webhook' | 'kinds'>,
  ): Promise<void> {
    for (const { sinceMs: _, ...alert } of await this.#store.list(transaction)) {
      if (!webhook.kinds.includes(alert.kind)) continue;
      await this.#tell(transaction, [webhook], { ...alert, state: 'raised' });
    }
  }

  /** Tell one address that this is a test. */
  test(transaction: Queries, webhook: Pick<WebhookRecord, 'webhook'>): Promise<DeliveryRecord[]> {
    return this.#tell(transaction, [webhook], {
      ...{ alert: newId('alert'), kind: 'test', state: 'raised', details: {} },
      subject: `webhook:${webhook.webhook}`,
      summary: 'A test that an administrator asked for.',
    });
  }

  async #begin(alert: Condition): Promise<void> {
    const { transactions, clock, logger } = this.#environment;
    const record = { ...alert, alert: newId('alert'), sinceMs: clock.wallTimeMs() };
    await transactions.run(async (transaction) => {
      if (!(await this.#store.open(transaction, record))) return;
      const { sinceMs: _, ...told } = record;
      await this.#tellAll(transaction, { ...told, state: 'raised' });
    });
    logger.warn('alert raised', { event: alert.kind });
  }

  async #end(record: OpenAlert): Promise<void> {
    const { transactions, logger } = this.#environment;
    await transactions.run(async (transaction) => {
      if (!(await this.#store.close(transaction, record))) return;
      const { alert, kind, subject } = record;
      const summary = resolvedSummary(record);
      const told = { alert, kind, subject, summary, details: {}, state: 'resolved' } as const;
      await this.#tellAll(transaction, told);
    });
    logger.info('alert resolved', { event: record.kind });
  }

  async #tellAll(
    transaction: Queries,
    told: Told & { readonly kind: Alert['kind'] },
  ): Promise<void> {
    const webhooks = await this.#webhooks.list(transaction);
    const wanting = webhooks.filter(({ kinds }) => kinds.includes(told.kind));
    await this.#tell(transaction, wanting, told);
  }

  async #tell(
    transaction: Queries,
    webhooks: readonly Pick<WebhookRecord, 'webhook'>[],
    told: Told,
  ): Promise<DeliveryRecord[]> {
    if (webhooks.length === 0) return [];
    const { clock, transactions, federation } = this.#environment;
    const atMs = clock.wallTimeMs();
    const deliveries = webhooks.map(({ webhook }) => {
      const body = { version: 1, id: newId('msg'), federation, atMs, ...told } as const;
      return { webhook, body };
    });
    transactions.whenEnded(transaction, () => this.#onStored());
    return this.#deliveries.add(transaction, deliveries);
  }
}
