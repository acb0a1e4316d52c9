import { io } from 'socket.io-client';
import { z } from 'zod';
import { auditEntrySchema } from '../audit/audit.contract.ts';
import { apiTokens } from '../config/schema.ts';
import { HandClock } from '../testing/hand-clock.ts';
import { Harness } from '../testing/harness.ts';
import { holdNext } from '../testing/held-call.ts';
import { People } from '../testing/people.ts';
import { apiTokenPrefix, secretHash } from './secrets.ts';
import { TokenStore } from './token-store.ts';
import { tokenRoutes } from './tokens.contract.ts';
import { ownTokensMax } from './tokens.service.ts';

const clock = new HandClock();
const dayMs = 24 * 3_600_000;
let harness: Harness;
let people: People;
beforeAll(async () => {
  harness = await Harness.start({ clock });
  people = new People(harness);
  await people.create('standing', 'administrator'); // never the last one in what follows
});
afterAll(() => harness.stop());

/** Call with a bearer token, or with a session's cookie. */
const call = (by: string, method: string, path: string, body?: unknown): Promise<Response> =>
  by.startsWith('melo_')
    ? harness.raw(method, path, body, { authorization: `Bearer ${by}` })
    : people.browse(method, path, by, body);
const make = async (by: string, body: object) =>
  tokenRoutes.create.response.parse(
    await (
      await call(by, 'POST', '/v1/tokens', { name: 'a program', scopes: ['read'], ...body })
    ).json(),
  );
const list = async (by: string) =>
  tokenRoutes.list.response.parse(await (await call(by, 'GET', '/v1/tokens')).json()).tokens;
const statusOf = async (by: string, path = '/v1/sites') => (await call(by, 'GET', path)).status;
/** Connect as a page of a token; `cut` settles with why it was cut. */
async function listen(token: string) {
  const socket = io(`${harness.coordinator.url}/dashboard`, {
    ...{ transports: ['websocket'], forceNew: true, reconnection: false },
    auth: { token },
  });
  await new Promise((connected) => socket.once('connect', () => connected(null)));
  return { cut: new Promise((done) => socket.once('disconnect', done)) };
}

describe('an API token', () => {
  test('is shown once and kept as a hash, with its last use to the minute', async () => {
    const { token, secret } = await make(harness.token, { name: 'nightly report', days: 30 });
    expect(secret).toMatch(/^melo_token_[A-Za-z0-9_-]{43}$/);
    expect(token).toMatchObject({
      ...{ name: 'nightly report', owner: null, scopes: ['read'] },
      ...{ expiresAtMs: clock.nowMs + 30 * dayMs, lastUsedAtMs: null },
    });
    expect(await statusOf(secret)).toBe(200);
    const used = await harness.until(
      () => list(harness.token),
      (tokens) => tokens.some(({ lastUsedAtMs }) => lastUsedAtMs !== null),
    );
    expect(used.find((each) => each.token === token.token)?.lastUsedAtMs).toBe(clock.nowMs);
    expect(JSON.stringify(used)).not.toContain(secret.slice(11));
  });

  test('ends with its time, and with its revocation at once, sockets too', async () => {
    const short = await make(harness.token, { days: 1 });
    const revoked = await make(harness.token, {});
    const ofRevoked = await listen(revoked.secret);
    const ofShort = await listen(short.secret);
    const path = `/v1/tokens/${revoked.token.token}`;
    expect((await call(harness.token, 'DELETE', path)).status).toBe(200);
    expect(await ofRevoked.cut).toBe('io server disconnect');
    expect(await statusOf(revoked.secret)).toBe(401);
    expect((await call(harness.token, 'DELETE', path)).status).toBe(404);
    clock.nowMs += dayMs - 1;
    expect(await statusOf(short.secret)).toBe(200);
    clock.nowMs += 1;
    expect(await statusOf(short.secret)).toBe(401);
    await harness.request('POST', '/v1/sites', { site: 'after-its-time' });
    expect(await ofShort.cut).toBe('io server disconnect');
  });

  test('has the rights that its owner has now, and ends with the account', async () => {
    const cookie = await people.join('petra', 'scientist');
    const { secret } = await make(cookie, { scopes: ['everything'] });
    expect(await statusOf(secret)).toBe(200);
    expect(await statusOf(secret, '/v1/users')).toBe(403);
    await harness.request('POST', '/v1/users/petra/role', { role: 'administrator' });
    expect(await statusOf(secret, '/v1/users')).toBe(200);
    await harness.request('POST', '/v1/users/petra/suspend', { reason: 'away' });
    expect(await statusOf(secret)).toBe(401);
    await harness.request('POST', '/v1/users/petra/resume');
    expect(await statusOf(secret)).toBe(200);
    await harness.request('DELETE', '/v1/users/petra');
    expect(await statusOf(secret)).toBe(401);
    await people.create('petra', 'administrator');
    expect(await statusOf(secret)).toBe(401);
  });

  test('is made for nobody whose account is removed meanwhile, nor for the next of that name', async () => {
    const cookie = await people.join('paula', 'scientist');
    const held = holdNext(TokenStore.prototype, 'list'); // the count, before the transaction
    const making = call(cookie, 'POST', '/v1/tokens', { name: 'late', scopes: ['everything'] });
    await held.come;
    await harness.request('DELETE', '/v1/users/paula');
    clock.nowMs += 1;
    const next = await people.join('paula', 'administrator');
    held.letGo();
    expect((await making).status).toBe(401);
    expect(await list(harness.token)).not.toContainEqual(expect.objectContaining({ name: 'late' }));
    expect(await statusOf(next)).toBe(200);
  });

  test('of an earlier account of the same name opens nothing, where its row was left', async () => {
    await people.join('pia', 'administrator');
    const secretOf = (createdAtMs: number): string => `${apiTokenPrefix}made-at-${createdAtMs}`;
    const times = [clock.nowMs - 1, clock.nowMs];
    const rows = times.map((createdAtMs) => {
      const tokenHash = secretHash('api-token', secretOf(createdAtMs));
      const token = tokenHash.slice(0, 8);
      const expiresAtMs = clock.nowMs + dayMs;
      const scopes = ['everything'];
      return { tokenHash, token, name: 'kept', owner: 'pia', scopes, createdAtMs, expiresAtMs };
    });
    await harness.tamper((queries) => queries.insert(apiTokens).values(rows));
    const statuses = await Promise.all(times.map((atMs) => statusOf(secretOf(atMs), '/v1/users')));
    expect(statuses).toEqual([401, 200]);
  });

  test('makes none that can do more than itself', async () => {
    const { secret } = await make(harness.token, { scopes: ['people', 'read'] });
    const more = { name: 'more', scopes: ['people', 'audit'] };
    expect((await call(secret, 'POST', '/v1/tokens', more)).status).toBe(403);
    expect((await make(secret, { scopes: ['read'] })).token.scopes).toEqual(['read']);
  });

  test('is seen and revoked by its owner and by administrators, by nobody else', async () => {
    await harness.join('north');
    const rita = await people.join('rita', 'viewer');
    const sonja = await people.join('sonja', 'steward', { site: 'north' });
    const { token } = await make(rita, {});
    expect(await list(rita)).toEqual([token]);
    expect(await list(sonja)).toEqual([]);
    expect((await list(harness.token)).map((each) => each.token)).toContain(token.token);
    expect((await call(sonja, 'DELETE', `/v1/tokens/${token.token}`)).status).toBe(404);
    expect((await call(rita, 'DELETE', `/v1/tokens/${token.token}`)).status).toBe(200);
  });

  test('is named in the audit log by its mark beside its owner', async () => {
    const tanja = await people.join('tanja', 'administrator');
    const { token, secret } = await make(tanja, { scopes: ['sites'] });
    await call(secret, 'POST', '/v1/sites', { site: 'by-token' });
    const answer = await harness.request('GET', '/v1/audit?target=site:by-token');
    const { entries } = z.object({ entries: z.array(auditEntrySchema) }).parse(answer);
    expect(entries[0]).toMatchObject({ actor: 'user:tanja', details: { token: token.token } });
  });

  test.each([
    ['no scope', { scopes: [] }],
    ['a scope that is none', { scopes: ['root'] }],
    ['more than a year', { days: 366 }],
    ['a name with a line break', { name: 'a\nb' }],
    ['somebody else as its owner', { owner: 'tanja' }],
  ])('is not made with %s', async (_name, change) => {
    const body = { name: 'x', scopes: ['read'], ...change };
    expect((await call(harness.token, 'POST', '/v1/tokens', body)).status).toBe(400);
  });

  test(`is one of ${ownTokensMax} of a person at most`, async () => {
    const ursula = await people.join('ursula');
    for (let made = 0; made < ownTokensMax; made++) await make(ursula, {});
    const oneMore = await call(ursula, 'POST', '/v1/tokens', { name: 'x', scopes: ['read'] });
    expect(oneMore.status).toBe(409);
  });
});
