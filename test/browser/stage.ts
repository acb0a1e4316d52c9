/** A page at one width before a running federation, and what is done on it again and again. */
import { readFile } from 'node:fs/promises';
import type { Download, Locator, Page } from 'playwright-core';
import type { WatchedPage } from '../support/browser.ts';
import type { DemoFederation } from './demo-federation.ts';
import { act } from './people-pages.ts';

/** Many pages are looked at in one test, and two busy cores are slow. */
export const testMs = 240_000;

/** A page at one width before a running federation. */
export interface Stage {
  readonly demo: DemoFederation;
  readonly watched: WatchedPage;
  readonly page: Page;
  readonly width: 390 | 1280;
  readonly goTo: (address: string) => Promise<void>;
}

/** Press something and wait for the file that it saves. */
export async function downloaded(button: Locator): Promise<Download> {
  const download = button.page().waitForEvent('download');
  await button.click();
  return download;
}

/** Press something and return the file that it saves. */
export async function saved(button: Locator): Promise<Buffer> {
  return readFile(await (await downloaded(button)).path());
}

/** Press a button of the page, answer its question, and wait until the question is gone. */
export async function actOn(
  page: Page,
  label: string,
  verb: string,
  reason?: string,
): Promise<void> {
  await act(page.getByRole('main'), label, verb, reason);
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}
