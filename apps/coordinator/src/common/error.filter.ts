/** One translator for REST: every failure becomes {code, message, retryable, correlationId}; the details go to the log. */
import { randomUUID } from 'node:crypto';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { errorCatalog, InputError, MeloError, toPublicError } from '#core/errors';
import { Environment } from './environment.ts';
import { toCoordinatorError } from './store-errors.ts';

/** What Nest and the body parser throw, in our own words. */
function translate(error: unknown): unknown {
  if (!(error instanceof HttpException)) return toCoordinatorError(error);
  switch (error.getStatus()) {
    case 404:
      return new InputError('NOT_FOUND', 'path: expected a route of /v1/openapi.json, got another');
    case 413:
      return new InputError('PAYLOAD_TOO_LARGE', 'body: expected at most 1 MB of JSON');
    case 400:
    case 415:
      return new InputError('REQUEST_INVALID', 'body: expected JSON in UTF-8');
    default:
      return error;
  }
}

/** One translator for REST. */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  catch(thrown: unknown, host: ArgumentsHost): void {
    const error = translate(thrown);
    const http = host.switchToHttp();
    const { method } = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    const { code, message, retryable } = toPublicError(error);
    const status = errorCatalog[code].httpStatus;
    const correlationId = randomUUID();
    const fields = { method, status, code, correlationId };
    if (status >= 500) this.#environment.logger.error('request failed', { ...fields, error });
    else this.#environment.logger.info('request refused', fields);
    if (response.headersSent) {
      response.end();
      return;
    }
    const retryAfterSeconds = error instanceof MeloError && error.details['retryAfterSeconds'];
    if (typeof retryAfterSeconds === 'number') {
      response.setHeader('Retry-After', String(retryAfterSeconds));
    }
    response.status(status).json({ code, message, retryable, correlationId });
  }
}
