/** Single sign-on with a real provider on the loopback. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';
import { Harness } from '../testing/harness.ts';
import { userRecord } from '../testing/user-record.ts';
import { accountRoutes } from './accounts.contract.ts';
import { usersMax } from './accounts.service.ts';
import { roleOf, type SignInProvider } from './providers.ts';
import { awayMax } from './single-sign-on.service.ts';
import { tokenRoutes } from './tokens.contract.ts';
import { UserStore } from './user-store.ts';
import { sessionViewSchema } from './users.contract.ts';

/** What the provider says of people. */
const people = new Map<string, Record<string, unknown>>([
  ['1', { preferred_username: 'Anna', groups: ['staff', 'melo-admins'] }],
  ['2', { preferred_username: 'berta', groups: ['melo-north'] }],
  ['3', { preferred_username: 'carla', groups: ['staff'] }],
  ['4', { preferred_username: 'local', groups: ['melo-admins'] }],
  ['5', { preferred_username: 'no name', groups: ['melo-viewers'] }],
  ['6', { preferred_username: 'dora', groups: ['melo-viewers'] }],
  ['7', { preferred_username: 'emil', groups: ['melo-admins'] }],
  ['8', { preferred_username: 'frida', groups: ['melo-viewers'] }],
  ['9', { preferred_username: 'gustav' }],
]);
/** What stands in the ID token itself; the rest is asked for. */
const stated = new Map([['9', { groups: ['melo-viewers'] }]]);
const clientSecret = 'a secret of the client';

let server: Server;
let harness: Harness;
/** Who signs in at the provider. */
let subject = '1';
/** How they do, as the provider calls it; undefined where it does not say. */
let acr: string | undefined;

async function startServer(): Promise<string> {
  server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', () => listening()));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function serve(issuer: string, redirectUris: string[]): void {
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'melo',
        client_secret: clientSecret,
        redirect_uris: redirectUris,
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    acrValues: ['urn:one', 'urn:two'],
    claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
    cookies: { keys: ['a key of the cookies'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: async (use) => ({ sub: id, ...(use === 'id_token' ? stated : people).get(id) }),
    }),
    conformIdTokenClaims: false,
    loadExistingGrant: async (context) => {
      const { client, session, provider: own } = context.oidc;
      const grant = new own.Grant({ clientId: client?.clientId, accountId: session?.accountId });
      grant.addOIDCScope('openid profile');
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (request.url?.startsWith('/interaction/') === true) {
      void provider.interactionFinished(request, response, {
        login: { accountId: subject, ...(acr === undefined ? {} : { acr }) },
      });
      return;
    }
    void answer(request, response);
  });
}

beforeAll(async () => {
  const issuer = await startServer();
  const provider: SignInProvider = {
    ...{ provider: 'hospital', label: 'Hospital sign-in', issuer, clientId: 'melo', clientSecret },
    ...{ scopes: 'openid profile', roleClaim: 'groups', nameClaim: 'preferred_username' },
    roles: [
      { value: 'melo-admins', role: 'administrator' },
      { value: 'melo-viewers', role: 'viewer' },
      { value: 'melo-north', role: 'steward', site: 'north' as never },
    ],
  };
  const nowhere = { ...provider, provider: 'nowhere', issuer: 'http://127.0.0.1:9' };
  const strict = { ...provider, provider: 'strict', acrValues: ['urn:two', 'urn:three'] };
  const signInProviders = [provider, strict, nowhere];
  harness = await Harness.start({ settings: { signInProviders, trustProxy: true } });
  serve(
    issuer,
    ['hospital', 'strict'].map((name) => at(`/v1/sign-in-providers/${name}/finish`)),
  );
  await harness.request('POST', '/v1/sites', { site: 'north' });
  for (const user of ['local', 'standing']) {
    await harness.request('POST', '/v1/users', { user, role: 'administrator' });
  }
});
afterAll(async () => {
  await harness.stop();
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
});

/** A browser that keeps cookies by address and follows redirects one by one; where given, a proxy says where it is. */
class Browser {
  readonly #cookies = new Map<string, Map<string, string>>();
  readonly #headers: Readonly<Record<string, string>>;

  constructor(address?: string) {
    this.#headers = address === undefined ? {} : { 'x-forwarded-for': address };
  }

  async get(url: string, init: RequestInit = {}): Promise<Response> {
    const { origin } = new URL(url);
    const kept = this.#cookies.get(origin) ?? new Map<string, string>();
    this.#cookies.set(origin, kept);
    const cookie = [...kept].map(([name, value]) => `${name}=${value}`).join('; ');
    const own = { cookie, 'content-type': 'application/json', 'sec-fetch-site': 'none' };
    const headers = { ...this.#headers, ...own };
    const response = await fetch(url, { headers, redirect: 'manual', ...init });
    for (const set of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      if (value === '' || /max-age=0/i.test(set)) kept.delete(name);
      else kept.set(name, value);
    }
    return response;
  }

  /** Follow redirects until `isThere`, and return where the next one leads. */
  async follow(from: string, isThere: (url: string) => boolean): Promise<string> {
    let url = from;
    for (let hops = 0; hops < 10 && !isThere(url); hops++) {
      const location = (await this.get(url)).headers.get('location');
      if (location === null) throw new Error(`${url}: expected to be sent on`);
      url = new URL(location, url).href;
    }
    return url;
  }

  async session() {
    const looked = await this.get(at('/v1/sessions/current'));
    return looked.status === 200 ? sessionViewSchema.parse(await looked.json()) : looked.status;
  }
}

const at = (path: string): string => `${harness.coordinator.url}${path}`;
const withToken = (secret: string) => ({ authorization: `Bearer ${secret}` });
const begin = (provider = 'hospital'): string => at(`/v1/sign-in-providers/${provider}/begin`);
const isBack = (url: string): boolean =>
  url.startsWith(at('/v1/sign-in-providers/hospital/finish'));
const isPage = (url: string): boolean => new URL(url).origin === at('') && !url.includes('/v1/');

/** Sign somebody in, and return the browser and the page that it ends at. */
async function signIn(person: string, browser = new Browser(), provider = 'hospital') {
  subject = person;
  const page = await browser.follow(begin(provider), isPage);
  return { browser, end: page.slice(at('').length) };
}

/** Wait until the audit log has a refusal with this code. */
const untilRefused = (code: string) =>
  harness.until(
    async () => JSON.stringify(await harness.request('GET', '/v1/audit?action=session.refused')),
    (log) => log.includes(`"code":"${code}"`),
  );

describe('single sign-on', () => {
  test('makes an account of whoever the provider vouches for, with the role of the claim', async () => {
    const { browser, end } = await signIn('1');
    expect(end).toBe('/#/');
    expect(await browser.session()).toMatchObject({ user: 'anna', role: 'administrator' });
    const steward = await signIn('2');
    expect(await steward.browser.session()).toMatchObject({ role: 'steward', site: 'north' });
  });

  test('is the same account the next time, and its role follows the claim', async () => {
    const before = await signIn('1');
    people.set('1', { preferred_username: 'renamed', groups: ['melo-viewers'] });
    const { browser } = await signIn('1');
    expect(await browser.session()).toMatchObject({ user: 'anna', role: 'viewer' });
    expect(await before.browser.session()).toBe(401);
  });

  test('suspends whom the provider gives no role any more, with sessions and tokens, until let back in', async () => {
    const { browser } = await signIn('6');
    const body = JSON.stringify({ name: 'a program', scopes: ['read'] });
    const made = await browser.get(at('/v1/tokens'), { method: 'POST', body });
    const { secret } = tokenRoutes.create.response.parse(await made.json());
    const byToken = () => harness.raw('GET', '/v1/sites', undefined, withToken(secret));
    expect((await byToken()).status).toBe(200);
    people.set('6', { preferred_username: 'dora', groups: ['staff'] });
    expect((await signIn('6')).end).toBe('/#sign-in-refused=FORBIDDEN');
    expect([await browser.session(), (await byToken()).status]).toEqual([401, 401]);
    people.set('6', { preferred_username: 'dora', groups: ['melo-viewers'] });
    expect((await signIn('6')).end).toBe('/#sign-in-refused=UNAUTHENTICATED');
    await harness.request('POST', '/v1/users/dora/resume');
    expect(await (await signIn('6')).browser.session()).toMatchObject({ role: 'viewer' });
    const log = await harness.request('GET', '/v1/audit?target=user:dora&action=user.suspended');
    expect(log).toMatchObject({ entries: [{ actor: 'coordinator' }] });
  });

  test('leaves the last administrator here, who is refused all the same', async () => {
    const { browser } = await signIn('7');
    const listed = accountRoutes.list.response.parse(await harness.request('GET', '/v1/users'));
    const others = listed.users
      .filter(
        ({ user, role, status }) =>
          user !== 'emil' && role === 'administrator' && status === 'active',
      )
      .map(({ user }) => user);
    for (const user of others) {
      await harness.request('POST', `/v1/users/${user}/suspend`, { reason: 'away' });
    }
    people.set('7', { preferred_username: 'emil', groups: [] });
    expect((await signIn('7')).end).toBe('/#sign-in-refused=FORBIDDEN');
    people.set('7', { preferred_username: 'emil', groups: ['melo-viewers'] });
    expect((await signIn('7')).end).toBe('/#sign-in-refused=STATE_CONFLICT');
    await untilRefused('STATE_CONFLICT');
    expect(await browser.session()).toMatchObject({ user: 'emil', role: 'administrator' });
    people.set('7', { preferred_username: 'emil', groups: [] });
    for (const user of others) await harness.request('POST', `/v1/users/${user}/resume`);
    expect((await signIn('7')).end).toBe('/#sign-in-refused=FORBIDDEN');
    expect(await browser.session()).toBe(401);
  });

  test.each([
    ['without a value that gives a role', '3', 'FORBIDDEN'],
    ['whose name is that of a local account', '4', 'ALREADY_EXISTS'],
    ['whose name is none', '5', 'FORBIDDEN'],
  ])('refuses somebody %s', async (_name, person, code) => {
    const { browser, end } = await signIn(person);
    expect(end).toBe(`/#sign-in-refused=${code}`);
    expect(await browser.session()).toBe(401);
    await untilRefused(code);
  });

  test('makes no account beyond as many as there may be', async () => {
    const many = Array.from({ length: usersMax }, (_, at) => userRecord(`one-${at}`));
    const list = import.meta.jest.spyOn(UserStore.prototype, 'list').mockResolvedValueOnce(many);
    expect((await signIn('8')).end).toBe('/#sign-in-refused=STATE_CONFLICT');
    list.mockRestore();
    expect(await (await signIn('8')).browser.session()).toMatchObject({ user: 'frida' });
  });

  test('asks for the name where the ID token has the role alone', async () => {
    const { browser } = await signIn('9');
    expect(await browser.session()).toMatchObject({ user: 'gustav', role: 'viewer' });
  });

  test('asks for the ways to sign in that a provider must vouch for, and takes no other', async () => {
    try {
      for (const weak of [undefined, 'urn:one']) {
        acr = weak;
        const { browser, end } = await signIn('1', new Browser(), 'strict');
        expect(end).toBe('/#sign-in-refused=SECOND_FACTOR_REQUIRED');
        expect(await browser.session()).toBe(401);
      }
      acr = 'urn:two';
      const { browser } = await signIn('1', new Browser(), 'strict');
      expect(await browser.session()).toMatchObject({ user: 'anna' });
      const asked = await new Browser().get(begin('strict'));
      const { searchParams } = new URL(asked.headers.get('location') ?? '');
      expect(searchParams.get('acr_values')).toBe('urn:two urn:three');
    } finally {
      acr = undefined;
    }
  });

  test('refuses somebody who is suspended here', async () => {
    await harness.request('POST', '/v1/users/berta/suspend', { reason: 'away' });
    const { browser, end } = await signIn('2');
    expect(end).toBe('/#sign-in-refused=UNAUTHENTICATED');
    expect(await browser.session()).toBe(401);
  });

  test("signs no other browser in, also where it has the first one's address", async () => {
    subject = '1';
    const mine = new Browser();
    const back = await mine.follow(begin(), isBack);
    for (const other of [new Browser(), await withCookie()]) {
      const answer = await other.get(back);
      expect(answer.headers.get('location')).toBe('/#sign-in-refused=UNAUTHENTICATED');
      expect(await other.session()).toBe(401);
    }
    expect((await mine.get(back)).headers.get('location')).toBe('/#/');
    expect((await mine.get(back)).headers.get('location')).toContain('UNAUTHENTICATED');
  });

  /** A browser that has begun a sign-in of its own. */
  async function withCookie(): Promise<Browser> {
    const browser = new Browser();
    await browser.get(begin());
    return browser;
  }

  test.each(['state', 'nonce', 'code_challenge'])(
    'takes no answer to another question: %s',
    async (name) => {
      subject = '1';
      const browser = new Browser();
      const sent = new URL((await browser.get(begin())).headers.get('location') ?? '');
      expect(sent.searchParams.get('code_challenge_method')).toBe('S256');
      sent.searchParams.set(name, 'A'.repeat(43));
      const page = await browser.follow(sent.href, isPage);
      expect(page).toBe(at('/#sign-in-refused=UNAUTHENTICATED'));
      expect(await browser.session()).toBe(401);
    },
  );

  test.each(['cross-site', 'same-site'])(
    'begins for nobody but our own page and who types its address: %s',
    async (from) => {
      const asked = (site: string) =>
        fetch(begin(), { headers: { 'sec-fetch-site': site }, redirect: 'manual' });
      const refused = await asked(from);
      expect([refused.status, refused.headers.get('set-cookie')]).toEqual([403, null]);
      for (const own of ['same-origin', 'none']) expect((await asked(own)).status).toBe(303);
    },
  );

  test('knows no other provider, and says where one does not answer', async () => {
    expect((await fetch(at('/v1/sign-in-providers/other/begin'))).status).toBe(404);
    const away = await fetch(at('/v1/sign-in-providers/nowhere/begin'), { redirect: 'manual' });
    expect(away.status).toBe(503);
    const listed: unknown = await (await fetch(at('/v1/sign-in-providers'))).json();
    expect(listed).toMatchObject({
      providers: [{ provider: 'hospital' }, { provider: 'strict' }, { provider: 'nowhere' }],
    });
    expect(JSON.stringify(listed)).not.toContain(clientSecret);
  });

  test('brings the browser back to the place in the page that was asked for', async () => {
    subject = '1';
    const place = '/audit?actor=user%3Aanna&from=2026-11-27';
    const browser = new Browser();
    const page = await browser.follow(`${begin()}?place=${encodeURIComponent(place)}`, isPage);
    expect(page).toBe(at(`/#${place}`));
  });

  test.each([
    'https://elsewhere.example/',
    '//elsewhere.example/',
    '/\\elsewhere.example',
    '/%5c%5celsewhere.example',
    '/@elsewhere.example',
    '/#@elsewhere.example',
    '/\r\nLocation: https://elsewhere.example/',
    '/\u0000',
    'javascript:alert(1)',
    '.elsewhere.example',
    '',
  ])('leads nobody away from the page: %j', async (place) => {
    subject = '1';
    const browser = new Browser();
    const asked = `${begin()}?place=${encodeURIComponent(place)}`;
    const sent = await browser.get(asked);
    if (sent.status === 400) {
      expect(sent.headers.get('location')).toBeNull();
      return;
    }
    const end = await browser.follow(asked, isBack);
    const location = (await browser.get(end)).headers.get('location') ?? '';
    const { origin, pathname, search } = new URL(location, at('/'));
    expect([origin, pathname, search]).toEqual([at(''), '/', '']);
  });

  test('is not ended by the many that another address begins', async () => {
    subject = '1';
    const browser = new Browser('192.0.2.9');
    const back = await browser.follow(begin(), isBack);
    for (let begun = 0; begun < awayMax; begun += 50) {
      const others = Array.from({ length: 50 }, (_, each) =>
        new Browser(`2001:db8::${begun + each}`).get(begin()),
      );
      const statuses = (await Promise.all(others)).map(({ status }) => status);
      expect(new Set(statuses)).toEqual(new Set([303]));
    }
    expect((await browser.get(back)).headers.get('location')).toBe('/#/');
  });

  test('stands in the audit log with the account', async () => {
    const answer = JSON.stringify(await harness.request('GET', '/v1/audit?target=user:anna'));
    expect(answer).toContain('user.linked');
    expect(answer).toContain('user.role-changed');
  });
});

test('the first value of a claim that fits gives the role, and no part of one', () => {
  const roles = [
    { value: 'b', role: 'administrator' },
    { value: 'a', role: 'viewer' },
  ] as const;
  expect(roleOf({ roles: [...roles] }, ['a', 'b'])?.role).toBe('administrator');
  expect(roleOf({ roles: [...roles] }, 'a')?.role).toBe('viewer');
  for (const claim of ['ab', ['ab'], { a: true }, null, undefined, 1, [['a']]]) {
    expect(roleOf({ roles: [...roles] }, claim)).toBeNull();
  }
});
