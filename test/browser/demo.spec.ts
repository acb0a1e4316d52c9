/** The dashboard of `npm run demo` while it trains, and at its end. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { z } from 'zod';
import { adapterDigest } from '#core/adapter';
import { registryRoutes } from '../../apps/coordinator/src/registry/registry.contract.ts';
import { userRoutes } from '../../apps/coordinator/src/users/users.contract.ts';
import { DemoProcess } from '../support/demo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';
import { launchChromium, viewports, WatchedPage } from '../support/browser.ts';
import { expectSound } from './page-checks.ts';

/** Where pictures go, if anywhere; for them the demo has a size worth a picture. */
const pictureFolder = process.env['MELO_PICTURES'];
const sizes =
  pictureFolder === undefined
    ? { sites: 2, imagesPerSite: 24, rounds: 30 } // enough rounds that a slow browser still sees some
    : { sites: 3, imagesPerSite: 160, rounds: 16 };
/** The version that the pictures show: late, with the next round open. */
const pictureVersion = sizes.rounds - 3;
const setupMs = 600_000;
const outcomeSchema = z.object({ adapter: z.string(), federated: z.number() });

let demo: DemoProcess;
let browser: Browser;
let url: URL;
const endings: (() => Promise<void>)[] = [];

/** Ask the demo's coordinator as its administrator, whose token lies in its work folder. */
async function ask<Response extends z.ZodType>(
  { method, response }: { readonly method: string; readonly response: Response },
  path: string,
): Promise<z.output<Response>> {
  const [work = ''] = await readdir(demo.temporary);
  const file = join(demo.temporary, work, 'federation', 'coordinator', 'administrator.token');
  const token = (await readFile(file, 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const body = method === 'POST' ? { body: '{}' } : {};
  const answer = await fetch(new URL(path, url), { method, headers, ...body });
  return response.parse(await answer.json());
}

beforeAll(async () => {
  const { path, remove } = await makeWorkDirectory('browser-demo');
  endings.unshift(remove);
  demo = new DemoProcess(join(path, 'temporary'), [
    ...['--sites', String(sizes.sites), '--images-per-site', String(sizes.imagesPerSite)],
    ...['--rounds', String(sizes.rounds), '--out', join(path, 'out')],
    ...['--no-open', '--json', '--stay'],
  ]);
  endings.unshift(async () => {
    demo.signal('SIGTERM');
    await demo.exit();
  });
  browser = await launchChromium();
  endings.unshift(() => browser.close());
}, setupMs);

afterAll(async () => {
  for (const end of endings) await end();
}, setupMs);

describe('npm run demo', () => {
  const pages = new Map<keyof typeof viewports, WatchedPage>();
  const at = (name: keyof typeof viewports): WatchedPage => {
    const found = pages.get(name);
    if (found === undefined) throw new Error(`no page on a ${name}`);
    return found;
  };

  beforeAll(async () => {
    for (const name of ['desk', 'phone'] as const)
      pages.set(name, await WatchedPage.open(browser, name));
  });
  afterAll(() => Promise.all([...pages.values()].map((each) => each.close())));

  test(
    'the link that it prints signs in while it still trains',
    async () => {
      const link = await demo.until(
        ({ stderr }) => /dashboard: (\S+#signin=\S+)/.exec(stderr)?.[1] ?? null,
      );
      url = new URL('/', link);
      const { page } = at('desk');
      await page.goto(link);
      await page.getByRole('heading', { name: 'Overview', exact: true }).waitFor();
      expect(page.url()).toBe(url.href);
      await at('phone').page.goto((await ask(userRoutes.createLink, '/v1/sign-in-links')).url);
      await at('phone').page.getByRole('heading', { name: 'Overview', exact: true }).waitFor();
      expect(demo.stdout).toBe('');
    },
    setupMs,
  );

  test(
    'the rounds move while one looks, and the chart grows',
    async () => {
      await demo.untilSaid('the rounds begin');
      for (const { page } of pages.values()) {
        const ofRounds = new RegExp(`^Current round: (?:[2-9]|[1-9]\\d+) of ${sizes.rounds}$`);
        await page.getByRole('heading', { name: ofRounds }).waitFor({ timeout: setupMs });
        await page.evaluate('globalThis.isSamePage = true');
      }
      await demo.untilSaid(`MeLo, federated: round ${pictureVersion} of`);
      for (const [viewport, { page }] of pages) {
        const name = new RegExp(
          `^Macro AUC over all sites by version: .*v${pictureVersion - 2} [01]\\.`,
        );
        const chart = page.getByRole('figure', { name });
        await chart.locator('path.recharts-line-curve').nth(sizes.sites).waitFor();
        expect(await page.evaluate('isSamePage')).toBe(true);
        await takePicture(viewport);
      }
    },
    setupMs,
  );

  async function takePicture(name: keyof typeof viewports): Promise<void> {
    if (pictureFolder === undefined) return;
    await mkdir(pictureFolder, { recursive: true });
    // The head of the page sticks to the top of the window, which must be that of the page.
    const { page } = at(name);
    await page.evaluate('scrollTo(0, 0)');
    const path = join(pictureFolder, `dashboard-${viewports[name].width}.png`);
    const lists = await page.getByRole('heading', { name: 'Sites', exact: true }).boundingBox();
    // Down to the list of sites: what lies above it is the story.
    const height = Math.round((lists?.y ?? viewports[name].height) - 40);
    const clip = { x: 0, y: 0, width: viewports[name].width, height };
    await page.screenshot({ path, fullPage: true, clip });
  }

  test(
    'at its end the adapter that is downloaded is that of the registry, and the one it left',
    async () => {
      const { adapter } = outcomeSchema.parse(await demo.untilOutcome());
      const path = registryRoutes.get.path
        .replace(':task', 'federated')
        .replace(':version', String(sizes.rounds));
      const { adapterDigest: wanted } = await ask(registryRoutes.get, path);
      expect(adapterDigest(await readFile(adapter))).toBe(wanted);
      for (const { page } of pages.values()) {
        await page.goto(new URL('/#/tasks/federated/versions', url).href);
        const download = page.waitForEvent('download');
        const name = `Download version ${sizes.rounds} of federated`;
        await page.getByRole('link', { name }).click();
        const file = await (await download).path();
        expect(adapterDigest(await readFile(file))).toBe(wanted);
      }
    },
    setupMs,
  );

  test.each(['desk', 'phone'] as const)(
    'on a %s nothing is wrong with the page, and it shows the newest ten versions where they are asked for',
    async (name) => {
      const watched = at(name);
      await expectSound(watched);
      const { page } = watched;
      await page.goto(new URL('/#/tasks/federated/figures', url).href);
      await page.getByRole('combobox', { name: 'Versions' }).selectOption('the newest 10');
      const oldest = sizes.rounds - 9;
      const ofTen = new RegExp(`^Macro AUC over all sites by version: v${oldest} [01]\\.`);
      await page.getByRole('figure', { name: ofTen }).waitFor();
      await expectSound(watched);
    },
    120_000,
  );

  test.each(['desk', 'phone'] as const)(
    'on a %s its report is a page that stands alone',
    async (name) => {
      const report = outcomeSchema.extend({ report: z.string() }).parse(await demo.untilOutcome());
      const watched = await WatchedPage.open(browser, name);
      await watched.page.goto(`file://${report.report}`);
      await watched.page.getByRole('img', { name: /^macro AUC and accuracy/ }).waitFor();
      expect(await watched.misfits()).toEqual([]);
      expect(await watched.seriousFindings()).toEqual([]);
      await watched.page.emulateMedia({ colorScheme: 'dark' });
      expect(await watched.seriousFindings()).toEqual([]);
      expect(watched.errors).toEqual([]);
      await watched.close();
    },
    120_000,
  );
});
