/** Deny by default: a route without the explicit mark `public` needs a caller of a role that its contract names. */
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { AuthError } from '#core/errors';
import { AuditTallyService } from '../audit/audit-tally.service.ts';
import { CallersService, type Caller } from '../users/callers.service.ts';
import type { RouteContract } from './contract.ts';
import { contractKey } from './route.ts';

/** Deny by default. */
@Injectable()
export class AccessGuard implements CanActivate {
  readonly #reflector: Reflector;
  readonly #callers: CallersService;
  readonly #tally: AuditTallyService;

  constructor(reflector: Reflector, callers: CallersService, tally: AuditTallyService) {
    this.#reflector = reflector;
    this.#callers = callers;
    this.#tally = tally;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // sockets are checked in the gateway's `io.use`
    const contract = this.#reflector.get<RouteContract | undefined>(
      contractKey,
      context.getHandler(),
    );
    if (contract?.roles === 'public') return true;
    const { role } = await this.#identify(context.switchToHttp().getRequest<Request>());
    if (contract?.roles.includes(role) === true) return true;
    this.#refused(role, 'FORBIDDEN');
    throw new AuthError('FORBIDDEN', `access: expected another role than ${role}`);
  }

  /** A token that grants nothing stands in the audit log; a request without any only wants to be told so. */
  async #identify(request: Request): Promise<Caller> {
    try {
      return await this.#callers.identify(request);
    } catch (error) {
      const hasToken = request.headers.authorization !== undefined;
      if (error instanceof AuthError && hasToken) this.#refused('nobody', error.code);
      throw error;
    }
  }

  #refused(actor: string, code: string): void {
    this.#tally.note({ actor, action: 'access.refused', target: 'rest', details: { code } });
  }
}
