/** Sign-in and sign-out of people. */
import { Injectable } from '@nestjs/common';
import { AuditService } from '../audit/audit.service.ts';
import { Environment } from '../common/environment.ts';
import { CallersService, checkOwnPage, type CallerRequest } from './callers.service.ts';
import { expiredSessionCookie, sessionCookie } from './cookies.ts';
import { sessionIdleMs, SessionsService, type Session } from './sessions.service.ts';
import { SignInLinksService } from './sign-in-links.service.ts';
import type { SessionView, SignIn } from './users.contract.ts';

/** Sign-in and sign-out of people. */
@Injectable()
export class UsersService {
  readonly #environment: Environment;
  readonly #audit: AuditService;
  readonly #callers: CallersService;
  readonly #sessions: SessionsService;
  readonly #links: SignInLinksService;

  constructor(
    environment: Environment,
    audit: AuditService,
    callers: CallersService,
    sessions: SessionsService,
    links: SignInLinksService,
  ) {
    this.#environment = environment;
    this.#audit = audit;
    this.#callers = callers;
    this.#sessions = sessions;
    this.#links = links;
  }

  /** Make a sign-in link in the caller's name. */
  async createLink(
    request: CallerRequest,
  ): Promise<{ readonly url: string; readonly expiresAtMs: number }> {
    return this.#links.create(request, await this.#callers.identify(request));
  }

  /** Sign in and return the cookie to set; another site's page cannot sign a browser in. */
  async signIn(
    request: CallerRequest,
    signIn: SignIn,
  ): Promise<{ readonly cookie: string; readonly view: SessionView }> {
    if (request.headers['sec-fetch-site'] !== undefined) checkOwnPage(request);
    const grant =
      'token' in signIn
        ? await this.#callers.grantOfToken(signIn.token)
        : await this.#callers.grantOfHash(this.#links.spend(request, signIn.signInSecret));
    const { secret, session } = this.#sessions.begin(grant);
    await this.#audit.append(this.#environment.queries, {
      actor: grant.role,
      action: 'session-begun',
      target: 'dashboard',
      details: { by: 'token' in signIn ? 'token' : 'link' },
    });
    return { cookie: sessionCookie(request, secret), view: viewOf(session) };
  }

  /** Tell who is signed in. */
  async current(request: CallerRequest): Promise<SessionView> {
    const { role, session } = await this.#callers.identify(request);
    return session === null ? { role, expiresAtMs: null, idleMs: null } : viewOf(session);
  }

  /** End the caller's session and return the cookie that takes the old one away. */
  async signOut(request: CallerRequest): Promise<string> {
    const { session } = await this.#callers.identify(request);
    if (session !== null) this.#sessions.end(session.id);
    return expiredSessionCookie(request);
  }
}

function viewOf({ role, expiresAtMs }: Session): SessionView {
  return { role, expiresAtMs, idleMs: sessionIdleMs };
}
