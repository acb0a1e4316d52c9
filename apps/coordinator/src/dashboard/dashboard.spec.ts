import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { io, type Socket } from 'socket.io-client';
import { z } from 'zod';
import { Harness } from '../testing/harness.ts';
import { CallersService } from '../users/callers.service.ts';
import { socketsMax } from './dashboard.gateway.ts';
import { contentSecurityPolicy, noncePlaceholder } from './page.ts';

const script = 'export const page = 1;';
let pageFolder: string;
let harness: Harness;

beforeAll(async () => {
  pageFolder = await mkdtemp(join(tmpdir(), 'melo-page-'));
  await mkdir(join(pageFolder, 'assets'));
  await writeFile(
    join(pageFolder, 'index.html'),
    `<!doctype html><script type="module" nonce="${noncePlaceholder}" src="/assets/a-1.js"></script>`,
  );
  await writeFile(join(pageFolder, 'assets/a-1.js'), script);
  await writeFile(join(pageFolder, 'assets/a-1.js.map'), '{}');
  await writeFile(join(pageFolder, 'secret.txt'), 'x');
  harness = await Harness.start({ pageFolder });
});
afterAll(async () => {
  await harness.stop();
  await rm(pageFolder, { recursive: true });
});

const get = (path: string, headers: Record<string, string> = {}) =>
  fetch(`${harness.coordinator.url}${path}`, { headers });

describe('the page', () => {
  test('carries the nonce of its policy, a fresh one each time', async () => {
    const nonces = [];
    for (let look = 0; look < 2; look++) {
      const response = await get('/');
      const nonce = /nonce="([A-Za-z0-9+/]{22}==)"/.exec(await response.text())?.[1] ?? '';
      expect(response.headers.get('content-security-policy')).toBe(contentSecurityPolicy(nonce));
      expect(response.headers.get('cache-control')).toBe('no-store');
      nonces.push(nonce);
    }
    expect(new Set(nonces).size).toBe(2);
  });

  test('has a policy that lets nothing inline through and nobody frame it', async () => {
    const policy = (await get('/')).headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain('unsafe');
    expect(policy).not.toContain('*');
  });

  test('has the headers that keep it to itself', async () => {
    const { headers } = await get('/');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(headers.get('strict-transport-security')).toBeNull();
  });

  test.each(['/', '/assets/a-1.js', '/v1/health', '/v1/sites', '/nothing'])(
    'over TLS nothing of it is asked for otherwise again: %s',
    async (path) => {
      const { headers } = await get(path, { 'x-forwarded-proto': 'https' });
      expect(headers.get('strict-transport-security')).toBe('max-age=31536000');
    },
  );

  test.each(['/v1/health', '/v1/sites', '/nothing'])(
    'is nothing else: an answer loads and runs nothing, is in no frame and read by no other site: %s',
    async (path) => {
      const { headers } = await get(path, { origin: 'https://evil.example' });
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
      );
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('content-type')).toMatch(/^application\/(problem\+)?json; charset=utf-8$/);
      expect(headers.get('access-control-allow-origin')).toBeNull();
    },
  );

  test('has assets that never change, with and without compression', async () => {
    for (const encoding of ['gzip', 'identity']) {
      const response = await get('/assets/a-1.js', { 'accept-encoding': encoding });
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
      expect(response.headers.get('content-encoding')).toBe(encoding === 'gzip' ? 'gzip' : null);
      expect(await response.text()).toBe(script);
    }
  });

  test.each(['/assets/a-1.js.map', '/assets/../secret.txt', '/assets/%2e%2e/secret.txt', '/x'])(
    'serves nothing else: %s',
    async (path) => {
      expect((await get(path)).status).toBe(404);
    },
  );

  test('says how to build it where it was not built', async () => {
    const bare = await Harness.start({ pageFolder: join(pageFolder, 'none') });
    const response = await fetch(bare.coordinator.url);
    expect([response.status, await response.text()]).toEqual([
      404,
      expect.stringContaining('npm run build'),
    ]);
    await bare.stop();
  });
});

const changedSchema = z.strictObject({ version: z.number().int(), topics: z.array(z.string()) });

describe('the namespace of pages', () => {
  const sockets: Socket[] = [];
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.disconnect();
  });

  const signIn = async (): Promise<string> => {
    const response = await harness.raw('POST', '/v1/sessions', { token: harness.token });
    return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
  };

  const connect = (extraHeaders: Record<string, string>, auth: object = {}): Socket => {
    const socket = io(`${harness.coordinator.url}/dashboard`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      extraHeaders,
      auth,
    });
    sockets.push(socket);
    return socket;
  };
  const outcome = (socket: Socket): Promise<unknown> =>
    new Promise((done) => {
      socket.once('connect', () => done('connected'));
      socket.once('connect_error', (error: Error & { data?: { code?: string } }) =>
        done(error.data?.code),
      );
    });

  test.each([
    ['nobody', () => ({}), {}, 'UNAUTHENTICATED'],
    ['a wrong token', () => ({}), { token: 'wrong' }, 'UNAUTHENTICATED'],
    ['a field too many', () => ({}), { admin: true }, 'MESSAGE_INVALID'],
    ['another origin', () => ({ origin: 'http://evil.example' }), {}, 'FORBIDDEN'],
    ['an opaque origin', () => ({ origin: 'null' }), {}, 'FORBIDDEN'],
    ['our page', () => ({ origin: harness.coordinator.url }), {}, 'connected'],
  ])('takes or refuses %s', async (name, headers, auth, expected) => {
    const cookie =
      expected === 'UNAUTHENTICATED' || name === 'a field too many' ? '' : await signIn();
    expect(await outcome(connect({ cookie, ...headers() }, auth))).toBe(expected);
  });

  test('tells a program with a token that something changed, and not what', async () => {
    const socket = connect({}, { token: harness.token });
    await outcome(socket);
    const told = new Promise((done) => {
      socket.on('changed', (message: unknown) => {
        const changed = changedSchema.parse(message);
        if (changed.topics.includes('sites')) done(changed);
      });
    });
    await harness.request('POST', '/v1/sites', { site: 'north' });
    expect(JSON.stringify(await told)).not.toContain('north');
  });

  test('has room for so many, also where they come at once, and for none that went meanwhile', async () => {
    const identify = CallersService.prototype.identify;
    const closed: Promise<unknown>[] = [];
    let release: () => void = () => undefined;
    const isReleased = new Promise<void>((done) => (release = done));
    const held = import.meta.jest
      .spyOn(CallersService.prototype, 'identify')
      .mockImplementation(async function (this: CallersService, request) {
        closed.push(new Promise((done) => request.socket.once('close', done)));
        await isReleased;
        return identify.call(this, request);
      });
    const headers = { authorization: `Bearer ${harness.token}` };
    const gone = 10;
    try {
      const first = Array.from({ length: gone }, () => connect(headers));
      await harness.until(
        async () => closed.length,
        (count) => count === gone,
      );
      for (const socket of first) socket.disconnect();
      await Promise.all(closed);
      const outcomes = Array.from({ length: socketsMax + 1 }, () => outcome(connect(headers)));
      await harness.until(
        async () => closed.length,
        (count) => count > gone + socketsMax,
      );
      release();
      const refused = (await Promise.all(outcomes)).filter((each) => each !== 'connected');
      expect(refused).toEqual(['STORE_UNAVAILABLE']);
    } finally {
      held.mockRestore();
      release();
    }
    for (const socket of sockets.splice(0)) socket.disconnect();
    const again = () => outcome(connect(headers));
    expect(await harness.until(again, (each) => each === 'connected')).toBe('connected');
  });

  test('cuts the sockets of a session that is signed out', async () => {
    const cookie = await signIn();
    const socket = connect({ cookie, origin: harness.coordinator.url });
    expect(await outcome(socket)).toBe('connected');
    const cut = new Promise((done) => socket.once('disconnect', done));
    const response = await fetch(`${harness.coordinator.url}/v1/sessions/current`, {
      method: 'DELETE',
      headers: { cookie, 'x-melo-csrf': '1' },
    });
    expect(response.status).toBe(200);
    expect(await cut).toBe('io server disconnect');
  });
});
