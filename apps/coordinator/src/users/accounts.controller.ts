/** REST of people's accounts. */
import { Controller, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { InputError, StateError } from '#core/errors';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import { accountRoutes, type NewPassword, type UserView } from './accounts.contract.ts';
import { AccountsService } from './accounts.service.ts';
import { CallersService } from './callers.service.ts';
import { GrantsService } from './grants.service.ts';
import { PasswordSignInService } from './password-sign-in.service.ts';
import { UsersService } from './users.service.ts';

type In<Name extends keyof typeof accountRoutes> = RouteInput<(typeof accountRoutes)[Name]>;
type Out<Name extends keyof typeof accountRoutes> = RouteOutput<(typeof accountRoutes)[Name]>;

@Controller()
export class AccountsController {
  readonly #accounts: AccountsService;
  readonly #callers: CallersService;
  readonly #grants: GrantsService;
  readonly #passwords: PasswordSignInService;
  readonly #users: UsersService;

  constructor(
    accounts: AccountsService,
    callers: CallersService,
    grants: GrantsService,
    passwords: PasswordSignInService,
    users: UsersService,
  ) {
    this.#accounts = accounts;
    this.#callers = callers;
    this.#grants = grants;
    this.#passwords = passwords;
    this.#users = users;
  }

  @Route(accountRoutes.list)
  async list(@Input(accountRoutes.list) { query }: In<'list'>): Promise<Out<'list'>> {
    const { items: users, nextCursor } = await this.#accounts.list(query);
    return { users, nextCursor };
  }

  @Route(accountRoutes.create)
  create(@Input(accountRoutes.create) { body }: In<'create'>): Promise<NewPassword> {
    return this.#accounts.create(body);
  }

  @Route(accountRoutes.get)
  get(@Input(accountRoutes.get) { params }: In<'get'>): Promise<UserView> {
    return this.#accounts.get(params.user);
  }

  @Route(accountRoutes.role)
  role(@Input(accountRoutes.role) { params, body }: In<'role'>): Promise<UserView> {
    return this.#accounts.setRole(params.user, body);
  }

  @Route(accountRoutes.suspend)
  suspend(@Input(accountRoutes.suspend) { params, body }: In<'suspend'>): Promise<UserView> {
    return this.#accounts.suspend(params.user, body);
  }

  @Route(accountRoutes.resume)
  resume(@Input(accountRoutes.resume) { params, body }: In<'resume'>): Promise<UserView> {
    return this.#accounts.resume(params.user, body);
  }

  @Route(accountRoutes.resetPassword)
  resetPassword(
    @Input(accountRoutes.resetPassword) { params, body }: In<'resetPassword'>,
  ): Promise<NewPassword> {
    return this.#accounts.resetPassword(params.user, body);
  }

  @Route(accountRoutes.remove)
  async remove(
    @Input(accountRoutes.remove) { params, query }: In<'remove'>,
  ): Promise<Out<'remove'>> {
    await this.#accounts.remove(params.user, query.ifVersion);
    return {};
  }

  @Route(accountRoutes.changePassword)
  async changePassword(
    @Input(accountRoutes.changePassword) { body }: In<'changePassword'>,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<Out<'changePassword'>> {
    const { user, session } = this.#callers.get(request);
    if (user === null || session === null) {
      throw new StateError(
        'STATE_CONFLICT',
        'password: expected somebody who signed in with an account, got a token; sign in first',
      );
    }
    if (body.newPassword === body.currentPassword) {
      throw new InputError('PASSWORD_REFUSED', 'password: expected another one, got the present');
    }
    const allowed = await this.#passwords.confirm(request, user, body.currentPassword);
    const record = await this.#accounts.setOwnPassword(allowed, body.newPassword);
    const begun = await this.#users.begin(request, this.#grants.ofUser(record), 'password-change');
    response.setHeader('Set-Cookie', begun.cookie);
    return {};
  }
}
