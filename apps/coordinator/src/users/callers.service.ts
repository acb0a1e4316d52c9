/**
 * Who calls: by bearer token, or by a session's cookie in a browser. With a cookie, whatever changes something must come
 * from our own page, since a browser sends cookies of its own accord.
 */
import { Injectable } from '@nestjs/common';
import type { IncomingMessage } from 'node:http';
import { AuthError, InvariantError } from '#core/errors';
import { readSessionCookie } from './cookies.ts';
import type { Grant } from './credential.ts';
import { GrantsService, unauthenticated } from './grants.service.ts';
import { SessionsService, type Session } from './sessions.service.ts';
import { secretPattern } from './users.contract.ts';

/** Header by which our page says that it looks by itself and no person did anything. */
export const backgroundHeader = 'x-melo-background';
/** Header that another site's page cannot set without being allowed to, for browsers without Sec-Fetch-Site. */
export const csrfHeader = 'x-melo-csrf';

/** Who calls. */
export interface Caller extends Grant {
  /** The session, where a cookie said who calls. */
  readonly session: Session | null;
}

/** What is asked of a request here; Express and socket.io both have it. */
export type CallerRequest = Pick<IncomingMessage, 'headers' | 'socket' | 'method'>;

/** Who calls. */
@Injectable()
export class CallersService {
  readonly #grants: GrantsService;
  readonly #sessions: SessionsService;
  /** Who called, for each request that was identified. */
  readonly #identified = new WeakMap<object, Caller>();

  constructor(grants: GrantsService, sessions: SessionsService) {
    this.#grants = grants;
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

  /** Who calls, of a request that was identified; null where nobody had to say who calls. */
  find(request: CallerRequest): Caller | null {
    return this.#identified.get(request) ?? null;
  }

  /** The same where the route is no public one. */
  get(request: CallerRequest): Caller {
    const caller = this.find(request);
    if (caller !== null) return caller;
    throw new InvariantError('access: expected a route that asks who calls, got a public one');
  }

  async #identify(request: CallerRequest): Promise<Caller> {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const token = /^Bearer (\S+)$/.exec(authorization)?.[1] ?? '';
      return { ...(await this.#grants.ofToken(token)), session: null };
    }
    const secret = readSessionCookie(request);
    if (secret === undefined || !secretPattern.test(secret)) throw unauthenticated();
    checkOwnPage(request);
    const isActivity = request.headers[backgroundHeader] === undefined;
    const session = this.#sessions.find(secret, isActivity);
    if (session === undefined) throw unauthenticated();
    return { ...(await this.#grantOf(session)), session };
  }

  /** A session lives no longer than what it stands for. */
  async #grantOf(session: Session): Promise<Grant> {
    try {
      return await this.#grants.of(session.credential);
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
