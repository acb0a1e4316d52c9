import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { makeWorkDirectory } from '../../../../test/support/package-root.ts';
import { auditEntrySchema } from '../audit/audit.contract.ts';
import { HandClock } from '../testing/hand-clock.ts';
import { Harness } from '../testing/harness.ts';
import { holdNext } from '../testing/held-call.ts';
import { cookieOf, People, phrase } from '../testing/people.ts';
import { accountRoutes, newPasswordSchema, userViewSchema } from './accounts.contract.ts';
import { temporaryPasswordLifetimeMs } from './password-sign-in.service.ts';
import { PasswordsService } from './passwords.service.ts';
import { freeFailures, firstWaitMs } from './sign-in-throttle.service.ts';
import { sessionViewSchema, userRoutes } from './users.contract.ts';

const clock = new HandClock();
let harness: Harness;
let people: People;
const breachedPhrase = 'a phrase that a breach made known';
let breached: Awaited<ReturnType<typeof makeWorkDirectory>>;
beforeAll(async () => {
  breached = await makeWorkDirectory('accounts');
  const breachedPasswordsFile = join(breached.path, 'hashes.txt');
  const hash = createHash('sha1').update(breachedPhrase).digest('hex').toUpperCase();
  await writeFile(breachedPasswordsFile, `${hash}:4\r\n`);
  harness = await Harness.start({ clock, settings: { breachedPasswordsFile } });
  people = new People(harness);
});
afterAll(async () => {
  await harness.stop();
  await breached.remove();
});

const codeOf = async (response: Response): Promise<unknown> =>
  z.object({ code: z.string() }).parse(await response.json()).code;
const { browse, signIn, create, person } = {
  browse: (...call: Parameters<People['browse']>) => people.browse(...call),
  signIn: (user: string, password: string) => people.signIn(user, password),
  create: (...account: Parameters<People['create']>) => people.create(...account),
  person: (...account: Parameters<People['join']>) => people.join(...account),
};

const entries = async (query: string) => {
  const answer = await harness.request('GET', `/v1/audit?${query}`);
  return z.object({ entries: z.array(auditEntrySchema) }).parse(answer).entries;
};

describe('an account', () => {
  test('begins with a temporary password that opens nothing but its own change', async () => {
    const { user, temporaryPassword } = await create('anna', 'administrator');
    expect(user).toMatchObject({ role: 'administrator', password: 'temporary', version: 1 });
    expect(temporaryPassword).toMatch(/^([0-9a-z]{4}-){5}[0-9a-z]{4}$/);
    const first = await signIn('Anna ', temporaryPassword ?? '');
    expect(first.status).toBe(201);
    expect(sessionViewSchema.parse(await first.json())).toMatchObject({
      user: 'anna',
      role: 'administrator',
      setup: 'password',
    });
    const cookie = cookieOf(first);
    const refused = await browse('GET', '/v1/sites', cookie);
    expect([refused.status, await codeOf(refused)]).toEqual([403, 'ACCOUNT_SETUP_REQUIRED']);
    const changed = await browse('POST', '/v1/account/password', cookie, {
      currentPassword: temporaryPassword,
      newPassword: phrase,
    });
    expect(changed.status).toBe(200);
    expect((await browse('GET', '/v1/sites', cookie)).status).toBe(401);
    expect((await browse('GET', '/v1/sites', cookieOf(changed))).status).toBe(200);
    expect((await signIn('anna', temporaryPassword ?? '')).status).toBe(401);
    expect((await signIn('anna', phrase)).status).toBe(201);
  });

  test('is named in the audit log by whatever its session does', async () => {
    const cookie = await person('berta', 'administrator');
    await browse('POST', '/v1/sites', cookie, { site: 'by-berta' });
    const [entry] = await entries('target=site:by-berta');
    expect(entry).toMatchObject({ actor: 'user:berta', action: 'site.invited' });
    expect(await entries('actor=user:berta&action=session.begun')).toHaveLength(2);
  });

  test('stores no password, and no answer shows a hash', async () => {
    await create('carla');
    const listed = JSON.stringify(await harness.request('GET', '/v1/users'));
    expect(listed).not.toMatch(/argon2|hash/i);
  });

  test('loses its sessions with whatever changes it', async () => {
    for (const [path, body] of [
      ['role', { role: 'scientist' }],
      ['suspend', { reason: 'left the hospital' }],
      ['password', {}],
    ] as const) {
      const cookie = await person(`dora-${path}`);
      expect((await browse('GET', '/v1/sites', cookie)).status).toBe(200);
      await harness.request('POST', `/v1/users/dora-${path}/${path}`, body);
      expect((await browse('GET', '/v1/sites', cookie)).status).toBe(401);
    }
    expect(await codeOf(await signIn('dora-suspend', phrase))).toBe('UNAUTHENTICATED');
    await harness.request('POST', '/v1/users/dora-suspend/resume');
    expect((await signIn('dora-suspend', phrase)).status).toBe(201);
  });

  test('loses its sessions when removed, also where one of the same name is made', async () => {
    const cookie = await person('emma');
    expect((await harness.raw('DELETE', '/v1/users/emma')).status).toBe(200);
    await create('emma', 'administrator');
    expect((await browse('GET', '/v1/sessions/current', cookie)).status).toBe(401);
  });

  test('is signed out everywhere by one of its sessions, and of no other account', async () => {
    const first = await person('irma');
    const other = await person('julia');
    const second = cookieOf(await signIn('irma', phrase));
    const { sessions } = userRoutes.list.response.parse(
      await (await browse('GET', '/v1/sessions', first)).json(),
    );
    expect(sessions.map(({ isCurrent }) => isCurrent)).toEqual([false, true]);
    const answer = await browse('DELETE', '/v1/sessions', second);
    expect(await answer.json()).toEqual({ ended: 2 });
    for (const [cookie, status] of [
      [first, 401],
      [second, 401],
      [other, 200],
    ] as const) {
      expect((await browse('GET', '/v1/sessions/current', cookie)).status).toBe(status);
    }
  });

  test('changes once of two people who looked at the same', async () => {
    const { user } = await create('frida');
    const change = (role: string) =>
      harness.raw('POST', '/v1/users/frida/role', { role, ifVersion: user.version });
    const statuses = await Promise.all([change('scientist'), change('administrator')]);
    expect(statuses.map(({ status }) => status).sort()).toEqual([200, 409]);
    const removal = await harness.raw('DELETE', `/v1/users/frida?ifVersion=${user.version}`);
    expect(removal.status).toBe(409);
  });

  test.each([
    ['a steward without a site', { role: 'steward' }, 400],
    ['a viewer with a site', { role: 'viewer', site: 'by-berta' }, 400],
    ['a steward of a site that is none', { role: 'steward', site: 'nowhere' }, 404],
    ['a role that is none', { role: 'root' }, 400],
    ['a name that is none', { user: 'No Name', role: 'viewer' }, 400],
    ['a name that is there', { user: 'anna', role: 'viewer' }, 409],
    ['a field that is ours', { role: 'viewer', version: 7 }, 400],
  ])('is not made of %s', async (_name, body, status) => {
    expect((await harness.raw('POST', '/v1/users', { user: 'greta', ...body })).status).toBe(
      status,
    );
  });

  test('answers a repeated command as the first time, and makes one account', async () => {
    const send = () =>
      harness.raw(
        'POST',
        '/v1/users',
        { user: 'hanna', role: 'viewer' },
        { 'idempotency-key': 'h' },
      );
    const first = newPasswordSchema.parse(await (await send()).json());
    expect(newPasswordSchema.parse(await (await send()).json())).toEqual(first);
  });
});

describe('the last administrator', () => {
  let other: Harness;
  beforeAll(async () => {
    other = await Harness.start();
    for (const user of ['ida', 'jana']) {
      await other.request('POST', '/v1/users', { user, role: 'administrator' });
    }
  });
  afterAll(() => other.stop());

  test('is not removed, demoted or suspended, whoever asks, at once or one by one', async () => {
    const both = await Promise.all(
      ['ida', 'jana'].map((user) => other.raw('DELETE', `/v1/users/${user}`)),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const { users } = accountRoutes.list.response.parse(await other.request('GET', '/v1/users'));
    const last = users[0]?.user ?? '';
    for (const [path, body] of [
      ['role', { role: 'viewer' }],
      ['suspend', { reason: 'x' }],
    ] as const) {
      const refused = await other.raw('POST', `/v1/users/${last}/${path}`, body);
      expect([refused.status, await codeOf(refused)]).toEqual([409, 'STATE_CONFLICT']);
    }
    const kept = userViewSchema.parse(
      await other.request('POST', `/v1/users/${last}/role`, { role: 'administrator' }),
    );
    expect(kept.role).toBe('administrator');
  });
});

describe('a password', () => {
  test.each([
    ['short', 'elevenchars', 'at least 12'],
    ['one of the most common', 'qwerty123456', 'most common'],
    ['a common word with digits around it', '!!Password2024', 'most common'],
    ['words of what this is about alone', '2026-MeLo federation!', 'what this software is about'],
    ['a few characters over and over', 'abababababababab', 'over and over'],
    ['known from a breach', breachedPhrase, 'no breach'],
    ['its own name', 'my-name-is-klara!', "account's own name"],
  ])('is refused that is %s', async (_name, password, reason) => {
    const answer = await harness.raw('POST', '/v1/users', {
      user: 'klara',
      role: 'viewer',
      password,
    });
    expect(answer.status).toBe(422);
    const body = z.object({ code: z.string(), message: z.string() }).parse(await answer.json());
    expect(body.code).toBe('PASSWORD_REFUSED');
    expect(body.message).toContain(reason);
    expect(body.message).not.toContain(password);
  });

  test.each([
    '739105826471',
    'пароль из слов и букв',
    phrase.toUpperCase(),
    Array.from({ length: 250 }, (_, at) => String.fromCodePoint(0x4e00 + at)).join(''),
    `x1y2z3${' '.repeat(6)}!`,
  ])('of any characters is taken: %s', async (password) => {
    const user = `any-${Buffer.from(password).toString('hex').slice(0, 12)}`;
    await create(user, 'viewer', { password });
    expect((await signIn(user, password)).status).toBe(201);
    expect((await signIn(user, `${password} `)).status).toBe(401);
  });

  test('that somebody else set ends after a week', async () => {
    const { temporaryPassword } = await create('lena');
    clock.nowMs += temporaryPasswordLifetimeMs + 1;
    expect((await signIn('lena', temporaryPassword ?? '')).status).toBe(401);
  });

  test('is changed by whoever knows the present one, to another one', async () => {
    const cookie = await person('mila');
    const change = (currentPassword: string, newPassword: string) =>
      browse('POST', '/v1/account/password', cookie, { currentPassword, newPassword });
    expect((await change('not my password', 'another phrase of mine')).status).toBe(403);
    expect(await codeOf(await change(phrase, phrase))).toBe('PASSWORD_REFUSED');
    expect(await codeOf(await change(phrase, 'too short'))).toBe('PASSWORD_REFUSED');
    expect((await change(phrase, 'another phrase of mine')).status).toBe(200);
  });

  test.each([
    ['reset', 'password', {}],
    ['suspended', 'suspend', { reason: 'the password was stolen' }],
  ])('is not changed where the account is %s meanwhile', async (_name, path, body) => {
    const user = `nina-${path}`;
    const cookie = await person(user);
    const held = holdNext(PasswordsService.prototype, 'hashNew');
    const stolen = { currentPassword: phrase, newPassword: 'a phrase of somebody else' };
    const changing = browse('POST', '/v1/account/password', cookie, stolen);
    await held.come;
    const answer = await harness.request('POST', `/v1/users/${user}/${path}`, body);
    held.letGo();
    const refused = await changing;
    expect([refused.status, cookieOf(refused)]).toEqual([409, '']);
    if (path === 'suspend') await harness.request('POST', `/v1/users/${user}/resume`);
    const password =
      path === 'suspend' ? phrase : newPasswordSchema.parse(answer).temporaryPassword;
    expect((await signIn(user, password ?? '')).status).toBe(201);
    expect((await signIn(user, stolen.newPassword)).status).toBe(401);
  });

  test('is not changed by a token, which has none', async () => {
    const answer = await harness.raw('POST', '/v1/account/password', {
      currentPassword: phrase,
      newPassword: 'another phrase of mine',
    });
    expect(answer.status).toBe(409);
  });
});

describe('wrong passwords', () => {
  const tryMany = async (user: string, times: number): Promise<unknown[]> => {
    const codes = [];
    for (let time = 0; time < times; time++) codes.push(await codeOf(await signIn(user, 'wrong')));
    return codes;
  };

  test('are refused after a few for a wait that doubles, for names without an account as well', async () => {
    const cookie = await person('nora');
    for (const user of ['nora', 'nobody-of-this-name']) {
      const few = Array.from({ length: freeFailures.user }, () => 'UNAUTHENTICATED');
      expect(await tryMany(user, freeFailures.user + 1)).toEqual([...few, 'RATE_LIMITED']);
      clock.nowMs += firstWaitMs;
      expect(await tryMany(user, 2)).toEqual(['UNAUTHENTICATED', 'RATE_LIMITED']);
      clock.nowMs += firstWaitMs;
      expect(await tryMany(user, 1)).toEqual(['RATE_LIMITED']);
      clock.nowMs += firstWaitMs;
    }
    expect((await browse('GET', '/v1/sites', cookie)).status).toBe(200);
    expect((await signIn('nora', phrase)).status).toBe(201);
    expect(await tryMany('nora', 1)).toEqual(['UNAUTHENTICATED']);
  });

  test('count no less when they come at once', async () => {
    await person('olga');
    const answers = await Promise.all(
      Array.from({ length: 3 * freeFailures.user }, () => signIn('olga', 'wrong')),
    );
    const tried = answers.filter(({ status }) => status === 401);
    expect(tried).toHaveLength(freeFailures.user);
  });

  test('stand in the audit log, by account where there is one', async () => {
    const refused = await entries('action=session.refused&target=user:olga');
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]).toMatchObject({ actor: 'nobody', details: { code: 'UNAUTHENTICATED' } });
    expect(JSON.stringify(await entries('limit=1000'))).not.toContain('nobody-of-this-name');
  });

  test('from one address are refused for every name', async () => {
    for (let time = 0; ; time++) {
      const answer = await signIn(`guess-${time}`, 'wrong');
      if (answer.status === 429) break;
      expect(time).toBeLessThan(2 * freeFailures.address);
    }
    clock.nowMs += 24 * 3_600_000;
    expect((await signIn('olga', phrase)).status).toBe(201);
  });
});
