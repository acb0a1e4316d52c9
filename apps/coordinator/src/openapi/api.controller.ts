/** REST by which the API explains itself. */
import { Controller } from '@nestjs/common';
import { errorCatalog, InputError, isErrorCode } from '#core/errors';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { areas, routes } from '../common/contracts.ts';
import { packageVersion } from '../common/package-info.ts';
import { Input, Route } from '../common/route.ts';
import { apiRoutes } from './api.contract.ts';
import { openApiDocument } from './document.ts';

/** Made when it is first asked for: a start after a crash has no time for it. */
let document: ReturnType<typeof openApiDocument> | undefined;

@Controller()
export class ApiController {
  @Route(apiRoutes.openapi)
  openapi(): RouteOutput<typeof apiRoutes.openapi> {
    document ??= openApiDocument({ routes, areas, version: packageVersion });
    return document;
  }

  @Route(apiRoutes.error)
  error(
    @Input(apiRoutes.error) { params }: RouteInput<typeof apiRoutes.error>,
  ): RouteOutput<typeof apiRoutes.error> {
    const { code } = params;
    if (!isErrorCode(code)) {
      throw new InputError('NOT_FOUND', `code: expected one of docs/errors.md, got ${code}`);
    }
    const { family, httpStatus, retryable, publicMessage: title } = errorCatalog[code];
    return { code, family, httpStatus, retryable, title, page: `docs/errors.md#${code}` };
  }
}
