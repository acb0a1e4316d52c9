/**
 * Who calls: by bearer token, or by a session's cookie in a browser. With a cookie, whatever changes something must come
 * from our own page, since a browser sends cookies of its own accord.
 */
import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { eq } from 'drizzle-orm';
import { AuthError } from '#core/errors';
import { roleSchema, type Role } from '../common/contract.ts';
import { Environment } from '../common/environment.ts';
import { tokenHash } from '../config/administrator-token.ts';
import { administratorTokens } from '../config/schema.ts';
import { readSessionCookie } from './cookies.ts';
import { SessionsService, type Grant, type Session } from './sessions.service.ts';
import { secretPattern } from './users.contract.ts';

/** Header by which our page says that it looks by itself and no person did anything. */
export const backgroundHeader = 'x-melo-background';
/** Header that another site's page cannot set without being allowed to, for browsers without Sec-Fetch-Site. */
export const csrfHeader = 'x-melo-csrf';

/** What stands for a token in the audit log: the beginning of its hash, enough to tell tokens apart. */
export const tokenMarkOf = (hash: string): string => hash.slice(0, 8);

/** Who calls. */
export interface Caller extends Grant {
  /** The session, where a cookie said who calls. */
  readonly session: Session | null;
}

/** What is asked of a request here; Express and socket.io both have it. */
export type CallerRequest = Pick<IncomingMessage, 'headers' | 'socket' | 'method'>;

const tokenPattern = /^[\x21-\x7e]{1,256}$/;

/** Who calls. */
@Injectable()
export class CallersService {
  readonly #environment: Environment;
  readonly #sessions: SessionsService;
  /** Who called, for each request that was identified. */
  readonly #identified = new WeakMap<object, Caller>();

  constructor(environment: Environment, sessions: SessionsService) {
    this.#environment = environment;
    this.#sessions = sessions;
  }

  /**
   * Tell who calls.
   *
   * @throws AuthError UNAUTHENTICATED without a token or session that is valid now, FORBIDDEN where another site's page asks
   */
  async identify(request: CallerRequest): Promise<Caller> {
    const caller = await this.#identify(request);
    this.#identified.set(request, caller);
    return caller;
  }

  /** The mark of an identified caller's token; null where nobody had to say who calls. */
  tokenMark(request: CallerRequest): string | null {
    const caller = this.#identified.get(request);
    return caller === undefined ? null : tokenMarkOf(caller.tokenHash);
  }

  async #identify(request: CallerRequest): Promise<Caller> {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const token = /^Bearer (\S+)$/.exec(authorization)?.[1] ?? '';
      return { ...(await this.grantOfToken(token)), session: null };
    }
    const secret = readSessionCookie(request);
    if (secret === undefined || !secretPattern.test(secret)) throw unauthenticated();
    checkOwnPage(request);
    const isActivity = request.headers[backgroundHeader] === undefined;
    const session = this.#sessions.find(secret, isActivity);
    if (session === undefined) throw unauthenticated();
    return { ...(await this.#grantOfSession(session)), session };
  }

  /**
   * Tell what a token grants now.
   *
   * @throws AuthError UNAUTHENTICATED
   */
  async grantOfToken(token: string): Promise<Grant> {
    if (!tokenPattern.test(token)) throw unauthenticated();
    return this.grantOfHash(tokenHash(token));
  }

  /**
   * Tell what a token grants now, by its hash, so the look-up's time tells nothing of the token.
   *
   * @throws AuthError UNAUTHENTICATED
   */
  async grantOfHash(hash: string): Promise<Grant> {
    const rows = await this.#environment.queries
      .select()
      .from(administratorTokens)
      .where(eq(administratorTokens.tokenHash, hash));
    const found = rows[0];
    if (found === undefined || found.expiresAtMs <= this.#environment.clock.wallTimeMs()) {
      throw unauthenticated();
    }
    const role: Role = roleSchema.parse(found.role);
    return { tokenHash: hash, role };
  }

  /** A session lives no longer than the token that it stands for. */
  async #grantOfSession(session: Session): Promise<Grant> {
    try {
      return await this.grantOfHash(session.tokenHash);
    } catch (error) {
      if (error instanceof AuthError) this.#sessions.end(session.id);
      throw error;
    }
  }
}

/**
 * Refuse what another site's page makes a browser send.
 *
 * @throws AuthError FORBIDDEN
 */
export function checkOwnPage({ headers, method }: CallerRequest): void {
  if (method === 'GET' || method === 'HEAD') return;
  const origin = headers['sec-fetch-site'];
  const isOwn =
    origin === undefined
      ? headers[csrfHeader] !== undefined
      : origin === 'same-origin' || origin === 'none';
  if (isOwn) return;
  throw new AuthError(
    'FORBIDDEN',
    `access: expected a request of our own page (Sec-Fetch-Site same-origin, or the header ${csrfHeader}), got one of another`,
  );
}

function unauthenticated(): AuthError {
  return new AuthError(
    'UNAUTHENTICATED',
    'access: expected a bearer token or a session that is valid now; sign in again',
  );
}
