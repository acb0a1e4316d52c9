/** REST of webhooks. */
import { Controller } from '@nestjs/common';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { webhookRoutes, type DeliveryView } from './webhooks.contract.ts';
import { WebhooksService } from './webhooks.service.ts';

type In<Name extends keyof typeof webhookRoutes> = RouteInput<(typeof webhookRoutes)[Name]>;
type Out<Name extends keyof typeof webhookRoutes> = RouteOutput<(typeof webhookRoutes)[Name]>;

@Controller()
export class WebhooksController {
  readonly #webhooks: WebhooksService;

  constructor(webhooks: WebhooksService) {
    this.#webhooks = webhooks;
  }

  @Route(webhookRoutes.list)
  async list(@Input(webhookRoutes.list) { query }: In<'list'>): Promise<Out<'list'>> {
    const { items: webhooks, nextCursor } = await this.#webhooks.list(query);
    return { webhooks, nextCursor };
  }

  @Route(webhookRoutes.create)
  create(@Input(webhookRoutes.create) { body }: In<'create'>): Promise<Out<'create'>> {
    return this.#webhooks.create(body);
  }

  @Route(webhookRoutes.remove)
  async remove(@Input(webhookRoutes.remove) { params }: In<'remove'>): Promise<Out<'remove'>> {
    await this.#webhooks.remove(params.webhook);
    return {};
  }

  @Route(webhookRoutes.test)
  test(@Input(webhookRoutes.test) { params }: In<'test'>): Promise<DeliveryView> {
    return this.#webhooks.test(params.webhook);
  }

  @Route(webhookRoutes.deliveries)
  async deliveries(
    @Input(webhookRoutes.deliveries) { params, query }: In<'deliveries'>,
  ): Promise<Out<'deliveries'>> {
    const { items: deliveries, nextCursor } = await this.#webhooks.deliveries(
      params.webhook,
      query,
    );
    return { deliveries, nextCursor };
  }
}
