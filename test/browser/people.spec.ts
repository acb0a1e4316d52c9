/** People at the dashboard: ways in, what has to be set first, accounts, and the own account. */
import type { Browser } from 'playwright-core';
import { cookieOf, People, phrase } from '../../apps/coordinator/src/testing/people.ts';
import { Harness } from '../../apps/coordinator/src/testing/harness.ts';
import { userViewSchema } from '../../apps/coordinator/src/users/accounts.contract.ts';
import { secondFactorRoutes } from '../../apps/coordinator/src/users/second-factor.contract.ts';
import { launchChromium } from '../support/browser.ts';
import { expectClean, expectSound, headingOf } from './page-checks.ts';
import {
  act,
  authenticatorOf,
  openAs,
  openSignedOut,
  signInAs,
  takeRefusals,
  textOf,
} from './people-pages.ts';
import { SmallWorld } from './small-world.ts';

const setupMs = 300_000;
const testMs = 240_000;
const ownPhrase = 'purple kettle under the bridge';

let world: SmallWorld;
let people: People;
let browser: Browser;

beforeAll(async () => {
  const provider = {
    ...{ provider: 'hospital', label: 'Hospital sign-in', issuer: 'http://127.0.0.1:9' },
    ...{ clientId: 'melo', clientSecret: null, scopes: 'openid', roleClaim: 'groups' },
    ...{ nameClaim: 'name', roles: [{ value: 'all', role: 'viewer' as const }] },
  };
  world = await SmallWorld.start({ settings: { signInProviders: [provider] } });
  people = new People(world.harness);
  browser = await launchChromium();
}, setupMs);
afterAll(async () => {
  await browser.close();
  await world.stop();
}, setupMs);

const userOf = async (user: string) =>
  userViewSchema.parse(await world.harness.request('GET', `/v1/users/${user}`));

describe.each([
  ['desk', 1280],
  ['phone', 390],
] as const)('on a %s (%d px)', (viewport, width) => {
  test(
    'somebody new comes in with a temporary password and sets an own one before anything else',
    async () => {
      const user = `new-${width}`;
      const { temporaryPassword } = await people.create(user, 'steward', { site: 'north' });
      const watched = await openSignedOut(browser, world.url, viewport);
      const { page } = watched;
      const provider = page.getByRole('link', { name: 'Hospital sign-in' });
      expect(await provider.getAttribute('href')).toBe('/v1/sign-in-providers/hospital/begin');
      await expectSound(watched);
      await signInAs(page, user, 'not the password');
      await page.getByText('Name and password do not go together').waitFor();
      expect(takeRefusals(watched)).toEqual([401]);
      await signInAs(page, user.toUpperCase(), temporaryPassword ?? '');
      await headingOf(page, 'Set a password of your own').waitFor();
      expect(await page.getByRole('navigation').count()).toBe(0);
      const set = async (present: string, own: string): Promise<void> => {
        await page.getByRole('textbox', { name: 'Temporary password' }).fill(present);
        await page.getByRole('textbox', { name: 'New password', exact: true }).fill(own);
        await page.getByRole('textbox', { name: 'New password once more' }).fill(own);
        await page.getByRole('button', { name: 'Change the password' }).click();
      };
      await set('not it', ownPhrase);
      await page.getByText('The present password, or the code, is not right.').waitFor();
      await set(temporaryPassword ?? '', `the ${user} phrase`);
      await page.getByText("nothing of the account's own name").waitFor();
      expect(takeRefusals(watched)).toEqual([403, 422]);
      await expectSound(watched);
      await set(temporaryPassword ?? '', ownPhrase);
      await headingOf(page, 'Overview').waitFor();
      await page.getByText('live', { exact: true }).waitFor();
      expect(takeRefusals(watched)).toEqual([]);
      await watched.close();
    },
    testMs,
  );

  test(
    'wrong passwords are followed by a wait, which is told',
    async () => {
      const user = `nobody-${width}`;
      for (let tries = 0; tries < 5; tries++) await people.signIn(user, `wrong ${tries}`);
      const watched = await openSignedOut(browser, world.url, viewport);
      await signInAs(watched.page, user, 'wrong once more');
      await watched.page.getByText(/^Try again in \d+ (s|min)\.$/).waitFor();
      expect(takeRefusals(watched)).toEqual([429]);
      await expectSound(watched);
      await watched.close();
    },
    testMs,
  );

  test(
    'an account is made, changed, suspended, resumed and removed, each after a question',
    async () => {
      const user = `guest-${width}`;
      const watched = await openAs(
        browser,
        world.url,
        await people.join(`chief-${width}`, 'administrator'),
        viewport,
      );
      const { page } = watched;
      await page.getByRole('link', { name: 'Users', exact: true }).click();
      await headingOf(page, 'Users').waitFor();
      const table = page.getByRole('table', { name: 'People with an account' });
      const row = table.getByRole('row').filter({ hasText: user });
      await table.getByRole('link', { name: 'Your account' }).waitFor();
      await expectSound(watched);

      await page.getByRole('button', { name: 'Make an account' }).click();
      await page.getByRole('textbox', { name: 'Name' }).fill(user);
      await page.getByRole('combobox', { name: 'Role' }).selectOption('steward');
      expect(await page.getByRole('button', { name: 'Make the account' }).isDisabled()).toBe(true);
      await page.getByRole('combobox', { name: 'Site' }).selectOption('north');
      await expectSound(watched);
      await page.getByRole('button', { name: 'Make the account' }).click();
      const first = await textOf(page, 'Temporary password');
      expect((await people.signIn(user, first)).status).toBe(201);
      await expectSound(watched);
      await page.getByRole('button', { name: 'I have handed it over' }).click();
      await row.getByText('steward of north').waitFor();

      await row.getByRole('button', { name: `Change ${user}` }).click();
      const dialog = page.getByRole('dialog', { name: `Account ${user}` });
      await expectSound(watched);
      await dialog.getByRole('button', { name: 'Change the role' }).click();
      const question = page.getByRole('dialog', { name: `Change what ${user} may do?` });
      await question.getByRole('combobox', { name: 'Role' }).selectOption('scientist');
      await question.getByRole('button', { name: 'Change the role' }).click();
      await dialog.getByText('scientist', { exact: true }).waitFor();

      await act(dialog, 'Suspend', 'Suspend the account', 'on leave');
      await dialog.getByText('suspended: on leave').waitFor();
      expect((await userOf(user)).status).toBe('suspended');
      await act(dialog, 'Let back in', 'Let back in');
      await dialog.getByText('active', { exact: true }).waitFor();

      await act(dialog, 'Reset the password', 'Make a temporary password');
      await page.getByRole('dialog', { name: `The password of ${user}`, exact: true }).waitFor();
      const second = await textOf(page, 'Temporary password');
      expect(second).not.toBe(first);
      expect((await people.signIn(user, second)).status).toBe(201);
      await page.getByRole('button', { name: 'I have handed it over' }).click();

      await row.getByRole('button', { name: `Change ${user}` }).click();
      await act(dialog, 'Remove the account', 'Remove the account');
      await row.waitFor({ state: 'detached' });
      await expectClean(watched);
      await watched.close();
    },
    testMs,
  );

  test(
    'two administrators do not undo each other: a change in between is told',
    async () => {
      const user = `shared-${width}`;
      await people.create(user);
      const watched = await openAs(
        browser,
        world.url,
        await people.join(`second-${width}`, 'administrator'),
        viewport,
      );
      const { page } = watched;
      await page.goto(`${world.url}/#/users`);
      await page.getByRole('button', { name: `Change ${user}` }).click();
      const dialog = page.getByRole('dialog', { name: `Account ${user}` });
      await dialog.getByText('a temporary password').waitFor();
      await world.harness.request('POST', `/v1/users/${user}/role`, { role: 'scientist' });
      await act(dialog, 'Remove the account', 'Remove the account');
      await page.getByText(`Somebody else changed ${user} meanwhile: now scientist`).waitFor();
      expect(takeRefusals(watched)).toEqual([409]);
      await expectSound(watched);
      expect((await userOf(user)).role).toBe('scientist');
      await watched.close();
    },
    testMs,
  );

  test(
    'the own account: password, second factor, recovery codes, sign out everywhere',
    async () => {
      const user = `own-${width}`;
      const cookie = await people.join(user, 'viewer');
      const watched = await openAs(browser, world.url, cookie, viewport);
      const { page } = watched;
      await page.getByRole('link', { name: `Account: ${user}, viewer` }).click();
      await headingOf(page, 'Account').waitFor();
      await page.getByRole('table', { name: 'Sessions' }).getByText('this one').waitFor();
      await expectSound(watched);

      await page.getByRole('button', { name: 'Change your password' }).click();
      await page.getByRole('textbox', { name: 'Present password' }).fill(phrase);
      await page.getByRole('textbox', { name: 'New password', exact: true }).fill(ownPhrase);
      await page.getByRole('textbox', { name: 'New password once more' }).fill(ownPhrase);
      await expectSound(watched);
      await page.getByRole('button', { name: 'Change the password' }).click();
      await page.getByText('Your password is changed').waitFor();
      expect((await people.browse('GET', '/v1/account', cookie)).status).toBe(401);

      await page.getByRole('button', { name: 'Set up a second factor' }).click();
      await page.getByRole('textbox', { name: 'Present password' }).fill(ownPhrase);
      await page.getByRole('button', { name: 'Make the secret' }).click();
      const totp = authenticatorOf(await textOf(page, 'Address for the authenticator'));
      expect(await textOf(page, 'Secret')).toBe(totp.secret.base32);
      await expectSound(watched);
      const code = page.getByRole('textbox', { name: 'Code that it shows now' });
      await code.fill(totp.generate({ timestamp: 0 }));
      await page.getByRole('button', { name: 'Confirm it' }).click();
      await page.getByText('expected the code that the authenticator shows now').waitFor();
      expect(takeRefusals(watched)).toEqual([400]);
      await code.fill(totp.generate());
      await page.getByRole('button', { name: 'Confirm it' }).click();
      const [firstCode = '', secondCode = ''] = (await textOf(page, 'Recovery codes')).split('\n');
      await expectSound(watched);
      await page.getByRole('button', { name: 'I have kept them' }).click();
      await page.getByText('set: sign-in asks for its code').waitFor();

      await act(page.getByRole('main'), 'Sign out everywhere', 'Sign out everywhere');
      await headingOf(page, 'Sign in').waitFor();
      await signInAs(page, user, ownPhrase);
      const asked = page.getByRole('textbox', { name: 'Code', exact: true });
      await asked.waitFor();
      takeRefusals(watched);
      await expectSound(watched);
      await asked.fill('000000');
      await page.keyboard.press('Enter');
      await page.getByText('The code is not right now, or was used.').waitFor();
      // The next one: that of the confirmation is used.
      await asked.fill(totp.generate({ timestamp: Date.now() + 30_000 }));
      await page.keyboard.press('Enter');
      await headingOf(page, 'Account').waitFor();
      expect(takeRefusals(watched)).toEqual([401]);

      const confirmWith = async (recoveryCode: string, verb: string): Promise<void> => {
        await page.getByRole('textbox', { name: 'Present password' }).fill(ownPhrase);
        await page.getByRole('textbox', { name: 'Code', exact: true }).fill(recoveryCode);
        await page.getByRole('button', { name: verb, exact: true }).click();
      };
      await page.getByRole('button', { name: 'New recovery codes' }).click();
      await confirmWith(firstCode, 'Make new ones');
      const [thirdCode = ''] = (await textOf(page, 'Recovery codes')).split('\n');
      await page.getByRole('button', { name: 'I have kept them' }).click();
      await page.getByRole('button', { name: 'Remove the second factor' }).click();
      await confirmWith(secondCode, 'Remove it');
      await page.getByText('The present password, or the code, is not right.').waitFor();
      expect(takeRefusals(watched)).toEqual([403]);
      await confirmWith(thirdCode, 'Remove it');
      await page.getByText('none: the password alone signs in').waitFor();
      await expectClean(watched);
      await watched.close();
    },
    testMs,
  );

  test(
    'an API token is made, shown once, good for what it says, and revoked',
    async () => {
      const watched = await openAs(
        browser,
        world.url,
        await people.join(`maker-${width}`, 'scientist'),
        viewport,
      );
      const { page } = watched;
      await page.goto(`${world.url}/#/account`);
      await page.getByRole('button', { name: 'Make a token' }).click();
      await page.getByRole('textbox', { name: 'What it is for' }).fill('nightly export');
      await page.getByRole('checkbox', { name: 'audit' }).check();
      await page.getByRole('combobox', { name: 'It ends after' }).selectOption('7');
      await expectSound(watched);
      await page.getByRole('button', { name: 'Make the token' }).click();
      const secret = await textOf(page, 'API token');
      await expectSound(watched);
      await page.getByRole('button', { name: 'I have kept it' }).click();
      const headers = { authorization: `Bearer ${secret}` };
      const asked = (path: string): Promise<number> =>
        fetch(`${world.url}${path}`, { headers }).then(({ status }) => status);
      expect([await asked('/v1/audit'), await asked('/v1/users')]).toEqual([200, 403]);
      const row = page.getByRole('table', { name: 'API tokens' }).getByRole('row', {
        name: 'nightly export',
      });
      await row.getByText('read, audit').waitFor();
      await row.getByText('in 6 d').waitFor();
      await row.getByRole('button', { name: 'Revoke nightly export' }).click();
      await page.getByRole('button', { name: 'Revoke it' }).click();
      await row.waitFor({ state: 'detached' });
      expect(await asked('/v1/audit')).toBe(401);
      await expectClean(watched);
      await watched.close();
    },
    testMs,
  );
});

/** Enrol a second factor of an account over REST. */
async function setSecondFactor(user: string): Promise<void> {
  const cookie = cookieOf(await people.signIn(user, phrase));
  const made = await people.browse('POST', '/v1/account/second-factor', cookie, {
    password: phrase,
  });
  const { uri } = secondFactorRoutes.enrol.response.parse(await made.json());
  const code = authenticatorOf(uri).generate();
  const confirmed = await people.browse('POST', '/v1/account/second-factor/confirm', cookie, {
    code,
  });
  expect(confirmed.status).toBe(200);
}

test(
  'by keyboard alone: signing in, and helping somebody who has lost the second factor',
  async () => {
    await people.join('keyboard', 'administrator');
    await people.join('forgetful', 'viewer');
    await setSecondFactor('forgetful');
    const watched = await openSignedOut(browser, `${world.url}/#/users`, 'desk');
    const { page } = watched;
    /** Go on with Tab until what has the focus is called so. */
    const tabTo = async (name: string): Promise<void> => {
      for (let tabs = 0; tabs < 60; tabs++) {
        await page.keyboard.press('Tab');
        const own = await page.evaluate(
          `[document.activeElement.labels?.[0]?.textContent, document.activeElement.ariaLabel,
            document.activeElement.textContent].find((text) => text) ?? ''`,
        );
        if (String(own).replace(/ \*$/, '') === name) return;
      }
      throw new Error(`the keyboard does not reach ${name}`);
    };
    await tabTo('Name');
    await page.keyboard.type('keyboard');
    await tabTo('Password');
    await page.keyboard.type(phrase);
    await page.keyboard.press('Enter');
    await headingOf(page, 'Users').waitFor();
    await page.getByRole('button', { name: 'Change forgetful' }).waitFor();
    await tabTo('Change forgetful');
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Account forgetful' });
    await dialog.getByText('set', { exact: true }).waitFor();
    await tabTo('Remove the second factor');
    await page.keyboard.press('Enter');
    const question = page.getByRole('dialog', { name: 'Remove the second factor of forgetful?' });
    await question.waitFor();
    await tabTo('Remove the second factor');
    await page.keyboard.press('Enter');
    await question.waitFor({ state: 'detached' });
    await dialog.getByText('none', { exact: true }).waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await page.evaluate('document.activeElement.ariaLabel')).toBe('Change forgetful');
    expect((await people.signIn('forgetful', phrase)).status).toBe(201);
    await expectClean(watched);
    await watched.close();
  },
  testMs,
);

test(
  'an administrator who needs a second factor sets it before anything else',
  async () => {
    const harness = await Harness.start({ settings: { requireTotp: true } });
    await new People(harness).join('chief', 'administrator');
    const watched = await openSignedOut(browser, harness.coordinator.url, 'phone');
    const { page } = watched;
    await signInAs(page, 'chief', phrase);
    await headingOf(page, 'Set up a second factor').waitFor();
    await expectSound(watched);
    await page.getByRole('textbox', { name: 'Present password' }).fill(phrase);
    await page.getByRole('button', { name: 'Make the secret' }).click();
    const totp = authenticatorOf(await textOf(page, 'Address for the authenticator'));
    await page.getByRole('textbox', { name: 'Code that it shows now' }).fill(totp.generate());
    await page.getByRole('button', { name: 'Confirm it' }).click();
    expect((await textOf(page, 'Recovery codes')).split('\n')).toHaveLength(10);
    await expectSound(watched);
    await page.getByRole('button', { name: 'I have kept them' }).click();
    await headingOf(page, 'Overview').waitFor();
    await page.getByText('live', { exact: true }).waitFor();
    await expectClean(watched);
    await watched.close();
    await harness.stop();
  },
  testMs,
);

test('who is sent back by an identity provider is told why, and the code leaves the address', async () => {
  const watched = await openSignedOut(browser, `${world.url}/#sign-in-refused=FORBIDDEN`, 'desk');
  await watched.page.getByText('none of your groups has access here').waitFor();
  expect(watched.page.url()).toBe(`${world.url}/`);
  await watched.close();
});
