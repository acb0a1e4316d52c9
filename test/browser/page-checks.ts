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

/** The same, and it fits the window and breaks no serious rule of accessibility in light and dark. */
export async function expectSound(watched: WatchedPage): Promise<void> {
  expect(await watched.isTooWide()).toBe(false);
  for (const colorScheme of ['light', 'dark'] as const) {
    await watched.page.emulateMedia({ colorScheme });
    await watched.page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
    expect(await watched.seriousFindings()).toEqual([]);
  }
  await expectClean(watched);
}
