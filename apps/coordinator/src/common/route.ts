/** From a contract to a Nest route: path, roles, parsed input, checked answer. */
import {
  applyDecorators,
  createParamDecorator,
  HttpCode,
  RequestMapping,
  RequestMethod,
  SetMetadata,
  type ExecutionContext,
} from '@nestjs/common';
import type { Request } from 'express';
import type { z } from 'zod';
import { InputError } from '#core/errors';
import type { RouteContract, RouteInput } from './contract.ts';

/** Where a handler's contract is kept. */
export const contractKey = 'melo:route-contract';

/** Serve a contract's route by this method. */
export function Route(contract: RouteContract): MethodDecorator {
  return applyDecorators(
    RequestMapping({
      path: contract.path,
      method: RequestMethod[contract.method],
    }),
    HttpCode(contract.status),
    SetMetadata(contractKey, contract),
  );
}

/** Requests as they were parsed, once each. */
const parsed = new WeakMap<Request, RouteInput<RouteContract>>();

/**
 * Parse a request, whether its handler looks at it or not: what is not documented is refused.
 *
 * @throws InputError REQUEST_INVALID
 */
export function parseInput(contract: RouteContract, request: Request): RouteInput<RouteContract> {
  const known = parsed.get(request);
  if (known !== undefined) return known;
  const body = contract.method === 'POST' ? bodyOf(request) : {};
  const input = {
    params: parsePart(contract.params, { ...request.params }, 'path'),
    query: parsePart(contract.query, { ...request.query }, 'query'),
    body: parsePart(contract.body, body, 'body'),
  };
  parsed.set(request, input);
  return input;
}

/** The parsed request of a contract's route. */
export const Input = createParamDecorator(
  (contract: RouteContract, context: ExecutionContext): RouteInput<RouteContract> =>
    parseInput(contract, context.switchToHttp().getRequest<Request>()),
);

/** The body as the parser of JSON left it; nothing at all is an empty object. */
function bodyOf(request: Request): unknown {
  const body: unknown = request.body;
  if (body !== undefined) return body;
  const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers;
  if (length === '0' && encoding === undefined) return {};
  throw new InputError('REQUEST_INVALID', 'body: expected Content-Type application/json');
}

function parsePart(schema: z.ZodType, value: unknown, where: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join('.') ?? '';
  throw new InputError(
    'REQUEST_INVALID',
    `${where}${field === '' ? '' : ` field ${field}`}: ${issue?.message ?? 'not valid'}; see /v1/openapi.json`,
    { where, field },
  );
}
