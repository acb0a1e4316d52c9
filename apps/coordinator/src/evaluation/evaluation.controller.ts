/** REST of evaluations, and of requests for them. */
import { Controller, Req } from '@nestjs/common';
import type { Request } from 'express';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { CallersService } from '../users/callers.service.ts';
import { evaluationRoutes } from './evaluation.contract.ts';
import { EvaluationBriefService } from './evaluation-brief.service.ts';
import { EvaluationFiguresService } from './evaluation-figures.service.ts';
import { evaluationRequestRoutes } from './evaluation-requests.contract.ts';
import { EvaluationRequestsService } from './evaluation-requests.service.ts';

type In<Name extends keyof typeof evaluationRequestRoutes> = RouteInput<
  (typeof evaluationRequestRoutes)[Name]
>;
type Out<Name extends keyof typeof evaluationRequestRoutes> = RouteOutput<
  (typeof evaluationRequestRoutes)[Name]
>;

@Controller()
export class EvaluationController {
  readonly #figures: EvaluationFiguresService;
  readonly #brief: EvaluationBriefService;
  readonly #requests: EvaluationRequestsService;
  readonly #callers: CallersService;

  constructor(
    figures: EvaluationFiguresService,
    brief: EvaluationBriefService,
    requests: EvaluationRequestsService,
    callers: CallersService,
  ) {
    this.#figures = figures;
    this.#brief = brief;
    this.#requests = requests;
    this.#callers = callers;
  }

  @Route(evaluationRoutes.list)
  list(
    @Input(evaluationRoutes.list) { params }: RouteInput<typeof evaluationRoutes.list>,
  ): Promise<RouteOutput<typeof evaluationRoutes.list>> {
    return this.#figures.figures(params.task);
  }

  @Route(evaluationRoutes.brief)
  brief(
    @Input(evaluationRoutes.brief) { params }: RouteInput<typeof evaluationRoutes.brief>,
  ): Promise<RouteOutput<typeof evaluationRoutes.brief>> {
    return this.#brief.brief(params.task);
  }

  @Route(evaluationRequestRoutes.create)
  create(
    @Input(evaluationRequestRoutes.create) { params, body }: In<'create'>,
  ): Promise<Out<'create'>> {
    return this.#requests.create(params.task, body);
  }

  @Route(evaluationRequestRoutes.list)
  async requests(
    @Req() request: Request,
    @Input(evaluationRequestRoutes.list) { params, query }: In<'list'>,
  ): Promise<Out<'list'>> {
    const { site } = this.#callers.get(request);
    const { items: requests, nextCursor } = await this.#requests.list(params.task, site, query);
    return { requests, nextCursor };
  }

  @Route(evaluationRequestRoutes.cancel)
  cancel(
    @Input(evaluationRequestRoutes.cancel) { params, body }: In<'cancel'>,
  ): Promise<Out<'cancel'>> {
    return this.#requests.cancel(params.task, params.request, body.reason);
  }
}
