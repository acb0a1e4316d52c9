/**
 * Our cookies: `__Host-` and Secure wherever TLS is, names of their own on plain http of the loopback. One is the session's;
 * the other lives for the minutes that a browser is at an identity provider, from where a stricter one would not come back.
 */
import type { IncomingMessage } from 'node:http';
import { InputError } from '#core/errors';
import { isLoopback } from '../config/start-options.ts';

/** What is asked of a request here; Express and socket.io both have it. */
export type CookieRequest = Pick<IncomingMessage, 'headers' | 'socket'>;

interface CookieKind {
  readonly secureName: string;
  readonly plainName: string;
  readonly attributes: string;
}

/** The name of the session's cookie wherever TLS is. */
export const sessionCookieName = '__Host-melo';
const session: CookieKind = {
  secureName: sessionCookieName,
  plainName: 'melo-session',
  attributes: 'SameSite=Strict',
};
const signIn: CookieKind = {
  secureName: '__Host-melo-sign-in',
  plainName: 'melo-sign-in',
  attributes: 'SameSite=Lax',
};

/**
 * Tell whether a person's browser reached us over TLS, ended here or at a proxy.
 *
 * Whoever forges the header changes the cookie of their own browser alone.
 */
export function isSecure({ headers, socket }: CookieRequest): boolean {
  if ('encrypted' in socket && socket.encrypted === true) return true;
  const forwarded = headers['x-forwarded-proto'];
  return (Array.isArray(forwarded) ? forwarded[0] : forwarded)?.split(',')[0]?.trim() === 'https';
}

/**
 * Refuse a connection that would show a cookie to the network.
 *
 * @throws InputError TLS_REQUIRED
 */
export function checkConnection(request: CookieRequest): void {
  const address = (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
  if (isSecure(request) || isLoopback(address)) return;
  throw new InputError(
    'TLS_REQUIRED',
    'sign-in: expected https, got plain http from another machine, which would show the session to the network; open the https address',
  );
}

/** Read the session's secret, or undefined where no such cookie came. */
export const readSessionCookie = (request: CookieRequest): string | undefined =>
  read(request, session);
/** Read the secret of a sign-in that is under way, or undefined. */
export const readSignInCookie = (request: CookieRequest): string | undefined =>
  read(request, signIn);

/** The Set-Cookie header for a session; it ends with the browser, the server knows when it ends for good. */
export const sessionCookie = (request: CookieRequest, secret: string): string =>
  write(request, session, secret);
/** The Set-Cookie header for a sign-in that is under way. */
export const signInCookie = (request: CookieRequest, secret: string): string =>
  write(request, signIn, secret);

/** The Set-Cookie header that takes the session's cookie away. */
export const expiredSessionCookie = (request: CookieRequest): string =>
  write(request, session, '', 'Max-Age=0; ');
/** The Set-Cookie header that takes the cookie of a sign-in away. */
export const expiredSignInCookie = (request: CookieRequest): string =>
  write(request, signIn, '', 'Max-Age=0; ');

/** The cookie's name on this connection: over TLS a cookie that plain http could have set is not looked at. */
function nameOf(request: CookieRequest, { secureName, plainName }: CookieKind): string {
  return isSecure(request) ? secureName : plainName;
}

function read(request: CookieRequest, kind: CookieKind): string | undefined {
  const prefix = `${nameOf(request, kind)}=`;
  const found = (request.headers.cookie ?? '')
    .split(';')
    .map((part) => part.trim())
    .find((part) => part.startsWith(prefix));
  return found?.slice(prefix.length);
}

function write(request: CookieRequest, kind: CookieKind, value: string, age = ''): string {
  const secure = isSecure(request) ? '; Secure' : '';
  return `${nameOf(request, kind)}=${value}; ${age}Path=/; HttpOnly; ${kind.attributes}${secure}`;
}
