/**
 * Single sign-on: a browser goes to an identity provider and comes back with a code. What was sent along is kept here under
 * a secret that the browser's cookie has, so that nobody signs another's browser in; each is good once and for ten minutes.
 */
import { Injectable } from '@nestjs/common';
import { z } from 'zod';
import { AuthError, InputError, StateError } from '#core/errors';
import { AuditTallyService } from '../audit/audit-tally.service.ts';
import { Environment } from '../common/environment.ts';
import { userNameSchema } from './accounts.contract.ts';
import { AccountsService } from './accounts.service.ts';
import { addressKey, clientAddress } from './client-address.ts';
import { checkConnection, readSignInCookie, signInCookie, type CookieRequest } from './cookies.ts';
import type { Grant } from './credential.ts';
import { GrantsService } from './grants.service.ts';
import { OidcClient, type SentAlong, type Subject } from './oidc-client.ts';
import { roleOf, type SignInProvider } from './providers.ts';
import { newSecret, secretHash } from './secrets.ts';
import { UserStore, type UserRecord } from './user-store.ts';

/** Milliseconds that a browser may be at the provider. */
export const awayMs = 10 * 60_000;
/** Why an account is suspended that its provider gives no role any more. */
const noRoleReason = 'the identity provider gives this person no role any more';
/** Browsers that are away at most, of one address and of all; the oldest gives way. */
const awayOfAddressMax = 100;
export const awayMax = 1000;

interface Away {
  /** Where the browser began, as limits count it. */
  readonly address: string;
  readonly provider: string;
  readonly sent: SentAlong;
  /** What stands behind the # of the page to come back to. */
  readonly place: string;
  readonly endMs: number;
}

/** Single sign-on. */
@Injectable()
export class SingleSignOnService {
  readonly #environment: Environment;
  readonly #accounts: AccountsService;
  readonly #users: UserStore;
  readonly #grants: GrantsService;
  readonly #tally: AuditTallyService;
  readonly #clients: ReadonlyMap<string, OidcClient>;
  /** By hash of the cookie's secret, in order of going. */
  readonly #away = new Map<string, Away>();

  constructor(
    environment: Environment,
    accounts: AccountsService,
    users: UserStore,
    grants: GrantsService,
    tally: AuditTallyService,
  ) {
    this.#environment = environment;
    this.#accounts = accounts;
    this.#users = users;
    this.#grants = grants;
    this.#tally = tally;
    const { signInProviders } = environment.settings;
    this.#clients = new Map(
      signInProviders.map((provider) => [provider.provider, new OidcClient(provider)]),
    );
  }

  list(): readonly Pick<SignInProvider, 'provider' | 'label'>[] {
    return [...this.#clients.values()].map(({ provider: { provider, label } }) => ({
      provider,
      label,
    }));
  }

  /** Where to send a browser, and the cookie that it comes back with. */
  async begin(
    request: CookieRequest,
    provider: string,
    place: string,
  ): Promise<{ readonly url: string; readonly cookie: string }> {
    checkConnection(request);
    checkBegunHere(request);
    const { url, sent } = await this.#client(provider).begin(this.#returnAddress(provider));
    const address = addressKey(clientAddress(request, this.#environment.settings));
    this.#makeRoom(address);
    const secret = newSecret();
    const endMs = this.#environment.clock.monotonicTimeMs() + awayMs;
    this.#away.set(secretHash('sign-in', secret), { address, provider, sent, place, endMs });
    return { url, cookie: signInCookie(request, secret) };
  }

  /**
   * What the provider's answer grants, and where in the page to go; `search` is the query that the browser came back with.
   *
   * @throws AuthError UNAUTHENTICATED where it does not fit what was sent, FORBIDDEN where nothing gives a role: an account
   * that had one is suspended
   */
  async finish(
    request: CookieRequest,
    provider: string,
    search: string,
  ): Promise<{ readonly grant: Grant; readonly place: string }> {
    checkConnection(request);
    try {
      const client = this.#client(provider);
      const { sent, place } = this.#takeAway(request, provider);
      const returned = new URL(`${this.#returnAddress(provider)}${search}`);
      const subject = await client.finish(returned, sent);
      const record = await this.#account(client.provider, subject);
      const grant = this.#grants.ofUser(record);
      const lastSignInAtMs = this.#environment.clock.wallTimeMs();
      await this.#users.note(record.user, { lastSignInAtMs });
      return { grant, place };
    } catch (error) {
      const isRefusal = error instanceof AuthError || error instanceof InputError;
      // A name that somebody else has, a full house, the last administrator: these refuse people as well.
      if (isRefusal || error instanceof StateError) {
        const refused = { actor: 'nobody', action: 'session.refused', target: 'dashboard' };
        this.#tally.note({ ...refused, details: { code: error.code, provider } });
        this.#environment.logger.info('single sign-on refused', { code: error.code, error });
      }
      throw error;
    }
  }

  /** The account that the provider vouches for, with the role that its claim gives now; a new one where there is none. */
  async #account(provider: SignInProvider, { subject, claims }: Subject): Promise<UserRecord> {
    const { issuer, roleClaim, nameClaim } = provider;
    const place = roleOf(provider, claims[roleClaim]);
    const present = await this.#users.findBySubject(issuer, subject);
    if (place === null) {
      if (present !== null) await this.#suspend(present);
      throw new AuthError(
        'FORBIDDEN',
        `sign-in by ${provider.provider}: expected a value of ${roleClaim} that gives a role, got none; add it to the file of providers`,
      );
    }
    const { role, site } = place;
    const placed = site === undefined ? { role } : { role, site };
    if (present !== null) return this.#accounts.follow(present, placed);
    // Never linked by name: the name is the provider's word, and there may be somebody else of that name here.
    const name = z.string().toLowerCase().pipe(userNameSchema).safeParse(claims[nameClaim]);
    if (!name.success) {
      throw new AuthError('FORBIDDEN', `sign-in: expected a name in the claim ${nameClaim}`);
    }
    return this.#accounts.link(name.data, { issuer, subject }, placed);
  }

  /** Take from an account what an earlier sign-in gave it, its sessions too; the last administrator's stays. */
  async #suspend({ user, status }: UserRecord): Promise<void> {
    if (status === 'suspended') return;
    try {
      await this.#accounts.suspend(user, { reason: noRoleReason });
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
      const { code } = error;
      this.#environment.logger.warn('single sign-on suspends nobody', { code, error });
    }
  }

  #takeAway(request: CookieRequest, provider: string): Away {
    const hash = secretHash('sign-in', readSignInCookie(request) ?? '');
    const away = this.#away.get(hash);
    this.#away.delete(hash);
    const nowMs = this.#environment.clock.monotonicTimeMs();
    if (away?.provider === provider && away.endMs > nowMs) return away;
    throw new AuthError(
      'UNAUTHENTICATED',
      'sign-in: expected a browser that we sent to the provider within ten minutes, got another; begin again',
    );
  }

  #client(provider: string): OidcClient {
    const client = this.#clients.get(provider);
    if (client !== undefined) return client;
    throw new InputError('NOT_FOUND', 'sign-in: expected a provider of this coordinator');
  }

  #returnAddress(provider: string): string {
    return `${this.#environment.publicUrl}/v1/sign-in-providers/${provider}/finish`;
  }

  /** Make room for one more: an address that has begun many gives up its own oldest, so that it ends nobody else's. */
  #makeRoom(address: string): void {
    const nowMs = this.#environment.clock.monotonicTimeMs();
    for (const [hash, { endMs }] of this.#away) {
      if (endMs > nowMs) break;
      this.#away.delete(hash);
    }
    const all = [...this.#away];
    const own = all.filter(([, away]) => away.address === address);
    const [oldest] = own.length >= awayOfAddressMax ? own : all.length >= awayMax ? all : [];
    if (oldest !== undefined) this.#away.delete(oldest[0]);
  }
}

/**
 * Refuse a sign-in that the page of another site begins: with a session at the provider it would need nobody's doing.
 *
 * @throws AuthError FORBIDDEN
 */
function checkBegunHere({ headers }: CookieRequest): void {
  const from = headers['sec-fetch-site'];
  if (from === undefined || from === 'same-origin' || from === 'none') return;
  throw new AuthError(
    'FORBIDDEN',
    'sign-in: expected it to begin on our own page, the page of another site asked for it; open the address of the dashboard',
  );
}
