/** Every page of the dashboard: what it asks for when it is opened, and how long the coordinator takes to answer. */
import type { Browser, BrowserContext } from 'playwright-core';
import { allRoutes } from '../../apps/coordinator/src/common/contracts.ts';
import { cpuSecondsOfAll } from '../round/cpu-time.ts';
import { median, quantile } from '../round/median.ts';
import { openTask, siteName } from './fill.ts';

/** Pages by name, each with the part of its address behind the #. */
export const pages: Readonly<Record<string, string>> = {
  overview: '#/',
  tasks: '#/tasks',
  'task: now': `#/tasks/${openTask}`,
  'task: figures': `#/tasks/${openTask}/figures`,
  'task: versions': `#/tasks/${openTask}/versions`,
  'task: rounds': `#/tasks/${openTask}/rounds`,
  'task: plan': `#/tasks/${openTask}/plan`,
  round: `#/tasks/${openTask}/rounds/1`,
  'new task': '#/new-task',
  sites: '#/sites',
  site: `#/sites/${siteName(1)}`,
  audit: '#/audit',
  coordinator: '#/coordinator',
  settings: '#/settings',
  users: '#/users',
  account: '#/account',
};

/** A page that is measured often takes so many milliseconds at most; of a slow one fewer repetitions must do. */
const viewBudgetMs = 30_000;
const repetitionsMin = 5;
/** A busy machine may take long until a page shows what is waited for. */
export const pageTimeoutMs = 180_000;

/** The signed-in page, opened anew at an address, and the paths of REST that it asks for. */
export async function requestsOf(context: BrowserContext, url: string): Promise<string[]> {
  const page = await context.newPage();
  const paths = new Set<string>();
  page.on('request', (request) => {
    const { pathname, search } = new URL(request.url());
    if (pathname.startsWith('/v1/')) paths.add(`${pathname}${search}`);
  });
  await page.goto(url);
  await page.waitForLoadState('networkidle');
  await page.close();
  return [...paths].sort();
}

/** The requests of every page, by its name. */
export async function requestsOfPages(
  context: BrowserContext,
  url: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const [name, address] of Object.entries(pages))
    found.set(name, await requestsOf(context, `${url}/${address}`));
  return found;
}

const routes = allRoutes
  .filter(({ method }) => method === 'GET')
  .map(({ path }) => ({
    path,
    pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:[a-z]+/g, '[^/]+')}$`),
  }));

/** The route of a path, as the documentation names it. */
function routeOf(path: string): string {
  const [name = path, query] = path.split('?', 2);
  // A path that is written out goes before one with a parameter in the same place.
  const fits = routes.filter(({ pattern }) => pattern.test(name));
  const route = fits.find((each) => !each.path.includes(':')) ?? fits[0];
  return `GET ${route?.path ?? name}${query === undefined ? '' : '?…'}`;
}

/** How long answers take, in milliseconds, and how large they are. */
export interface ViewFigures {
  readonly view: string;
  /** From the first request of the page to the end of the last answer, all sent at once. */
  readonly medianMs: number;
  readonly p95Ms: number;
  /** Processor time of the coordinator for all of them; null where the system does not tell. A busy machine changes it less. */
  readonly processorMs: number | null;
  readonly repetitions: number;
  /** Bytes of the answers before compression. */
  readonly kilobytes: number;
  /** Each alone. */
  readonly requests: readonly { readonly route: string; readonly p95Ms: number }[];
}

const round1 = (value: number): number => Math.round(value * 10) / 10;

/** Ask, and return milliseconds and bytes of the answer. */
export type Ask = (path: string) => Promise<{ readonly ms: number; readonly bytes: number }>;

/** Measure one page; `processId` is the coordinator's. */
export async function measureView(
  view: string,
  paths: readonly string[],
  ask: Ask,
  options: { readonly repetitions: number; readonly processId: number },
): Promise<ViewFigures> {
  const { repetitions, processId } = options;
  const processor = (): Promise<number | null> => cpuSecondsOfAll([processId]);
  const startMs = performance.now();
  let processorSeconds: number | null = 0;
  const times: number[] = [];
  const alone = new Map<string, number[]>(paths.map((path) => [path, []]));
  let bytes = 0;
  for (let done = 0; done < repetitions; done++) {
    if (done >= repetitionsMin && performance.now() - startMs > viewBudgetMs) break;
    const before = await processor();
    const beginMs = performance.now();
    const answers = await Promise.all(paths.map(ask));
    times.push(performance.now() - beginMs);
    const after = await processor();
    processorSeconds =
      processorSeconds === null || before === null || after === null
        ? null
        : processorSeconds + after - before;
    bytes = answers.reduce((sum, answer) => sum + answer.bytes, 0);
    for (const path of paths) alone.get(path)?.push((await ask(path)).ms);
  }
  const requests = [...alone].map(([path, taken]) => ({
    route: routeOf(path),
    p95Ms: round1(quantile(taken, 0.95)),
  }));
  return {
    ...{ view, medianMs: round1(median(times)), p95Ms: round1(quantile(times, 0.95)) },
    processorMs:
      processorSeconds === null ? null : round1((1000 * processorSeconds) / times.length),
    ...{ repetitions: times.length, kilobytes: round1(bytes / 1000), requests },
  };
}

/** A signed-in browser of its own for whatever comes next. */
export async function signedIn(
  browser: Browser,
  link: string,
  script?: string,
): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  context.setDefaultTimeout(pageTimeoutMs);
  if (script !== undefined) await context.addInitScript({ content: script });
  const page = await context.newPage();
  await page.goto(link);
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  await page.close();
  return context;
}
