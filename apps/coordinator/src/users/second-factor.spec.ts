import { TOTP, URI } from 'otpauth';
import { z } from 'zod';
import { HandClock } from '../testing/hand-clock.ts';
import { Harness } from '../testing/harness.ts';
import { holdNext } from '../testing/held-call.ts';
import { cookieOf, People, phrase } from '../testing/people.ts';
import { newPasswordSchema, userViewSchema } from './accounts.contract.ts';
import { ownAccountSchema, secondFactorRoutes } from './second-factor.contract.ts';
import { SecondFactorService } from './second-factor.service.ts';
import { freeFailures } from './sign-in-throttle.service.ts';
import { sessionViewSchema } from './users.contract.ts';

const clock = new HandClock();
let harness: Harness;
let people: People;
beforeAll(async () => {
  harness = await Harness.start({ clock, settings: { requireTotp: true } });
  people = new People(harness);
});
afterAll(() => harness.stop());

const codeOf = async (response: Response): Promise<unknown> =>
  z.object({ code: z.string() }).parse(await response.json()).code;
const at = (totp: TOTP, steps = 0): string =>
  totp.generate({ timestamp: clock.nowMs + steps * 30_000 });

const enrol = async (cookie: string): Promise<TOTP> => {
  const answer = await people.browse('POST', '/v1/account/second-factor', cookie, {
    password: phrase,
  });
  const { secret, uri } = secondFactorRoutes.enrol.response.parse(await answer.json());
  const totp = URI.parse(uri);
  if (!(totp instanceof TOTP)) throw new Error('expected an authenticator by time');
  expect(totp.secret.base32).toBe(secret);
  return totp;
};
const confirm = (cookie: string, code: string) =>
  people.browse('POST', '/v1/account/second-factor/confirm', cookie, { code });

/** An account with a second factor, whose next code is one step away. */
const withFactor = async (user: string) => {
  const cookie = await people.join(user);
  const totp = await enrol(cookie);
  const answer = await confirm(cookie, at(totp));
  const { recoveryCodes } = secondFactorRoutes.confirm.response.parse(await answer.json());
  clock.nowMs += 30_000;
  return { cookie, totp, recoveryCodes };
};
const account = async (cookie: string) =>
  ownAccountSchema.parse(await (await people.browse('GET', '/v1/account', cookie)).json());

describe('a second factor', () => {
  test('is asked for once a code has confirmed it, and not before', async () => {
    const cookie = await people.join('anna');
    const totp = await enrol(cookie);
    expect((await people.signIn('anna', phrase)).status).toBe(201);
    expect((await confirm(cookie, '000000')).status).toBe(400);
    expect((await confirm(cookie, at(totp))).status).toBe(200);
    expect((await account(cookie)).hasSecondFactor).toBe(true);
    const without = await people.signIn('anna', phrase);
    expect([without.status, await codeOf(without)]).toEqual([401, 'SECOND_FACTOR_REQUIRED']);
    expect(await codeOf(await people.signIn('anna', 'wrong'))).toBe('UNAUTHENTICATED');
  });

  test('takes the code of this step, the one before and the one after, each once', async () => {
    const { totp } = await withFactor('berta');
    const signIn = async (steps: number) =>
      (await people.signIn('berta', phrase, { code: at(totp, steps) })).status;
    expect(await signIn(2)).toBe(401);
    expect(await signIn(0)).toBe(201);
    expect(await signIn(0)).toBe(401);
    expect(await signIn(1)).toBe(201);
    expect(await signIn(0)).toBe(401); // of an earlier step than the last one taken
    clock.nowMs += 90_000;
    expect(await signIn(-2)).toBe(401);
    expect(await signIn(-1)).toBe(201);
  });

  test('takes a code once of two sign-ins at the same moment', async () => {
    const { totp } = await withFactor('carla');
    const code = at(totp);
    const both = await Promise.all([1, 2].map(() => people.signIn('carla', phrase, { code })));
    expect(both.map(({ status }) => status).sort()).toEqual([201, 401]);
  });

  test('takes each recovery code once, however it is typed', async () => {
    const { cookie, recoveryCodes } = await withFactor('dora');
    expect(new Set(recoveryCodes).size).toBe(10);
    const [first = '', second = ''] = recoveryCodes;
    const signIn = async (code: string) => (await people.signIn('dora', phrase, { code })).status;
    expect(await signIn(first)).toBe(201);
    expect(await signIn(first)).toBe(401);
    expect(await signIn(second.toUpperCase().replaceAll('-', ' '))).toBe(201);
    expect((await account(cookie)).recoveryCodesLeft).toBe(8);
  });

  test('counts wrong codes like wrong passwords', async () => {
    await withFactor('emma');
    for (let time = 0; time < freeFailures.user; time++) {
      const answer = await people.signIn('emma', phrase, { code: '000000' });
      expect(await codeOf(answer)).toBe('UNAUTHENTICATED');
    }
    expect((await people.signIn('emma', phrase, { code: '000000' })).status).toBe(429);
  });

  test('is removed by whoever has it, and new recovery codes end the old', async () => {
    const { cookie, totp, recoveryCodes } = await withFactor('frida');
    const renew = (code: string) =>
      people.browse('POST', '/v1/account/recovery-codes', cookie, { password: phrase, code });
    expect((await renew('000000')).status).toBe(403);
    expect((await renew(at(totp))).status).toBe(200);
    const old = await people.signIn('frida', phrase, { code: recoveryCodes[0] });
    expect(old.status).toBe(401);
    clock.nowMs += 60_000;
    const body = { password: phrase, code: at(totp) };
    const removed = await people.browse('POST', '/v1/account/second-factor/remove', cookie, body);
    expect(removed.status).toBe(200);
    expect((await people.signIn('frida', phrase)).status).toBe(201);
  });

  test.each([
    ['second-factor/remove', 'remove'],
    ['recovery-codes', 'renewRecoveryCodes'],
  ] as const)('stays as it is where the account is reset meanwhile: %s', async (path, act) => {
    const user = `kira-${act.toLowerCase()}`;
    const { cookie, totp, recoveryCodes } = await withFactor(user);
    const held = holdNext(SecondFactorService.prototype, act);
    const body = { password: phrase, code: at(totp) };
    const acting = people.browse('POST', `/v1/account/${path}`, cookie, body);
    await held.come;
    const reset = await harness.request('POST', `/v1/users/${user}/password`, {});
    held.letGo();
    const refused = await acting;
    expect([refused.status, await codeOf(refused)]).toEqual([409, 'STATE_CONFLICT']);
    const { temporaryPassword } = newPasswordSchema.parse(reset);
    const without = await people.signIn(user, temporaryPassword ?? '');
    expect(await codeOf(without)).toBe('SECOND_FACTOR_REQUIRED');
    const code = recoveryCodes[0];
    expect((await people.signIn(user, temporaryPassword ?? '', { code })).status).toBe(201);
  });

  test('is removed by an administrator for somebody who lost it, whose sessions end', async () => {
    const { cookie } = await withFactor('greta');
    await harness.request('POST', '/v1/users/greta/second-factor/remove');
    expect((await people.browse('GET', '/v1/account', cookie)).status).toBe(401);
    expect((await people.signIn('greta', phrase)).status).toBe(201);
  });

  test('is not removed by an administrator who looked before somebody else changed the account', async () => {
    await withFactor('jutta');
    const look = async () => userViewSchema.parse(await harness.request('GET', '/v1/users/jutta'));
    const remove = (ifVersion: number) =>
      harness.raw('POST', '/v1/users/jutta/second-factor/remove', { ifVersion });
    const { version } = await look();
    await harness.request('POST', '/v1/users/jutta/role', { role: 'scientist' });
    const refused = await remove(version);
    expect([refused.status, await codeOf(refused)]).toEqual([409, 'STATE_CONFLICT']);
    expect(await look()).toMatchObject({ hasSecondFactor: true, role: 'scientist' });
    expect((await remove((await look()).version)).status).toBe(200);
    expect((await look()).hasSecondFactor).toBe(false);
  });

  test('is asked for after an administrator has set another password too', async () => {
    await withFactor('irma');
    const answer = await harness.request('POST', '/v1/users/irma/password', {});
    const { temporaryPassword } = newPasswordSchema.parse(answer);
    const without = await people.signIn('irma', temporaryPassword ?? '');
    expect(await codeOf(without)).toBe('SECOND_FACTOR_REQUIRED');
  });

  test('is kept wrapped, and no answer or entry has its secret or a recovery code', async () => {
    const { totp, recoveryCodes } = await withFactor('hanna');
    const told = await Promise.all(
      ['/v1/users', '/v1/audit?limit=1000&order=newest'].map(async (path) =>
        JSON.stringify(await harness.request('GET', path)),
      ),
    );
    for (const text of told) {
      expect(text).not.toContain(totp.secret.base32);
      expect(text).not.toContain(recoveryCodes[0]);
    }
  });
});

test('--require-totp lets an administrator do nothing before the second factor is set', async () => {
  const cookie = await people.join('ida', 'administrator');
  const looked = await people.browse('GET', '/v1/sessions/current', cookie);
  expect(sessionViewSchema.parse(await looked.json()).setup).toBe('second-factor');
  const refused = await people.browse('GET', '/v1/sites', cookie);
  expect(await codeOf(refused)).toBe('ACCOUNT_SETUP_REQUIRED');
  const totp = await enrol(cookie);
  expect((await confirm(cookie, at(totp))).status).toBe(200);
  expect((await people.browse('GET', '/v1/sites', cookie)).status).toBe(200);
  clock.nowMs += 30_000;
  const again = await people.signIn('ida', phrase, { code: at(totp) });
  expect((await people.browse('GET', '/v1/sites', cookieOf(again))).status).toBe(200);
});
