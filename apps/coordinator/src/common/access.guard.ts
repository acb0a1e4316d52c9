/** Deny by default: a route without the explicit mark `public` needs a caller of a role that its contract names. */
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request } from 'express';
import { AuthError } from '#core/errors';
import { AuditTallyService } from '../audit/audit-tally.service.ts';
import { TaskStore } from '../tasks/task-store.ts';
import { CallersService, type Caller } from '../users/callers.service.ts';
import { addressKey, clientAddress } from '../users/client-address.ts';
import { holderOf } from '../users/credential.ts';
import { isThisMachine } from '../users/this-machine.ts';
import { checkAccess, forbidden } from './access-rules.ts';
import type { RouteContract } from './contract.ts';
import { Environment } from './environment.ts';
import { RequestLimits } from './request-limits.ts';
import { contractKey } from './route.ts';

/** What holds of a route without a contract: nobody may call it. */
const nobodys = { roles: [], scope: 'everything', isForSetup: false } as const;

/** Deny by default. */
@Injectable()
export class AccessGuard implements CanActivate {
  readonly #reflector: Reflector;
  readonly #callers: CallersService;
  readonly #environment: Environment;
  readonly #limits: RequestLimits;
  readonly #tasks: TaskStore;
  readonly #tally: AuditTallyService;

  constructor(
    reflector: Reflector,
    environment: Environment,
    limits: RequestLimits,
    callers: CallersService,
    tasks: TaskStore,
    tally: AuditTallyService,
  ) {
    this.#reflector = reflector;
    this.#environment = environment;
    this.#limits = limits;
    this.#callers = callers;
    this.#tasks = tasks;
    this.#tally = tally;
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true; // sockets are checked in the gateway's `io.use`
    const contract = this.#reflector.get<RouteContract | undefined>(
      contractKey,
      context.getHandler(),
    );
    const { roles, ...rest } = contract ?? nobodys;
    const request = context.switchToHttp().getRequest<Request>();
    if (roles === 'public') {
      this.#takeOfAddress(request);
      return true;
    }
    if (contract?.isOpenOnThisMachine === true && isThisMachine(request)) return true;
    const caller = await this.#identify(request);
    this.#limits.take(holderOf(caller.credential));
    try {
      checkAccess({ roles, ...rest }, caller);
      if (caller.role === 'steward') await this.#checkObjects(caller, { ...request.params });
    } catch (error) {
      if (error instanceof AuthError) this.#refused(caller.actor, error.code);
      throw error;
    }
    return true;
  }

  /** A steward names its own site and the tasks that it is a member of; whether there are others it does not learn. */
  async #checkObjects(
    { site }: Caller,
    params: Readonly<Record<string, string | string[]>>,
  ): Promise<void> {
    for (const [name, value] of Object.entries(params)) {
      if (name === 'site' && value !== site) throw forbidden("the steward's own site");
      if (name !== 'task') continue;
      const task = await this.#tasks.find(String(value));
      const isMember = task?.definition.members.some((member) => member === site) === true;
      if (!isMember) throw forbidden("a task that the steward's site is a member of");
    }
  }

  /** A token that grants nothing stands in the audit log; a request without any only wants to be told so. */
  async #identify(request: Request): Promise<Caller> {
    try {
      return await this.#callers.identify(request);
    } catch (error) {
      this.#takeOfAddress(request);
      const hasToken = request.headers.authorization !== undefined;
      if (error instanceof AuthError && hasToken) this.#refused('nobody', error.code);
      throw error;
    }
  }

  #takeOfAddress(request: Request): void {
    const address = clientAddress(request, this.#environment.settings);
    this.#limits.take(`address:${addressKey(address)}`);
  }

  #refused(actor: string, code: string): void {
    this.#tally.note({ actor, action: 'access.refused', target: 'rest', details: { code } });
  }
}
