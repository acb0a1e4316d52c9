/** Sign-in and sign-out of people. */
import { Injectable } from '@nestjs/common';
import { AuthError } from '#core/errors';
import { AuditTallyService } from '../audit/audit-tally.service.ts';
import { AuditService } from '../audit/audit.service.ts';
import type { RouteOutput } from '../common/contract.ts';
import { CallersService, checkOwnPage, type CallerRequest } from './callers.service.ts';
import {
  checkConnection,
  expiredSessionCookie,
  readSessionCookie,
  sessionCookie,
} from './cookies.ts';
import { holderOf, tokenMarkOf, type Grant } from './credential.ts';
import { GrantsService } from './grants.service.ts';
import { PasswordSignInService } from './password-sign-in.service.ts';
import { sessionIdleMs, SessionsService, type Session } from './sessions.service.ts';
import { SignInLinksService } from './sign-in-links.service.ts';
import type { SessionView, SignIn, userRoutes } from './users.contract.ts';

/** A session that has begun: the cookie to set, and who is signed in. */
export interface BegunSession {
  readonly cookie: string;
  readonly view: SessionView;
}

/** How somebody signed in. */
export type SignInWay = 'token' | 'link' | 'password' | 'password-change' | 'single-sign-on';

/** Sign-in and sign-out of people. */
@Injectable()
export class UsersService {
  readonly #audit: AuditService;
  readonly #tally: AuditTallyService;
  readonly #callers: CallersService;
  readonly #grants: GrantsService;
  readonly #sessions: SessionsService;
  readonly #links: SignInLinksService;
  readonly #passwords: PasswordSignInService;

  constructor(
    audit: AuditService,
    tally: AuditTallyService,
    callers: CallersService,
    grants: GrantsService,
    sessions: SessionsService,
    links: SignInLinksService,
    passwords: PasswordSignInService,
  ) {
    this.#audit = audit;
    this.#tally = tally;
    this.#callers = callers;
    this.#grants = grants;
    this.#sessions = sessions;
    this.#links = links;
    this.#passwords = passwords;
  }

  /** Make a sign-in link in the caller's name. */
  async createLink(
    request: CallerRequest,
  ): Promise<{ readonly url: string; readonly expiresAtMs: number }> {
    const caller = this.#callers.get(request);
    const link = this.#links.create(request, caller.credential);
    await this.#record(caller, 'sign-in-link.made');
    return link;
  }

  /** Sign in and return the cookie to set; another site's page cannot sign a browser in. */
  async signIn(request: CallerRequest, signIn: SignIn): Promise<BegunSession> {
    if (request.headers['sec-fetch-site'] !== undefined) checkOwnPage(request);
    checkConnection(request);
    const [grant, by] = await this.#grantOf(request, signIn);
    return this.begin(request, grant, by);
  }

  /** Begin a session of somebody who has shown who they are. */
  async begin(request: CallerRequest, grant: Grant, by: SignInWay): Promise<BegunSession> {
    // A browser has one session: that of an earlier sign-in ends, whoever it was of.
    const earlier = readSessionCookie(request);
    if (earlier !== undefined) this.#sessions.endOf(earlier);
    const { secret, session } = this.#sessions.begin(grant.credential);
    await this.#record(grant, 'session.begun', { by });
    return { cookie: sessionCookie(request, secret), view: viewOf(grant, session) };
  }

  /** Tell who is signed in. */
  current(request: CallerRequest): SessionView {
    const caller = this.#callers.get(request);
    return viewOf(caller, caller.session);
  }

  /** End the caller's session and return the cookie that takes the old one away. */
  async signOut(request: CallerRequest): Promise<string> {
    const caller = this.#callers.get(request);
    if (caller.session !== null) {
      this.#sessions.end(caller.session.id);
      await this.#record(caller, 'session.ended');
    }
    return expiredSessionCookie(request);
  }

  /** The caller's own sessions. */
  list(request: CallerRequest): RouteOutput<typeof userRoutes.list>['sessions'] {
    const { credential, session } = this.#callers.get(request);
    return this.#sessions.list(holderOf(credential)).map(({ id, begunAtMs, expiresAtMs }) => ({
      ...{ begunAtMs, expiresAtMs, isCurrent: id === session?.id },
    }));
  }

  /** End every session of the caller's, and return how many and the cookie that takes this one away. */
  async signOutEverywhere(
    request: CallerRequest,
  ): Promise<{ readonly ended: number; readonly cookie: string }> {
    const caller = this.#callers.get(request);
    const ended = this.#sessions.endAll(holderOf(caller.credential));
    await this.#record(caller, 'session.ended-everywhere', { ended });
    return { ended, cookie: expiredSessionCookie(request) };
  }

  async #grantOf(request: CallerRequest, signIn: SignIn): Promise<readonly [Grant, SignInWay]> {
    if ('password' in signIn) return [await this.#passwords.grantOf(request, signIn), 'password'];
    try {
      if ('token' in signIn) return [await this.#grants.ofToken(signIn.token), 'token'];
      const credential = this.#links.spend(request, signIn.signInSecret);
      return [await this.#grants.of(credential), 'link'];
    } catch (error) {
      if (error instanceof AuthError) {
        const details = { code: error.code };
        this.#tally.note({ ...dashboard, actor: 'nobody', action: 'session.refused', details });
      }
      throw error;
    }
  }

  #record({ actor, credential }: Grant, action: string, details = {}): Promise<void> {
    const mark = tokenMarkOf(credential);
    const token = mark === null ? {} : { token: mark };
    return this.#audit.record({ ...dashboard, actor, action, details: { ...details, ...token } });
  }
}

const dashboard = { target: 'dashboard' };

function viewOf({ user, role, site, setup }: Grant, session: Session | null): SessionView {
  const expiresAtMs = session?.expiresAtMs ?? null;
  return { user, role, site, setup, expiresAtMs, idleMs: session === null ? null : sessionIdleMs };
}
