/** REST of the audit list. */
import { Controller } from '@nestjs/common';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { auditRoutes } from './audit.contract.ts';
import { AuditService } from './audit.service.ts';

const limitDefault = 200;

@Controller()
export class AuditController {
  readonly #audit: AuditService;

  constructor(audit: AuditService) {
    this.#audit = audit;
  }

  @Route(auditRoutes.list)
  list(
    @Input(auditRoutes.list) { query }: RouteInput<typeof auditRoutes.list>,
  ): Promise<RouteOutput<typeof auditRoutes.list>> {
    return this.#audit.list(query.after ?? 0, query.limit ?? limitDefault);
  }
}
