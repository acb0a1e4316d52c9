/** People before the dashboard: with and without a session, and what they do with it. */
import { TOTP, URI } from 'otpauth';
import type { Browser, Locator, Page } from 'playwright-core';
import { WatchedPage, type Viewport } from '../support/browser.ts';
import { headingOf } from './page-checks.ts';

/** The statuses of refused requests, which a browser tells as errors; they are taken out of what went wrong. */
export function takeRefusals({ errors }: WatchedPage): readonly number[] {
  const told = errors.splice(0).map((text) => ({
    text,
    status: /^Failed to load resource: .* status of (4\d\d) /.exec(text)?.[1],
  }));
  errors.push(...told.filter(({ status }) => status === undefined).map(({ text }) => text));
  return told.flatMap(({ status }) => (status === undefined ? [] : [Number(status)]));
}

/** Open the page with a session's cookie. */
export async function openAs(
  browser: Browser,
  url: string,
  cookie: string,
  viewport: Viewport,
): Promise<WatchedPage> {
  const watched = await WatchedPage.open(browser, viewport);
  const [name = '', value = ''] = cookie.split('=', 2);
  await watched.page.context().addCookies([{ name, value, url }]);
  await watched.page.goto(url);
  await headingOf(watched.page, 'Overview').waitFor();
  return watched;
}

/** Sign in by name and password. */
export async function signInAs(page: Page, user: string, password: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Name', exact: true }).fill(user);
  await page.getByRole('textbox', { name: 'Password', exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

/** Open the page without a session. */
export async function openSignedOut(
  browser: Browser,
  url: string,
  viewport: Viewport,
): Promise<WatchedPage> {
  const watched = await WatchedPage.open(browser, viewport);
  await watched.page.goto(url);
  await headingOf(watched.page, 'Sign in').waitFor();
  expect(takeRefusals(watched)).toEqual([401]);
  return watched;
}

/** Press a button and answer its question. */
export async function act(
  within: Locator,
  label: string,
  verb: string,
  reason?: string,
): Promise<void> {
  const page = within.page();
  await within.getByRole('button', { name: label, exact: true }).click();
  const question = page.getByRole('dialog').last();
  if (reason !== undefined) await question.getByRole('textbox').fill(reason);
  await question.getByRole('button', { name: verb, exact: true }).last().click();
}

/** The authenticator that an otpauth address describes. */
export const authenticatorOf = (uri: string): TOTP => {
  const totp = URI.parse(uri);
  if (!(totp instanceof TOTP)) throw new Error('expected an authenticator by time');
  return totp;
};
/** A text that is shown to be copied. */
export const textOf = async (page: Page, name: string): Promise<string> =>
  (await page.getByLabel(name, { exact: true }).textContent()) ?? '';
