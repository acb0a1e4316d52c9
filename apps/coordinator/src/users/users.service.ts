/** Sign-in and sign-out of people. */
import { Injectable } from '@nestjs/common';
import { AuthError } from '#core/errors';
import { AuditTallyService } from '../audit/audit-tally.service.ts';
import { AuditService } from '../audit/audit.service.ts';
import {
  CallersService,
  checkOwnPage,
  tokenMarkOf,
  type CallerRequest,
} from './callers.service.ts';
import { expiredSessionCookie, sessionCookie } from './cookies.ts';
import { sessionIdleMs, SessionsService, type Grant, type Session } from './sessions.service.ts';
import { SignInLinksService } from './sign-in-links.service.ts';
import type { SessionView, SignIn } from './users.contract.ts';

/** Sign-in and sign-out of people. */
@Injectable()
export class UsersService {
  readonly #audit: AuditService;
  readonly #tally: AuditTallyService;
  readonly #callers: CallersService;
  readonly #sessions: SessionsService;
  readonly #links: SignInLinksService;

  constructor(
    audit: AuditService,
    tally: AuditTallyService,
    callers: CallersService,
    sessions: SessionsService,
    links: SignInLinksService,
  ) {
    this.#audit = audit;
    this.#tally = tally;
    this.#callers = callers;
    this.#sessions = sessions;
    this.#links = links;
  }

  /** Make a sign-in link in the caller's name. */
  async createLink(
    request: CallerRequest,
  ): Promise<{ readonly url: string; readonly expiresAtMs: number }> {
    const caller = await this.#callers.identify(request);
    const link = this.#links.create(request, caller);
    await this.#record(caller, 'sign-in-link.made');
    return link;
  }

  /** Sign in and return the cookie to set; another site's page cannot sign a browser in. */
  async signIn(
    request: CallerRequest,
    signIn: SignIn,
  ): Promise<{ readonly cookie: string; readonly view: SessionView }> {
    if (request.headers['sec-fetch-site'] !== undefined) checkOwnPage(request);
    const grant = await this.#grantOf(request, signIn);
    const { secret, session } = this.#sessions.begin(grant);
    await this.#record(grant, 'session.begun', { by: 'token' in signIn ? 'token' : 'link' });
    return { cookie: sessionCookie(request, secret), view: viewOf(session) };
  }

  /** Tell who is signed in. */
  async current(request: CallerRequest): Promise<SessionView> {
    const { role, session } = await this.#callers.identify(request);
    return session === null ? { role, expiresAtMs: null, idleMs: null } : viewOf(session);
  }

  /** End the caller's session and return the cookie that takes the old one away. */
  async signOut(request: CallerRequest): Promise<string> {
    const caller = await this.#callers.identify(request);
    if (caller.session !== null) {
      this.#sessions.end(caller.session.id);
      await this.#record(caller, 'session.ended');
    }
    return expiredSessionCookie(request);
  }

  async #grantOf(request: CallerRequest, signIn: SignIn): Promise<Grant> {
    try {
      return 'token' in signIn
        ? await this.#callers.grantOfToken(signIn.token)
        : await this.#callers.grantOfHash(this.#links.spend(request, signIn.signInSecret));
    } catch (error) {
      if (error instanceof AuthError) {
        const details = { code: error.code };
        this.#tally.note({ ...dashboard, actor: 'nobody', action: 'session.refused', details });
      }
      throw error;
    }
  }

  #record({ role, tokenHash }: Grant, action: string, details = {}): Promise<void> {
    const token = tokenMarkOf(tokenHash);
    return this.#audit.record({
      ...dashboard,
      actor: role,
      action,
      details: { ...details, token },
    });
  }
}

const dashboard = { target: 'dashboard' };

function viewOf({ role, expiresAtMs }: Session): SessionView {
  return { role, expiresAtMs, idleMs: sessionIdleMs };
}
