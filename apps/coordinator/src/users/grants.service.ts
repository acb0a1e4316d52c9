/** What a credential allows now: asked of the database with every request, so that what is taken away is gone at once. */
import { Injectable } from '@nestjs/common';
import { eq } from 'drizzle-orm';
import { AuthError } from '#core/errors';
import { BackgroundWork } from '../common/background-work.ts';
import { roleSchema } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { tokenHash } from '../config/administrator-token.ts';
import { administratorTokens } from '../config/schema.ts';
import type { Credential, Grant, Setup } from './credential.ts';
import { apiTokenPrefix, secretHash } from './secrets.ts';
import { TokenStore, type TokenRecord } from './token-store.ts';
import { stampOf, UserStore, type UserRecord } from './user-store.ts';

const tokenPattern = /^[\x21-\x7e]{1,256}$/;

/** What a credential allows now. */
@Injectable()
export class GrantsService {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #users: UserStore;
  readonly #tokens: TokenStore;

  constructor(
    environment: Environment,
    background: BackgroundWork,
    users: UserStore,
    tokens: TokenStore,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#users = users;
    this.#tokens = tokens;
  }

  /**
   * Tell what a bearer token grants.
   *
   * @throws AuthError UNAUTHENTICATED
   */
  async ofToken(token: string): Promise<Grant> {
    if (!tokenPattern.test(token)) throw unauthenticated();
    return this.of(
      token.startsWith(apiTokenPrefix)
        ? { kind: 'api-token', hash: secretHash('api-token', token) }
        : { kind: 'administrator-token', hash: tokenHash(token) },
    );
  }

  /**
   * Tell what a credential grants. Tokens are looked up by hash, so the look-up's time tells nothing of the token.
   *
   * @throws AuthError UNAUTHENTICATED
   */
  async of(credential: Credential): Promise<Grant> {
    switch (credential.kind) {
      case 'administrator-token':
        return this.#ofAdministratorToken(credential);
      case 'api-token':
        return this.#ofApiToken(credential);
      case 'user': {
        const record = await this.#users.find(credential.user);
        if (record === null || stampOf(record) !== credential.stamp) throw unauthenticated();
        return this.ofUser(record);
      }
    }
  }

  /**
   * Tell what an account grants.
   *
   * @throws AuthError UNAUTHENTICATED where it is suspended
   */
  ofUser(record: UserRecord): Grant {
    const { user, role, site, status } = record;
    if (status !== 'active') throw unauthenticated();
    return {
      credential: { kind: 'user', user, stamp: stampOf(record) },
      actor: `user:${user}`,
      user,
      role,
      site,
      scopes: ['everything'],
      setup: this.#setupOf(record),
    };
  }

  #setupOf({ role, passwordHash, isPasswordTemporary, isTotpConfirmed }: UserRecord): Setup | null {
    if (isPasswordTemporary) return 'password';
    const { requireTotp } = this.#environment.settings;
    const isDue = requireTotp && role === 'administrator' && passwordHash !== null;
    return isDue && !isTotpConfirmed ? 'second-factor' : null;
  }

  /** A token has the rights that its owner has now, as far as its scopes go. */
  async #ofApiToken(credential: Credential & { readonly kind: 'api-token' }): Promise<Grant> {
    const token = await this.#tokens.find(credential.hash);
    if (token === null) throw unauthenticated();
    const { owner, scopes, expiresAtMs } = token;
    const record = owner === null ? null : await this.#users.find(owner);
    if (owner !== null && !isOwner(record, token)) throw unauthenticated();
    const grant = record === null ? ofTheFirstStart : this.ofUser(record);
    this.#background.start('token-use', () => this.#tokens.noteUse(token));
    return { ...grant, credential, scopes, expiresAtMs };
  }

  async #ofAdministratorToken(
    credential: Credential & { readonly kind: 'administrator-token' },
  ): Promise<Grant> {
    const [found] = await this.#environment.queries
      .select()
      .from(administratorTokens)
      .where(eq(administratorTokens.tokenHash, credential.hash));
    if (found === undefined || found.expiresAtMs <= this.#environment.clock.wallTimeMs()) {
      throw unauthenticated();
    }
    const role = roleSchema.parse(found.role);
    const { expiresAtMs } = found;
    return { ...ofTheFirstStart, credential, role, actor: role, expiresAtMs };
  }
}

/** What the administrator's token of the first start grants. */
const ofTheFirstStart = {
  actor: 'administrator',
  user: null,
  role: 'administrator',
  site: null,
  scopes: ['everything'],
  setup: null,
} satisfies Omit<Grant, 'credential'>;

/** Whether an account made a token, and not an earlier account of the same name. */
export function isOwner(
  record: UserRecord | null,
  { createdAtMs }: Pick<TokenRecord, 'createdAtMs'>,
): boolean {
  return record !== null && record.createdAtMs <= createdAtMs;
}

/** Nobody that we know: not which part is wrong. */
export function unauthenticated(): AuthError {
  return new AuthError(
    'UNAUTHENTICATED',
    'access: expected a bearer token or a session that is valid now; sign in again',
  );
}
