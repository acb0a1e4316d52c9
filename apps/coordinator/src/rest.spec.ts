import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { createEnrollmentCode, generateSigningKeyPair } from '#core/crypto';
import { allRoutes } from './common/contracts.ts';
import { auditEntrySchema, auditRoutes } from './audit/audit.contract.ts';
import { healthSchema } from './health/health.contract.ts';
import { invitationViewSchema, siteViewSchema } from './sites/sites.contract.ts';
import { FakeSite } from './testing/fake-site.ts';
import { Harness, taskOf } from './testing/harness.ts';

const publicRoutes = [
  'GET /v1/errors/:code',
  'GET /v1/health',
  'GET /v1/openapi.json',
  'GET /v1/sign-in-providers',
  'GET /v1/sign-in-providers/:provider/begin',
  'GET /v1/sign-in-providers/:provider/finish',
  'POST /v1/enrollments',
  'POST /v1/handshake/nonce',
  'POST /v1/sessions',
];

describe('the REST API', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.stop());

  const url = (path: string): string =>
    `${harness.coordinator.url}${path.replace(':site', 'x').replace(':task', 'x').replace(/:\w+/g, '1')}`;
  const codeOf = async (response: Response): Promise<unknown> =>
    z.object({ code: z.string() }).parse(await response.json()).code;

  test('has exactly the public routes that are documented', () => {
    const marked = allRoutes.filter(({ roles }) => roles === 'public');
    expect(marked.map(({ method, path }) => `${method} ${path}`).sort()).toEqual(publicRoutes);
  });

  describe.each(allRoutes.filter(({ roles }) => roles !== 'public'))(
    '$method $path',
    ({ method, path }) => {
      test.each([
        ['without a token', {}],
        ['with an unknown token', { authorization: 'Bearer melo_administrator_x' }],
        ['with another scheme', { authorization: 'Basic eDp4' }],
      ])('is refused %s', async (_name, headers) => {
        // What is open on this machine is not to whoever comes through a proxy.
        const proxied = { ...headers, 'x-forwarded-for': '192.0.2.1' };
        const response = await fetch(url(path), { method, headers: proxied });
        expect(response.status).toBe(401);
        expect(await codeOf(response)).toBe('UNAUTHENTICATED');
      });
    },
  );

  test('describes every route in OpenAPI 3.1', async () => {
    const response = await fetch(url('/v1/openapi.json'));
    const operation = z.object({
      operationId: z.string(),
      summary: z.string().min(1),
      security: z.array(z.unknown()),
      responses: z.record(z.string(), z.unknown()),
    });
    const document = z
      .object({
        openapi: z.literal('3.1.0'),
        info: z.object({ title: z.string(), version: z.string() }),
        paths: z.record(z.string(), z.partialRecord(z.enum(['get', 'post', 'delete']), operation)),
      })
      .parse(await response.json());
    const described = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const routes = allRoutes.map(
      ({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`,
    );
    expect(described.sort()).toEqual(routes.sort());
  });

  test('tells its health without a token', async () => {
    const response = await fetch(url('/v1/health'));
    expect(healthSchema.parse(await response.json())).toMatchObject({
      status: 'ok',
      database: 'ok',
      connectedSites: 0,
    });
  });

  test('answers a path that is none, a body that is no JSON, and one that is too large', async () => {
    expect(await codeOf(await harness.raw('GET', '/v1/nothing'))).toBe('NOT_FOUND');
    const send = (body: string) =>
      fetch(url('/v1/sites'), {
        method: 'POST',
        headers: { authorization: `Bearer ${harness.token}`, 'content-type': 'application/json' },
        body,
      });
    expect(await codeOf(await send('{'))).toBe('REQUEST_INVALID');
    const large = await send(JSON.stringify({ site: 'x'.repeat(1_100_000) }));
    expect(large.status).toBe(413);
    expect(await codeOf(large)).toBe('PAYLOAD_TOO_LARGE');
    expect(await codeOf(await send('{"site":"Not A Slug"}'))).toBe('REQUEST_INVALID');
    expect(await codeOf(await send('{"site":"a","admin":true}'))).toBe('REQUEST_INVALID');
  });

  test.each([
    ['by two lengths', 'Content-Length: 5\r\nContent-Length: 6\r\n'],
    ['by a length and by pieces', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
    ['by pieces in a spelling of its own', 'Transfer-Encoding: xchunked\r\n'],
  ])('refuses a message that says %s where it ends', async (_name, lengths) => {
    const { hostname, port } = new URL(harness.coordinator.url);
    const socket = connect(Number(port), hostname);
    const head = `POST /v1/sessions HTTP/1.1\r\nHost: ${hostname}\r\n${lengths}\r\n0\r\n\r\n`;
    socket.write(`${head}GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n`);
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).not.toContain('200 OK');
  });

  test('answers a repeat with the same Idempotency-Key as the first time', async () => {
    const invite = (key: string, site: string) =>
      harness.raw('POST', '/v1/sites', { site }, { 'idempotency-key': key });
    const first = await invite('key-1', 'twice');
    expect(first.status).toBe(201);
    const again = await invite('key-1', 'twice');
    expect(again.status).toBe(201);
    expect(await again.json()).toEqual(await first.json());
    expect(await codeOf(await invite('key-1', 'other'))).toBe('STATE_CONFLICT');
    expect(await codeOf(await invite('key-2', 'twice'))).toBe('ALREADY_EXISTS');
    const both = await Promise.all([invite('key-3', 'once'), invite('key-3', 'once')]);
    expect(both.map(({ status }) => status)).toEqual([201, 201]);
    expect(await both[0].json()).toEqual(await both[1].json());
  });

  test('refuses a task whose members are not sites, and unknown things by name', async () => {
    const create = await harness.raw('POST', '/v1/tasks', taskOf({ members: ['nobody', 'x'] }));
    expect(await codeOf(create)).toBe('NOT_FOUND');
    for (const path of ['', '/rounds', '/rounds/1', '/versions', '/versions/0', '/evaluations']) {
      expect(await codeOf(await harness.raw('GET', `/v1/tasks/nothing${path}`))).toBe('NOT_FOUND');
    }
  });

  describe('enrolment', () => {
    const post = (body: unknown) =>
      fetch(url('/v1/enrollments'), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const invited = async (name: string) => {
      const answer = await harness.request('POST', '/v1/sites', { site: name });
      return {
        site: new FakeSite(name, harness.coordinator.url),
        code: invitationViewSchema.parse(answer).code,
      };
    };

    test('repeats its answer to the same keys, and gives a used code to nobody else', async () => {
      const { site, code } = await invited('enroller');
      const fingerprint = await site.enroll(code);
      expect(await site.enroll(code)).toBe(fingerprint);
      const thief = new FakeSite('enroller', harness.coordinator.url);
      expect(await codeOf(await post(await thief.enrollmentBody(code)))).toBe(
        'ENROLLMENT_CODE_UNKNOWN',
      );
      await expect(site.connect()).rejects.toMatchObject({ data: { code: 'SITE_PENDING' } });
      const wrong = { fingerprint: '00'.repeat(32) };
      expect(await codeOf(await harness.raw('POST', '/v1/sites/enroller/approve', wrong))).toBe(
        'FORBIDDEN',
      );
      await harness.request('POST', '/v1/sites/enroller/approve', { fingerprint });
      await site.connect();
      site.close();
    });

    test('refuses wrong proofs, spent nonces, other versions and unknown codes', async () => {
      const { site, code } = await invited('prover');
      const body = await site.enrollmentBody(code);
      expect(await codeOf(await post({ ...body, protocol: 'melo/9' }))).toBe(
        'PROTOCOL_VERSION_MISMATCH',
      );
      expect(await codeOf(await post({ ...body, mac: '00'.repeat(32) }))).toBe(
        'ENROLLMENT_PROOF_INVALID',
      );
      expect(await codeOf(await post(body))).toBe('NONCE_UNKNOWN'); // spent by the failure
      const foreign = createEnrollmentCode({
        url: harness.coordinator.url,
        coordinatorPublicKey: generateSigningKeyPair().publicKey,
      });
      expect(await codeOf(await post(await site.enrollmentBody(foreign.code)))).toBe(
        'ENROLLMENT_CODE_UNKNOWN',
      );
      const view = siteViewSchema.parse(await harness.request('GET', '/v1/sites/prover'));
      expect(view).toMatchObject({ status: 'invited', fingerprint: null });
    });

    test('makes an earlier unused code stop working when a new one is made', async () => {
      const { site, code } = await invited('again');
      const { code: newer } = invitationViewSchema.parse(
        await harness.request('POST', '/v1/sites/again/invitations'),
      );
      expect(await codeOf(await post(await site.enrollmentBody(code)))).toBe(
        'ENROLLMENT_CODE_UNKNOWN',
      );
      await site.enroll(newer);
    });
  });

  test('a second connection replaces the first; suspension cuts it, resumption lets it back', async () => {
    const site = await harness.join('doubled');
    const first = site.socket;
    const cut = new Promise((done) => first?.once('disconnect', done));
    const second = await site.connect();
    expect(await cut).toBe('io server disconnect');
    expect(second.connected).toBe(true);
    const cutAgain = new Promise((done) => second.once('disconnect', done));
    await harness.request('POST', '/v1/sites/doubled/suspend', { reason: 'maintenance' });
    expect(await cutAgain).toBe('io server disconnect');
    await expect(site.connect()).rejects.toMatchObject({ data: { code: 'SITE_SUSPENDED' } });
    await harness.request('POST', '/v1/sites/doubled/resume');
    await site.connect();
  });

  test('lists what happened, page by page', async () => {
    const page = z.object({ entries: z.array(auditEntrySchema), nextCursor: z.string() });
    const first = page.parse(await harness.request('GET', '/v1/audit?limit=2'));
    expect(first.entries).toHaveLength(2);
    const after = first.entries.at(-1)?.id ?? 0;
    const rest = auditRoutes.list.response.parse(
      await harness.request('GET', `/v1/audit?limit=1000&cursor=${first.nextCursor}`),
    );
    const actions = rest.entries.map(({ action }) => action);
    expect(actions).toEqual(expect.arrayContaining(['site.invited', 'site.active']));
    expect(rest.entries.every(({ id }) => id > after)).toBe(true);
  });
});
