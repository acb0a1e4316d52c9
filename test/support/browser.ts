/** A Chromium of this machine without a window, and what it says of a page. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { z } from 'zod';

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The Chromium of this machine: MELO_CHROMIUM, else where packages put it; undefined where there is none. */
export function findChromium(): string | undefined {
  const named = process.env['MELO_CHROMIUM'];
  return named ?? places.find((place) => existsSync(place));
}

/** Start it, quiet on the network. */
export async function launchChromium(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    throw new Error('browser: expected a Chromium; install it, or name it in MELO_CHROMIUM');
  }
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** Widths that the page is made for. */
export const viewports = {
  phone: { width: 390, height: 844 },
  desk: { width: 1280, height: 900 },
} as const;

const violationSchema = z.array(z.object({ directive: z.string(), blocked: z.string() }));

/** One page, with everything that went wrong on it. */
export class WatchedPage {
  readonly page: Page;
  readonly errors: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
  }

  static async open(browser: Browser, viewport: keyof typeof viewports): Promise<WatchedPage> {
    const context = await browser.newContext({
      viewport: viewports[viewport],
      reducedMotion: 'reduce',
      colorScheme: 'light',
      locale: 'en-GB',
    });
    await context.addInitScript({
      content: `globalThis.policyViolations = [];
        document.addEventListener('securitypolicyviolation', (event) => {
          policyViolations.push({ directive: event.effectiveDirective, blocked: event.blockedURI });
        });`,
    });
    return new WatchedPage(context, await context.newPage());
  }

  /** What the policy of the page has refused. */
  async violations(): Promise<z.infer<typeof violationSchema>> {
    return violationSchema.parse(await this.page.evaluate('policyViolations'));
  }

  /** Rules of accessibility that the page breaks seriously, each with where. */
  async seriousFindings(): Promise<string[]> {
    const script = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
    await this.page.evaluate(await readFile(script, 'utf8'));
    const found = findingsSchema.parse(await this.page.evaluate('axe.run(document)'));
    return found.violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  }

  /** Whether the page is wider than the window. */
  async isTooWide(): Promise<boolean> {
    const width = 'document.documentElement.scrollWidth > document.documentElement.clientWidth';
    return z.boolean().parse(await this.page.evaluate(width));
  }

  close(): Promise<void> {
    return this.#context.close();
  }
}

const findingsSchema = z.object({
  violations: z.array(
    z.object({
      id: z.string(),
      impact: z.string().nullish(),
      nodes: z.array(z.object({ html: z.string() })),
    }),
  ),
});
