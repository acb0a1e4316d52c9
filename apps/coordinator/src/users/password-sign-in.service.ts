/** Sign-in by name and password: the same work and the same answer whether there is such an account or not. */
import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { AuthError } from '#core/errors';
import { AuditTallyService } from '../audit/audit-tally.service.ts';
import { Environment } from '../common/environment.ts';
import { clientAddress } from './client-address.ts';
import type { Grant } from './credential.ts';
import { GrantsService } from './grants.service.ts';
import { PasswordsService } from './passwords.service.ts';
import { SecondFactorService } from './second-factor.service.ts';
import { SignInThrottle, type Attempt } from './sign-in-throttle.service.ts';
import { UserStore, type UserRecord } from './user-store.ts';
import type { PasswordSignIn } from './users.contract.ts';

/** Milliseconds that a password which somebody else set can be used. */
export const temporaryPasswordLifetimeMs = 7 * 24 * 3_600_000;

type SignInRequest = Pick<IncomingMessage, 'headers' | 'socket'>;

/** Sign-in by name and password. */
@Injectable()
export class PasswordSignInService {
  readonly #environment: Environment;
  readonly #users: UserStore;
  readonly #passwords: PasswordsService;
  readonly #throttle: SignInThrottle;
  readonly #grants: GrantsService;
  readonly #factor: SecondFactorService;
  readonly #tally: AuditTallyService;

  constructor(
    environment: Environment,
    users: UserStore,
    passwords: PasswordsService,
    throttle: SignInThrottle,
    grants: GrantsService,
    factor: SecondFactorService,
    tally: AuditTallyService,
  ) {
    this.#environment = environment;
    this.#users = users;
    this.#passwords = passwords;
    this.#throttle = throttle;
    this.#grants = grants;
    this.#factor = factor;
    this.#tally = tally;
  }

  /**
   * Tell what a name and a password grant.
   *
   * @throws AuthError UNAUTHENTICATED, SECOND_FACTOR_REQUIRED where a code must come along, ProtocolError RATE_LIMITED after
   * too many that failed
   */
  async grantOf(request: SignInRequest, signIn: PasswordSignIn): Promise<Grant> {
    const user = signIn.user.trim().toLowerCase();
    const attempt = this.#begin(request, user);
    const record = await this.#check(attempt, user, signIn);
    attempt.succeeded();
    await this.#users.note(user, { lastSignInAtMs: this.#environment.clock.wallTimeMs() });
    return this.#grants.ofUser(record);
  }

  /**
   * Check the password, and a code where one is asked for, of somebody who is signed in; failures count like those of a sign-in.
   *
   * @throws AuthError FORBIDDEN, ProtocolError RATE_LIMITED
   */
  async confirm(
    request: SignInRequest,
    user: string,
    password: string,
    code?: string,
  ): Promise<UserRecord> {
    const attempt = this.#begin(request, user);
    const record = await this.#users.get(user);
    const isRight = await this.#verify(attempt, record, password);
    if (!isRight || (code !== undefined && !(await this.#factor.check(user, code)))) {
      throw new AuthError(
        'FORBIDDEN',
        'account: expected the present password and a code that is good now, got another',
      );
    }
    attempt.succeeded();
    return record;
  }

  #begin(request: SignInRequest, user: string): Attempt {
    try {
      return this.#throttle.begin(user, clientAddress(request, this.#environment.settings));
    } catch (error) {
      this.#refused('dashboard', 'RATE_LIMITED');
      throw error;
    }
  }

  async #check(
    attempt: Attempt,
    user: string,
    { password, code }: PasswordSignIn,
  ): Promise<UserRecord> {
    const record = await this.#users.find(user);
    const isRight = await this.#verify(attempt, record, password);
    if (record !== null && isRight && record.status === 'active' && !this.#isExpired(record)) {
      if (await this.#hasSecondFactor(attempt, record, code)) return record;
    }
    // The name stands in the log where it is an account's: what was typed may be a password in the wrong field.
    this.#refused(record === null ? 'dashboard' : `user:${record.user}`, 'UNAUTHENTICATED');
    throw new AuthError(
      'UNAUTHENTICATED',
      'sign-in: expected the name and the password of an account that may sign in, got others',
    );
  }

  /** The code that an account with a second factor asks for beside the password. */
  async #hasSecondFactor(
    attempt: Attempt,
    { user, isTotpConfirmed }: UserRecord,
    code: string | undefined,
  ): Promise<boolean> {
    if (!isTotpConfirmed) return true;
    if (code !== undefined) return this.#factor.check(user, code);
    attempt.undecided();
    throw new AuthError(
      'SECOND_FACTOR_REQUIRED',
      'sign-in: expected a code of the authenticator beside the password; send it along',
    );
  }

  /** A password that could not be looked at because too many waited is no failure of this person. */
  async #verify(attempt: Attempt, record: UserRecord | null, password: string): Promise<boolean> {
    try {
      return await this.#passwords.verify(record?.passwordHash ?? null, password);
    } catch (error) {
      attempt.undecided();
      throw error;
    }
  }

  #refused(target: string, code: string): void {
    this.#tally.note({ actor: 'nobody', action: 'session.refused', target, details: { code } });
  }

  #isExpired({ isPasswordTemporary, passwordSetAtMs }: UserRecord): boolean {
    const ageMs = this.#environment.clock.wallTimeMs() - (passwordSetAtMs ?? 0);
    return isPasswordTemporary && ageMs > temporaryPasswordLifetimeMs;
  }
}
