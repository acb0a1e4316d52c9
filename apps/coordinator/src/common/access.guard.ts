/** Deny by default: a route without the explicit mark `public` needs a bearer token of a role that its contract names. */
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { eq } from 'drizzle-orm';
import type { Request } from 'express';
import { AuthError } from '#core/errors';
import { tokenHash } from '../config/administrator-token.ts';
import { administratorTokens } from '../config/schema.ts';
import { roleSchema, type RouteContract } from './contract.ts';
import { Environment } from './environment.ts';
import { contractKey } from './route.ts';

/** Deny by default. */
@Injectable()
export class AccessGuard implements CanActivate {
  readonly #reflector: Reflector;
  readonly #environment: Environment;

  constructor(reflector: Reflector, environment: Environment) {
    this.#reflector = reflector;
    this.#environment = environment;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // sockets are checked in the gateway's `io.use`
    const contract = this.#reflector.get<RouteContract | undefined>(
      contractKey,
      context.getHandler(),
    );
    if (contract?.roles === 'public') return true;
    const { authorization } = context.switchToHttp().getRequest<Request>().headers;
    const role = await this.#roleOf(authorization);
    if (contract?.roles.includes(role) === true) return true;
    throw new AuthError('FORBIDDEN', `access: expected another role than ${role}`);
  }

  async #roleOf(authorization: string | undefined) {
    const token = /^Bearer ([\x21-\x7e]{1,256})$/.exec(authorization ?? '')?.[1];
    if (token === undefined) throw unauthenticated();
    // The look-up is by hash, so its time tells nothing of the token.
    const rows = await this.#environment.queries
      .select()
      .from(administratorTokens)
      .where(eq(administratorTokens.tokenHash, tokenHash(token)));
    const found = rows[0];
    if (found === undefined || found.expiresAtMs <= this.#environment.clock.wallTimeMs()) {
      throw unauthenticated();
    }
    return roleSchema.parse(found.role);
  }
}

function unauthenticated(): AuthError {
  return new AuthError('UNAUTHENTICATED', 'access: expected a bearer token that is valid now');
}
