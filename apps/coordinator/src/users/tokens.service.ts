/** API tokens: made by people for their programs, with no more rights than their maker has. */
import { Injectable } from '@nestjs/common';
import { InputError, StateError } from '#core/errors';
import { AuditService } from '../audit/audit.service.ts';
import { forbidden } from '../common/access-rules.ts';
import { isRepeatedCommand } from '../common/command-context.ts';
import { Environment } from '../common/environment.ts';
import { KeyedMutex } from '../common/mutex.ts';
import type { Page } from '../common/pages.contract.ts';
import type { Grant } from './credential.ts';
import { isOwner, unauthenticated } from './grants.service.ts';
import { apiTokenPrefix, newSecret, secretHash } from './secrets.ts';
import { SessionsService } from './sessions.service.ts';
import { TokenStore, type TokenRecord } from './token-store.ts';
import type { NewToken, TokensQuery, TokenView } from './tokens.contract.ts';
import { UserStore } from './user-store.ts';

/** Tokens of one owner at most, and of all. */
export const ownTokensMax = 50;
const tokensMax = 2000;
const dayMs = 24 * 3_600_000;

/** API tokens. */
@Injectable()
export class TokensService {
  readonly #environment: Environment;
  readonly #store: TokenStore;
  readonly #users: UserStore;
  readonly #sessions: SessionsService;
  readonly #audit: AuditService;
  readonly #mutex = new KeyedMutex();

  constructor(
    environment: Environment,
    store: TokenStore,
    users: UserStore,
    sessions: SessionsService,
    audit: AuditService,
  ) {
    this.#environment = environment;
    this.#store = store;
    this.#users = users;
    this.#sessions = sessions;
    this.#audit = audit;
  }

  /** A page of the caller's own tokens; of those of everybody for an administrator. */
  async list(caller: Grant, query: TokensQuery): Promise<Page<TokenView>> {
    const { role, user } = caller;
    if (role !== 'administrator' && user === null) return { items: [], nextCursor: null };
    const owner = role === 'administrator' ? null : user;
    const { items, nextCursor } = await this.#store.page(owner, query);
    return { items: items.map(viewOf), nextCursor };
  }

  /**
   * Make a token of the caller.
   *
   * @throws AuthError FORBIDDEN for a scope that the caller's own token lacks, UNAUTHENTICATED where the caller's account is
   * gone by now, StateError STATE_CONFLICT for too many
   */
  create(
    caller: Grant,
    { name, scopes, days }: NewToken,
  ): Promise<{ readonly token: TokenView; readonly secret: string }> {
    const isWhole = caller.scopes.includes('everything');
    const missing = scopes.find((scope) => !isWhole && !caller.scopes.includes(scope));
    if (missing !== undefined) throw forbidden(`scopes that the caller has, got ${missing}`);
    const createdAtMs = this.#environment.clock.wallTimeMs();
    return this.#mutex.run('tokens', async () => {
      await this.#checkCount(caller.user);
      const secret = `${apiTokenPrefix}${newSecret()}`;
      const tokenHash = secretHash('api-token', secret);
      const record: TokenRecord = {
        ...{ tokenHash, token: tokenHash.slice(0, 8), name, owner: caller.user },
        scopes: [...new Set(scopes)],
        ...{ createdAtMs, expiresAtMs: createdAtMs + days * dayMs, lastUsedAtMs: null },
      };
      await this.#environment.transactions.run(async (transaction) => {
        if (caller.user !== null) {
          const owner = await this.#users.find(caller.user, transaction);
          if (!isOwner(owner, record)) throw unauthenticated();
        }
        await this.#store.insert(transaction, record);
        await this.#audit.append(transaction, {
          ...{ actor: caller.actor, action: 'token.created', target: `token:${record.token}` },
          details: { name, owner: caller.user, scopes: record.scopes, days },
        });
      });
      return { token: viewOf(record), secret };
    });
  }

  /**
   * Revoke a token; what it has begun ends at once.
   *
   * @throws InputError NOT_FOUND where there is none, or none that the caller may see
   */
  async revoke(caller: Grant, token: string): Promise<void> {
    const record = (await this.#store.list()).find((each) => each.token === token);
    if (record === undefined && isRepeatedCommand()) return;
    if (record === undefined || !isFor(caller, record)) {
      throw new InputError(
        'NOT_FOUND',
        `tokens: expected one of yours, ${token} is none; see GET /v1/tokens`,
      );
    }
    await this.#environment.transactions.run(async (transaction) => {
      await this.#store.remove(transaction, token);
      const { name, owner } = record;
      await this.#audit.append(transaction, {
        ...{ actor: caller.actor, action: 'token.revoked', target: `token:${token}` },
        details: { name, owner },
      });
    });
    this.#sessions.endAll(`api-token:${record.tokenHash}`);
  }

  async #checkCount(owner: string | null): Promise<void> {
    const all = await this.#store.list();
    const own = all.filter((record) => record.owner === owner);
    if (own.length < ownTokensMax && all.length < tokensMax) return;
    throw new StateError(
      'STATE_CONFLICT',
      `tokens: expected at most ${ownTokensMax} of one person, got more; revoke one that is not used`,
    );
  }
}

const isFor = ({ role, user }: Grant, { owner }: TokenRecord): boolean =>
  role === 'administrator' || (user !== null && owner === user);

function viewOf({ tokenHash: _, ...view }: TokenRecord): TokenView {
  return view;
}
