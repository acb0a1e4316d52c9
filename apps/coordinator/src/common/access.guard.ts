/** Deny by default: a route without the explicit mark `public` needs a caller of a role that its contract names. */
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { AuthError } from '#core/errors';
import { CallersService } from '../users/callers.service.ts';
import type { RouteContract } from './contract.ts';
import { contractKey } from './route.ts';

/** Deny by default. */
@Injectable()
export class AccessGuard implements CanActivate {
  readonly #reflector: Reflector;
  readonly #callers: CallersService;

  constructor(reflector: Reflector, callers: CallersService) {
    this.#reflector = reflector;
    this.#callers = callers;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // sockets are checked in the gateway's `io.use`
    const contract = this.#reflector.get<RouteContract | undefined>(
      contractKey,
      context.getHandler(),
    );
    if (contract?.roles === 'public') return true;
    const { role } = await this.#callers.identify(context.switchToHttp().getRequest<Request>());
    if (contract?.roles.includes(role) === true) return true;
    throw new AuthError('FORBIDDEN', `access: expected another role than ${role}`);
  }
}
