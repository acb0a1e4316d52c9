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
  wall: { width: 1920, height: 1080 },
} as const;
/** One of them. */
export type Viewport = keyof typeof viewports;

const violationSchema = z.array(z.object({ directive: z.string(), blocked: z.string() }));

/** Agents train and evaluate beside the page: two busy cores are slow. */
const waitMaxMs = 120_000;

/** One page, with everything that went wrong on it. */
export class WatchedPage {
  readonly page: Page;
  readonly errors: string[] = [];
  readonly #context: BrowserContext;
  #viewport: Viewport;

  private constructor(context: BrowserContext, page: Page, viewport: Viewport) {
    this.#context = context;
    this.page = page;
    this.#viewport = viewport;
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
  }

  static async open(browser: Browser, viewport: Viewport): Promise<WatchedPage> {
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
    context.setDefaultTimeout(waitMaxMs);
    return new WatchedPage(context, await context.newPage(), viewport);
  }

  /** How wide it is now. */
  get viewport(): Viewport {
    return this.#viewport;
  }

  /** Make the window as wide as another one, with the page as it is; drawings follow it frame by frame. */
  async resize(viewport: Viewport): Promise<void> {
    this.#viewport = viewport;
    await this.page.setViewportSize(viewports[viewport]);
    await this.page.evaluate(settleScript);
  }

  /** What the policy of the page has refused. */
  async violations(): Promise<z.infer<typeof violationSchema>> {
    return violationSchema.parse(await this.page.evaluate('policyViolations'));
  }

  /** Rules of accessibility that the page breaks seriously, each with where. */
  async seriousFindings(): Promise<string[]> {
    if ((await this.page.evaluate('typeof axe')) === 'undefined') {
      const script = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
      await this.page.evaluate(await readFile(script, 'utf8'));
    }
    const run = "axe.run(document, { resultTypes: ['violations'] })";
    const found = findingsSchema.parse(await this.page.evaluate(run));
    return found.violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  }

  /** What can be seen in part only, or is hard to read for its length; empty where the page fits the window. */
  async misfits(): Promise<string[]> {
    return z.array(z.string()).parse(await this.page.evaluate(misfitsScript));
  }

  close(): Promise<void> {
    return this.#context.close();
  }
}

/** In the page: wait until it is no wider than the window, for 60 frames at most. */
const settleScript = `(async () => {
  const { documentElement: root } = document;
  for (let frames = 0; frames < 60; frames++) {
    await new Promise(requestAnimationFrame);
    if (frames > 1 && root.scrollWidth <= root.clientWidth) return;
  }
})()`;

/** Characters of a line after which the eye no longer finds the next one. */
const lineCharactersMax = 120;

/**
 * In the page: whether it is wider than the window; texts that are cut off or stick out of their box; texts whose lines are too
 * long. What scrolls by itself is whole, and what is clipped away is for ears alone.
 */
const misfitsScript = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  const wide = scrollWidth > clientWidth ? ['the page is ' + scrollWidth + ' px wide'] : [];
  const told = (what, element) => what + ': ' + element.textContent.trim().slice(0, 80);
  const isForEars = (element) =>
    element !== null && (getComputedStyle(element).clipPath !== 'none' || isForEars(element.parentElement));
  const isShown = (element) => element.checkVisibility() && element.clientWidth > 1;
  const boxes = [...document.querySelectorAll(
    'section, dialog, td, th, a, button, button *, h1, h2, h3, dd, p, li, label',
  )];
  const cut = boxes
    .filter((element) => isShown(element) && element.textContent.trim() !== '')
    .filter((element) => element.scrollWidth > element.clientWidth + 1)
    .filter((element) => !['auto', 'scroll'].includes(getComputedStyle(element).overflowX))
    .filter((element) => !isForEars(element))
    .map((element) => told('cut or sticking out', element));
  const ownText = (element) =>
    [...element.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ data }) => data).join('');
  const texts = [...document.querySelectorAll('main *, footer *, dialog *')]
    .filter((element) => ownText(element).length > ${lineCharactersMax} && isShown(element))
    .filter((element) => element.closest('table, pre, code') === null);
  const long = texts.flatMap((element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const lines = new Set([...range.getClientRects()].map(({ bottom }) => Math.round(bottom / 8)));
    const characters = Math.round(element.textContent.length / Math.max(1, lines.size));
    return characters > ${lineCharactersMax} ? [told(characters + ' a line', element)] : [];
  });
  return [...wide, ...cut, ...long];
})()`;

const findingsSchema = z.object({
  violations: z.array(
    z.object({
      id: z.string(),
      impact: z.string().nullish(),
      nodes: z.array(z.object({ html: z.string() })),
    }),
  ),
});
