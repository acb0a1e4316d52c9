import { request as httpRequest } from 'node:http';
import { z } from 'zod';
import { allRoutes } from '../common/contracts.ts';
import { HandClock } from '../testing/hand-clock.ts';
import { Harness } from '../testing/harness.ts';
import { sessionCookie, readSessionCookie, type CookieRequest } from './cookies.ts';
import { linkLifetimeMs } from './sign-in-links.service.ts';
import { sessionIdleMs, sessionLifetimeMs } from './sessions.service.ts';
import { userRoutes } from './users.contract.ts';

const clock = new HandClock();
let harness: Harness;
beforeAll(async () => {
  harness = await Harness.start({ clock });
});
afterAll(() => harness.stop());

const ownPage = { 'sec-fetch-site': 'same-origin' };

/** Call as a browser would: no bearer token. */
const browse = (
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: unknown,
): Promise<Response> =>
  fetch(`${harness.coordinator.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

const signIn = (body: unknown, headers: Record<string, string> = ownPage) =>
  browse('POST', '/v1/sessions', headers, body);

const cookieOf = (response: Response): string =>
  (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';

const newSession = async (): Promise<string> => {
  const response = await signIn({ token: harness.token });
  expect(response.status).toBe(201);
  return cookieOf(response);
};

const newLink = async () => {
  const link = userRoutes.createLink.response.parse(
    await harness.request('POST', '/v1/sign-in-links', {}),
  );
  return { ...link, secret: new URL(link.url).hash.replace('#signin=', '') };
};

const codeOf = async (response: Response): Promise<unknown> =>
  z.object({ code: z.string() }).parse(await response.json()).code;

describe('sign-in', () => {
  test('by token sets a cookie that scripts cannot read and other sites cannot send', async () => {
    const response = await signIn({ token: harness.token });
    expect(userRoutes.signIn.response.parse(await response.json())).toEqual({
      ...{ user: null, role: 'administrator', site: null, setup: null },
      expiresAtMs: clock.nowMs + sessionLifetimeMs,
      idleMs: sessionIdleMs,
    });
    expect(response.headers.get('set-cookie')).toMatch(
      /^melo-session=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Strict$/,
    );
    const seen = await browse('GET', '/v1/sites', { cookie: cookieOf(response) });
    expect(seen.status).toBe(200);
  });

  test.each([
    ['a wrong token', { token: 'melo_administrator_wrong' }, 401],
    ['a token with a space', { token: 'a b' }, 401],
    ['an unknown link', { signInSecret: 'A'.repeat(43) }, 401],
    ['the secret of a link in another form', { signInSecret: 'A'.repeat(42) }, 400],
    ['both at once', { token: 'a', signInSecret: 'A'.repeat(43) }, 400],
    ['neither', {}, 400],
  ])('refuses %s', async (_name, body, status) => {
    const response = await signIn(body);
    expect(response.status).toBe(status);
    expect(response.headers.get('set-cookie')).toBeNull();
  });

  test('refuses to sign a browser in for the page of another site', async () => {
    const response = await signIn({ token: harness.token }, { 'sec-fetch-site': 'cross-site' });
    expect(response.status).toBe(403);
    expect(response.headers.get('set-cookie')).toBeNull();
  });

  test('over TLS the cookie is __Host- and Secure', async () => {
    const forwarded = { ...ownPage, 'x-forwarded-proto': 'https' };
    const response = await signIn({ token: harness.token }, forwarded);
    expect(response.headers.get('set-cookie')).toMatch(
      /^__Host-melo=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Strict; Secure$/,
    );
  });

  test('a cookie that plain http could have set is not looked at over TLS', () => {
    const over = (encrypted: boolean, cookie?: string) =>
      ({ headers: { cookie }, socket: { encrypted } }) as unknown as CookieRequest;
    expect(readSessionCookie(over(true, 'melo-session=x'))).toBeUndefined();
    expect(readSessionCookie(over(false, '__Host-melo=x'))).toBeUndefined();
    expect(readSessionCookie(over(true, 'a=b; __Host-melo=x'))).toBe('x');
    expect(sessionCookie(over(true), 'x')).toContain('; Secure');
  });
});

describe('a sign-in link', () => {
  test('signs in once, on this machine, by a secret in the fragment', async () => {
    const { url, secret, expiresAtMs } = await newLink();
    expect(url).toBe(`${harness.coordinator.url}/#signin=${secret}`);
    expect(expiresAtMs).toBe(clock.nowMs + linkLifetimeMs);
    expect((await signIn({ signInSecret: secret })).status).toBe(201);
    expect((await signIn({ signInSecret: secret })).status).toBe(401);
  });

  test('is good for five minutes', async () => {
    const early = await newLink();
    clock.nowMs += linkLifetimeMs - 1;
    expect((await signIn({ signInSecret: early.secret })).status).toBe(201);
    const late = await newLink();
    clock.nowMs += linkLifetimeMs;
    expect((await signIn({ signInSecret: late.secret })).status).toBe(401);
  });

  test.each(['x-forwarded-for', 'forwarded', 'via', 'x-real-ip'])(
    'is neither made nor used through a proxy (%s)',
    async (header) => {
      const made = await harness.raw('POST', '/v1/sign-in-links', {}, { [header]: '192.0.2.1' });
      expect(made.status).toBe(403);
      const { secret } = await newLink();
      const used = await signIn({ signInSecret: secret }, { ...ownPage, [header]: '192.0.2.1' });
      expect(used.status).toBe(403);
      expect((await signIn({ signInSecret: secret })).status).toBe(201);
    },
  );

  test('cannot be made without a token', async () => {
    expect((await browse('POST', '/v1/sign-in-links', ownPage, {})).status).toBe(401);
  });
});

describe('a session', () => {
  test('ends after 15 minutes without a person, whatever the page looks at by itself', async () => {
    const cookie = await newSession();
    const look = (headers = {}) => browse('GET', '/v1/tasks', { cookie, ...headers });
    clock.nowMs += sessionIdleMs - 1;
    expect((await look()).status).toBe(200);
    clock.nowMs += sessionIdleMs - 1;
    expect((await look({ 'x-melo-background': '1' })).status).toBe(200);
    clock.nowMs += 1;
    expect((await look({ 'x-melo-background': '1' })).status).toBe(401);
  });

  test('ends after 12 hours in any case', async () => {
    const cookie = await newSession();
    const step = sessionIdleMs / 2;
    for (let passedMs = step; passedMs < sessionLifetimeMs; passedMs += step) {
      clock.nowMs += step;
      expect((await browse('GET', '/v1/tasks', { cookie })).status).toBe(200);
    }
    clock.nowMs += step;
    expect((await browse('GET', '/v1/tasks', { cookie })).status).toBe(401);
  });

  test('ends where the same browser signs in again', async () => {
    const cookie = await newSession();
    const again = await signIn({ token: harness.token }, { ...ownPage, cookie });
    expect(cookieOf(again)).not.toBe(cookie);
    expect((await browse('GET', '/v1/tasks', { cookie })).status).toBe(401);
    const other = await browse('GET', '/v1/tasks', { cookie: cookieOf(again) });
    expect(other.status).toBe(200);
  });

  test('ends with sign-out, which takes the cookie away', async () => {
    const cookie = await newSession();
    const response = await browse('DELETE', '/v1/sessions/current', { cookie, ...ownPage });
    expect(response.status).toBe(200);
    expect(response.headers.get('set-cookie')).toMatch(/^melo-session=; Max-Age=0;/);
    expect((await browse('GET', '/v1/tasks', { cookie })).status).toBe(401);
  });

  test.each([
    ['cross-site', { 'sec-fetch-site': 'cross-site' }, 403],
    ['same-site', { 'sec-fetch-site': 'same-site', 'x-melo-csrf': '1' }, 403],
    ['an old browser without our header', {}, 403],
    ['an old browser with our header', { 'x-melo-csrf': '1' }, 201],
    ['our own page', ownPage, 201],
  ])('changes something only for our own page: %s', async (name, headers, status) => {
    const cookie = await newSession();
    const site = name.replaceAll(/[^a-z]+/g, '-');
    const response = await browse('POST', '/v1/sites', { cookie, ...headers }, { site });
    expect(response.status).toBe(status);
  });

  test('a bearer token needs none of that, and a wrong one is not made up for by a cookie', async () => {
    const cookie = await newSession();
    const crossSite = { 'sec-fetch-site': 'cross-site' };
    const named = await harness.raw('POST', '/v1/sites', { site: 'bearer' }, crossSite);
    expect(named.status).toBe(201);
    const wrong = await browse('GET', '/v1/sites', { cookie, authorization: 'Bearer wrong' });
    expect(wrong.status).toBe(401);
  });
});

test('every route but the public ones denies a request without a token or a session', async () => {
  for (const { method, path, roles } of allRoutes) {
    if (roles === 'public') continue;
    const named = path.replace(':version', '1').replace(':round', '1').replaceAll(/:\w+/g, 'name');
    // What is open on this machine is not to whoever comes through a proxy.
    const headers = { ...ownPage, 'x-forwarded-for': '192.0.2.1' };
    const response = await browse(method, named, headers, method === 'POST' ? {} : undefined);
    expect([method, path, response.status]).toEqual([method, path, 401]);
    expect(await codeOf(response)).toBe('UNAUTHENTICATED');
  }
});

test('a request from another address of this machine still counts as this machine', async () => {
  const { secret } = await newLink();
  const status = await new Promise((answered, failed) => {
    const port = Number(new URL(harness.coordinator.url).port);
    const headers = { 'content-type': 'application/json', ...ownPage };
    const options = { port, host: '127.0.0.1', path: '/v1/sessions', method: 'POST', headers };
    const sent = httpRequest({ ...options, localAddress: '127.0.0.2' }, (response) => {
      response.resume();
      answered(response.statusCode);
    });
    sent.once('error', failed);
    sent.end(JSON.stringify({ signInSecret: secret }));
  });
  expect(status).toBe(201);
});
