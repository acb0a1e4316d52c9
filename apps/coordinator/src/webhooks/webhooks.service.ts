/** Webhooks: made, tested and removed by administrators. */
import { Injectable } from '@nestjs/common';
import { toHex } from '#core/bytes';
import { randomBytes } from '#core/crypto';
import { InvariantError, StateError, type JsonValue } from '#core/errors';
import { AuditService } from '../audit/audit.service.ts';
import { isRepeatedCommand } from '../common/command-context.ts';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import type { Page } from '../common/pages.contract.ts';
import type { Queries } from '../config/database.ts';
import { AlertsService } from './alerts.service.ts';
import { DeliveryStore, viewOf } from './delivery-store.ts';
import { secretText } from './signature.ts';
import { WebhookStore, type WebhookRecord } from './webhook-store.ts';
import type {
  DeliveriesQuery,
  DeliveryView,
  webhookRoutes,
  WebhooksQuery,
  WebhookView,
} from './webhooks.contract.ts';

/** Webhooks at most. */
export const webhooksMax = 16;
const secretBytes = 32;

type Routes = typeof webhookRoutes;

/** Webhooks. */
@Injectable()
export class WebhooksService {
  readonly #environment: Environment;
  readonly #store: WebhookStore;
  readonly #deliveries: DeliveryStore;
  readonly #alerts: AlertsService;
  readonly #audit: AuditService;

  constructor(
    environment: Environment,
    store: WebhookStore,
    deliveries: DeliveryStore,
    alerts: AlertsService,
    audit: AuditService,
  ) {
    this.#environment = environment;
    this.#store = store;
    this.#deliveries = deliveries;
    this.#alerts = alerts;
    this.#audit = audit;
  }

  async list(query: WebhooksQuery): Promise<Page<WebhookView>> {
    const pending = await this.#deliveries.pending();
    const { items, nextCursor } = await this.#store.page(query);
    return { items: items.map((each) => webhookView(each, pending)), nextCursor };
  }

  /**
   * Make a webhook. A repeat whose answer was lost makes it anew: nobody has the first secret.
   *
   * @throws StateError STATE_CONFLICT where the address has one, or there are too many
   */
  async create({
    url,
    kinds,
  }: RouteInput<Routes['create']>['body']): Promise<RouteOutput<Routes['create']>> {
    const secret = randomBytes(secretBytes);
    const record = {
      ...{ webhook: `wh-${toHex(randomBytes(8))}`, url, kinds: [...new Set(kinds)] },
      createdAtMs: this.#environment.clock.wallTimeMs(),
    };
    await this.#alerts.exclusively(() =>
      this.#environment.transactions.run(async (transaction) => {
        await this.#makeRoom(transaction, url);
        await this.#store.insert(transaction, record, secret);
        await this.#record(transaction, 'webhook.created', record.webhook, { kinds: record.kinds });
        await this.#alerts.welcome(transaction, record);
      }),
    );
    const pending = await this.#deliveries.pending();
    return { webhook: webhookView(record, pending), secret: secretText(secret) };
  }

  async remove(webhook: string): Promise<void> {
    const isRepeat = isRepeatedCommand();
    await this.#environment.transactions.run(async (transaction) => {
      if (isRepeat && (await this.#store.find(webhook, transaction)) === undefined) return;
      await this.#store.get(webhook, transaction);
      await this.#remove(transaction, webhook);
    });
  }

  /** Send a test; it is not tried again. */
  async test(webhook: string): Promise<DeliveryView> {
    return this.#environment.transactions.run(async (transaction) => {
      const record = await this.#store.get(webhook, transaction);
      await this.#record(transaction, 'webhook.tested', webhook);
      const [delivery] = await this.#alerts.test(transaction, record);
      if (delivery === undefined) throw new InvariantError('webhooks: expected one test, got none');
      return viewOf(delivery);
    });
  }

  async deliveries(webhook: string, query: DeliveriesQuery): Promise<Page<DeliveryView>> {
    await this.#store.get(webhook);
    const { items, nextCursor } = await this.#deliveries.page(webhook, query);
    return { items: items.map(viewOf), nextCursor };
  }

  async #makeRoom(transaction: Queries, url: string): Promise<void> {
    const known = await this.#store.list(transaction);
    const same = known.find((each) => each.url === url);
    if (same === undefined && known.length < webhooksMax) return;
    if (same !== undefined && isRepeatedCommand()) {
      await this.#remove(transaction, same.webhook);
      return;
    }
    throw new StateError(
      'STATE_CONFLICT',
      same === undefined
        ? `webhooks: expected fewer than ${webhooksMax}, there are ${known.length}; remove one first`
        : `webhooks: expected an address that is not told yet, ${same.webhook} tells it; remove that one first`,
    );
  }

  async #remove(transaction: Queries, webhook: string): Promise<void> {
    await this.#deliveries.removeOf(transaction, webhook);
    await this.#store.remove(transaction, webhook);
    await this.#record(transaction, 'webhook.removed', webhook);
  }

  /** The address stays out of the log: it can carry a password of its receiver. */
  #record(
    transaction: Queries,
    action: string,
    webhook: string,
    details: Readonly<Record<string, JsonValue>> = {},
  ): Promise<void> {
    const target = `webhook:${webhook}`;
    return this.#audit.append(transaction, { actor: 'administrator', action, target, details });
  }
}

function webhookView(
  { webhook, url, kinds, createdAtMs }: Omit<WebhookRecord, 'wrappedSecret'>,
  pending: ReadonlyMap<string, number>,
): WebhookView {
  return { webhook, url, kinds, createdAtMs, pending: pending.get(webhook) ?? 0 };
}
