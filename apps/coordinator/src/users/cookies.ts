/** The session's cookie: `__Host-` and Secure wherever TLS is, a name of its own on plain http of the loopback. */
import type { IncomingMessage } from 'node:http';

const secureName = '__Host-melo';
const plainName = 'melo-session';

/** What is asked of a request here; Express and socket.io both have it. */
export type CookieRequest = Pick<IncomingMessage, 'headers' | 'socket'>;

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

/** The cookie's name on this connection: over TLS a cookie that plain http could have set is not looked at. */
function cookieName(request: CookieRequest): string {
  return isSecure(request) ? secureName : plainName;
}

/** Read the session's secret, or undefined where no such cookie came. */
export function readSessionCookie(request: CookieRequest): string | undefined {
  const prefix = `${cookieName(request)}=`;
  const found = (request.headers.cookie ?? '')
    .split(';')
    .map((part) => part.trim())
    .find((part) => part.startsWith(prefix));
  return found?.slice(prefix.length);
}

/** The Set-Cookie header for a session; it ends with the browser, the server knows when it ends for good. */
export function sessionCookie(request: CookieRequest, secret: string): string {
  return `${cookieName(request)}=${secret}; ${attributesOf(request)}`;
}

/** The Set-Cookie header that takes the cookie away. */
export function expiredSessionCookie(request: CookieRequest): string {
  return `${cookieName(request)}=; Max-Age=0; ${attributesOf(request)}`;
}

function attributesOf(request: CookieRequest): string {
  return `Path=/; HttpOnly; SameSite=Strict${isSecure(request) ? '; Secure' : ''}`;
}
