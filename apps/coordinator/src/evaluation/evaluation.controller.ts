/** REST of evaluations. */
import { Controller } from '@nestjs/common';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { evaluationRoutes } from './evaluation.contract.ts';
import { EvaluationsService } from './evaluations.service.ts';

@Controller()
export class EvaluationController {
  readonly #evaluations: EvaluationsService;

  constructor(evaluations: EvaluationsService) {
    this.#evaluations = evaluations;
  }

  @Route(evaluationRoutes.list)
  list(
    @Input(evaluationRoutes.list) { params }: RouteInput<typeof evaluationRoutes.list>,
  ): Promise<RouteOutput<typeof evaluationRoutes.list>> {
    return this.#evaluations.figures(params.task);
  }
}
