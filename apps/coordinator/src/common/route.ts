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

/** The parsed request of a contract's route. */
export const Input = createParamDecorator(
  (contract: RouteContract, context: ExecutionContext): RouteInput<RouteContract> => {
    const request = context.switchToHttp().getRequest<Request>();
    const body: unknown = request.body;
    return {
      params: parsePart(contract.params, { ...request.params }, 'path'),
      query: parsePart(contract.query, { ...request.query }, 'query'),
      body: parsePart(contract.body, contract.method === 'POST' ? (body ?? {}) : {}, 'body'),
    };
  },
);

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
