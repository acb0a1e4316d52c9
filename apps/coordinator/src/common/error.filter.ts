/** One translator for REST: every failure becomes a problem (RFC 9457); the details go to the log. */
import { randomUUID } from 'node:crypto';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { Request, Response } from 'express';
import { InputError, MeloError } from '#core/errors';
import { problemMediaType } from './contract.ts';
import { Environment } from './environment.ts';
import { problemOf } from './problem.ts';
import { methodsOf } from './route-paths.ts';
import { toCoordinatorError } from './store-errors.ts';

/** What Nest, Express and the body parser throw, in our own words. */
function translate(error: unknown, methods: readonly string[]): unknown {
  if (!(error instanceof HttpException)) return toCoordinatorError(error);
  switch (error.getStatus()) {
    case 404:
      return methods.length === 0
        ? new InputError('NOT_FOUND', 'path: expected a route of /v1/openapi.json, got another')
        : new InputError(
            'METHOD_NOT_ALLOWED',
            `method: expected ${methods.join(' or ')} on this path, got another; see /v1/openapi.json`,
          );
    case 413:
      return new InputError('PAYLOAD_TOO_LARGE', 'body: expected at most 1 MB of JSON');
    case 400:
    case 415:
      return new InputError(
        'REQUEST_INVALID',
        'request: expected a path in valid percent-encoding and a body of JSON in UTF-8',
      );
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
    const http = host.switchToHttp();
    const { method, path } = http.getRequest<Request>();
    const response = http.getResponse<Response>();
    const methods = methodsOf(path);
    const error = translate(thrown, methods);
    const problem = problemOf(error, randomUUID());
    const { status, code, correlationId } = problem;
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
    if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer');
    if (status === 405) response.setHeader('Allow', methods.join(', '));
    response.status(status).type(problemMediaType).json(problem);
  }
}
