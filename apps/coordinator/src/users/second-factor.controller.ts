/** REST of a person's own account and its second factor. */
import { Controller, Req } from '@nestjs/common';
import type { Request } from 'express';
import { StateError } from '#core/errors';
import type { RouteInput, RouteOutput } from '../common/contract.ts';
import { Input, Route } from '../common/route.ts';
import type { UserView } from './accounts.contract.ts';
import { AccountsService, passwordStateOf } from './accounts.service.ts';
import { CallersService } from './callers.service.ts';
import { PasswordSignInService } from './password-sign-in.service.ts';
import { secondFactorRoutes, type OwnAccount } from './second-factor.contract.ts';
import { SecondFactorService } from './second-factor.service.ts';
import { UserStore } from './user-store.ts';

type In<Name extends keyof typeof secondFactorRoutes> = RouteInput<
  (typeof secondFactorRoutes)[Name]
>;
type Out<Name extends keyof typeof secondFactorRoutes> = RouteOutput<
  (typeof secondFactorRoutes)[Name]
>;

@Controller()
export class SecondFactorController {
  readonly #accounts: AccountsService;
  readonly #callers: CallersService;
  readonly #passwords: PasswordSignInService;
  readonly #factor: SecondFactorService;
  readonly #users: UserStore;

  constructor(
    accounts: AccountsService,
    callers: CallersService,
    passwords: PasswordSignInService,
    factor: SecondFactorService,
    users: UserStore,
  ) {
    this.#accounts = accounts;
    this.#callers = callers;
    this.#passwords = passwords;
    this.#factor = factor;
    this.#users = users;
  }

  @Route(secondFactorRoutes.account)
  async account(@Req() request: Request): Promise<OwnAccount> {
    const record = await this.#users.get(this.#callers.get(request).user ?? 'nobody');
    const { user, role, site, createdAtMs, issuer } = record;
    return {
      ...{ user, role, site, createdAtMs, issuer, password: passwordStateOf(record) },
      hasSecondFactor: record.isTotpConfirmed,
      recoveryCodesLeft: record.recoveryCodeHashes.length,
    };
  }

  @Route(secondFactorRoutes.enrol)
  async enrol(
    @Input(secondFactorRoutes.enrol) { body }: In<'enrol'>,
    @Req() request: Request,
  ): Promise<Out<'enrol'>> {
    const user = this.#user(request);
    await this.#passwords.confirm(request, user, body.password);
    return this.#factor.enrol(user);
  }

  @Route(secondFactorRoutes.confirm)
  async confirm(
    @Input(secondFactorRoutes.confirm) { body }: In<'confirm'>,
    @Req() request: Request,
  ): Promise<Out<'confirm'>> {
    return { recoveryCodes: [...(await this.#factor.confirm(this.#user(request), body.code))] };
  }

  @Route(secondFactorRoutes.remove)
  async remove(
    @Input(secondFactorRoutes.remove) { body }: In<'remove'>,
    @Req() request: Request,
  ): Promise<Out<'remove'>> {
    const user = this.#user(request);
    const allowed = await this.#passwords.confirm(request, user, body.password, body.code);
    await this.#factor.remove(allowed);
    return {};
  }

  @Route(secondFactorRoutes.renewRecoveryCodes)
  async renewRecoveryCodes(
    @Input(secondFactorRoutes.renewRecoveryCodes) { body }: In<'renewRecoveryCodes'>,
    @Req() request: Request,
  ): Promise<Out<'renewRecoveryCodes'>> {
    const user = this.#user(request);
    const allowed = await this.#passwords.confirm(request, user, body.password, body.code);
    return { recoveryCodes: [...(await this.#factor.renewRecoveryCodes(allowed))] };
  }

  @Route(secondFactorRoutes.removeOfUser)
  removeOfUser(
    @Input(secondFactorRoutes.removeOfUser) { params, body }: In<'removeOfUser'>,
  ): Promise<UserView> {
    return this.#accounts.removeSecondFactor(params.user, body.ifVersion);
  }

  /** Whose account it is: of somebody who signed in, no token's. */
  #user(request: Request): string {
    const { user, session } = this.#callers.get(request);
    if (user !== null && session !== null) return user;
    throw new StateError(
      'STATE_CONFLICT',
      'account: expected somebody who signed in with an account, got a token; sign in first',
    );
  }
}
