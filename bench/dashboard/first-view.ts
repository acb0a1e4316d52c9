/** The first view: bytes over the line and milliseconds until the overview shows data, in a browser that has seen nothing of it yet. */
import type { Browser, BrowserContext } from 'playwright-core';
import { z } from 'zod';
import { median } from '../round/median.ts';
import { pageTimeoutMs } from './views.ts';

const tries = 5;

/** Notes when the heading stands there and the first table has rows: then the page answers to a person. */
const watchScript = `new MutationObserver((_, observer) => {
  if (document.querySelector('main h1') === null) return;
  if (document.querySelector('main table tbody tr') === null) return;
  globalThis.shownAtMs = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });`;

const finishedSchema = z.object({ requestId: z.string(), encodedDataLength: z.number() });

/** What the first view costs. */
export interface FirstViewFigures {
  /** Bytes as they crossed the line, headers included: all, and by what they were. */
  readonly kilobytes: number;
  readonly byKind: Readonly<Record<string, number>>;
  /** From the start of the navigation until the overview shows data; the median of some tries. */
  readonly interactiveMs: number;
}

interface Load {
  readonly bytesByKind: ReadonlyMap<string, number>;
  readonly shownAtMs: number;
}

/** Open the overview in a browser that has the session's cookie and nothing else. */
async function loadOnce(browser: Browser, signedIn: BrowserContext, url: string): Promise<Load> {
  const storageState = await signedIn.storageState();
  const context = await browser.newContext({
    storageState,
    viewport: { width: 1280, height: 900 },
  });
  context.setDefaultTimeout(pageTimeoutMs);
  try {
    await context.addInitScript({ content: watchScript });
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send('Network.enable');
    const kinds = new Map<string, string>();
    const bytesByKind = new Map<string, number>();
    session.on('Network.responseReceived', ({ requestId, type }) => kinds.set(requestId, type));
    session.on('Network.loadingFinished', (event) => {
      const { requestId, encodedDataLength } = finishedSchema.parse(event);
      const kind = kinds.get(requestId) ?? 'Other';
      bytesByKind.set(kind, (bytesByKind.get(kind) ?? 0) + encodedDataLength);
    });
    await page.goto(`${url}/#/`);
    await page.locator('main table tbody tr').first().waitFor();
    await page.waitForLoadState('networkidle');
    const shownAtMs = z.number().parse(await page.evaluate('globalThis.shownAtMs'));
    return { bytesByKind, shownAtMs };
  } finally {
    await context.close();
  }
}

/** Measure the first view. */
export async function measureFirstView(
  browser: Browser,
  signedIn: BrowserContext,
  url: string,
): Promise<FirstViewFigures> {
  const loads: Load[] = [];
  for (let at = 0; at < tries; at++) loads.push(await loadOnce(browser, signedIn, url));
  const last = loads.at(-1)?.bytesByKind ?? new Map<string, number>();
  const kilo = (bytes: number): number => Math.round(bytes / 100) / 10;
  return {
    kilobytes: kilo([...last.values()].reduce((sum, bytes) => sum + bytes, 0)),
    byKind: Object.fromEntries([...last].map(([kind, bytes]) => [kind, kilo(bytes)])),
    interactiveMs: Math.round(median(loads.map(({ shownAtMs }) => shownAtMs))),
  };
}
