/** What is asked of every page: that it fits, can be read in light and dark, and that nothing went wrong on it. */
import type { Locator, Page } from 'playwright-core';
import type { WatchedPage } from '../support/browser.ts';

/** The heading of a page. */
export const headingOf = (page: Page, name: string): Locator =>
  page.getByRole('heading', { level: 1, name, exact: true });

/** Nothing went wrong on the page, and its policy refused nothing. */
export async function expectClean(watched: WatchedPage): Promise<void> {
  expect(await watched.violations()).toEqual([]);
  expect(watched.errors).toEqual([]);
}

async function expectReadable(
  watched: WatchedPage,
  colorSchemes: readonly ('light' | 'dark')[],
): Promise<void> {
  for (const colorScheme of colorSchemes) {
    await watched.page.emulateMedia({ colorScheme });
    await watched.page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
    expect(await watched.seriousFindings()).toEqual([]);
  }
  expect(await watched.misfits()).toEqual([]);
}

/**
 * The same, and it fits the window and breaks no serious rule of accessibility in light and dark; on a desk's screen also with the
 * window as wide as the widest.
 */
export async function expectSound(watched: WatchedPage): Promise<void> {
  await expectReadable(watched, ['light', 'dark']);
  if (watched.viewport === 'desk') {
    await watched.resize('wall');
    await expectReadable(watched, ['dark', 'light']);
    await watched.resize('desk');
  }
  await expectClean(watched);
}

/** Go on with Tab until something has the focus. */
export async function tabTo(target: Locator): Promise<void> {
  await target.waitFor();
  const focused = target.and(target.page().locator(':focus'));
  for (let tabs = 0; tabs < tabsMax; tabs++) {
    await target.page().keyboard.press('Tab');
    if ((await focused.count()) === 1) return;
  }
  throw new Error(`the keyboard does not reach ${target.toString()}`);
}

const tabsMax = 100;
