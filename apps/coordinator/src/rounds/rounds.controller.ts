/** REST of rounds. */
import { Controller } from '@nestjs/common';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { RoundViewsService } from './round-views.service.ts';
import { roundRoutes } from './rounds.contract.ts';
import { RoundsService } from './rounds.service.ts';
import { VerificationService } from './verification.service.ts';

type In<Name extends keyof typeof roundRoutes> = RouteInput<(typeof roundRoutes)[Name]>;
type Out<Name extends keyof typeof roundRoutes> = RouteOutput<(typeof roundRoutes)[Name]>;

@Controller()
export class RoundsController {
  readonly #rounds: RoundsService;
  readonly #views: RoundViewsService;
  readonly #verification: VerificationService;

  constructor(rounds: RoundsService, views: RoundViewsService, verification: VerificationService) {
    this.#verification = verification;
    this.#rounds = rounds;
    this.#views = views;
  }

  @Route(roundRoutes.list)
  async list(@Input(roundRoutes.list) { params, query }: In<'list'>): Promise<Out<'list'>> {
    const { items: rounds, nextCursor } = await this.#views.list(params.task, query);
    return { rounds, nextCursor };
  }

  @Route(roundRoutes.get)
  get(@Input(roundRoutes.get) { params, query }: In<'get'>): Promise<Out<'get'>> {
    return this.#views.detail(params.task, params.round, query.attempt);
  }

  @Route(roundRoutes.verify)
  verify(@Input(roundRoutes.verify) { params }: In<'verify'>): Promise<Out<'verify'>> {
    return this.#verification.verify(params.task, params.round);
  }

  @Route(roundRoutes.abandon)
  async abandon(
    @Input(roundRoutes.abandon) { params, body }: In<'abandon'>,
  ): Promise<Out<'abandon'>> {
    return this.#views.view(await this.#rounds.abandon({ ...params, ...body }));
  }
}
