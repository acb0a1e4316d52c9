/**
 * `npm run bench -- dashboard --json`: what the dashboard costs where a federation is years old. A real coordinator over a filled
 * database: how long the requests of each page take, bytes and milliseconds of the first view, and whether an open page grows.
 */
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../test/support/browser.ts';
import { taskRoutes } from '../apps/coordinator/src/tasks/tasks.contract.ts';
import { userRoutes } from '../apps/coordinator/src/users/users.contract.ts';
import { Federation } from '../test/support/federation.ts';
import { killAllProcesses } from '../test/support/melo-process.ts';
import { makeWorkDirectory } from '../test/support/package-root.ts';
import { fill, openTask } from './dashboard/fill.ts';
import { measureFirstView, type FirstViewFigures } from './dashboard/first-view.ts';
import { measureHeap, type HeapFigures } from './dashboard/live-updates.ts';
import { progressOf } from './dashboard/progress.ts';
import {
  measureView,
  requestsOfPages,
  signedIn,
  type Ask,
  type ViewFigures,
} from './dashboard/views.ts';
import { readCommandLine } from './support/command-line.ts';

/** What is asked of the page: passed, the status is 1. */
const bounds = { viewP95Ms: 100, firstViewKilobytes: 400, heapBytesPerUpdate: 2000 };

const count = (minimum: number, maximum: number, byDefault: number) =>
  z.coerce.number().int().min(minimum).max(maximum).default(byDefault);
const command = {
  name: 'dashboard',
  about: `Fills the database of a coordinator, then measures every page of the dashboard: the requests that it makes (median and 95th
percentile, all at once as the page sends them), the first view in a browser that has seen nothing of it (bytes over the line,
milliseconds until it shows data), and how much an open page grows with each live update. Needs a Chromium: Debian's package, or
the one that MELO_CHROMIUM names.
Exit codes: 0 measured and within ${bounds.viewP95Ms} ms a page, ${bounds.firstViewKilobytes} kB, ${bounds.heapBytesPerUpdate} bytes an update, 1 otherwise, 2 wrong usage.`,
  options: z.strictObject({
    sites: count(3, 500, 50).describe('sites'),
    tasks: count(1, 99, 20).describe('tasks'),
    rounds: count(1, 100_000, 2000).describe('published rounds of all tasks together'),
    repetitions: count(1, 1000, 30).describe(
      "sendings of each page's requests; fewer of a slow page",
    ),
    updates: count(0, 100_000, 3000).describe('live updates; 0 leaves that part out'),
    database: z.enum(['pglite', 'postgresql']).default('pglite').describe('pglite or postgresql'),
    json: z.boolean().default(false).describe('the last line is one JSON object'),
  }),
};
type Options = z.infer<typeof command.options>;

interface Figures {
  readonly fillSeconds: number;
  readonly startSeconds: number;
  readonly views: readonly ViewFigures[];
  readonly firstView: FirstViewFigures;
  readonly heap: HeapFigures | null;
}

const seconds = (sinceMs: number): number => Math.round((performance.now() - sinceMs) / 100) / 10;

const signInLink = async (federation: Federation): Promise<string> =>
  (await federation.call(userRoutes.createLink)).url;

/** Start once, so that there are keys and a schema; fill; start again, as it is found after years. */
async function startFilled(
  federation: Federation,
  databaseUrl: string | undefined,
  sizes: Options,
) {
  await federation.startCoordinator();
  await federation.coordinator?.stop();
  const fillMs = performance.now();
  const onTask = progressOf('tasks filled', sizes.tasks);
  await fill(federation.dataDirectory, databaseUrl, sizes, onTask);
  const fillSeconds = seconds(fillMs);
  const startMs = performance.now();
  await federation.startCoordinator();
  return { fillSeconds, startSeconds: seconds(startMs) };
}

async function measureViews(
  federation: Federation,
  requests: ReadonlyMap<string, readonly string[]>,
  repetitions: number,
): Promise<ViewFigures[]> {
  const ask: Ask = async (path) => {
    const beginMs = performance.now();
    const response = await federation.raw('GET', path);
    const bytes = (await response.arrayBuffer()).byteLength;
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return { ms: performance.now() - beginMs, bytes };
  };
  const processId = federation.coordinator?.pid ?? -1;
  const onPage = progressOf('pages measured', requests.size);
  const views: ViewFigures[] = [];
  for (const [view, paths] of requests) {
    views.push(await measureView(view, paths, ask, { repetitions, processId }));
    onPage(views.length);
  }
  return views;
}

async function measure(directory: string, browser: Browser, options: Options): Promise<Figures> {
  const databaseUrl = options.database === 'postgresql' ? process.env['DATABASE_URL'] : undefined;
  const federation = new Federation(directory, databaseUrl === undefined ? {} : { databaseUrl });
  try {
    const started = await startFilled(federation, databaseUrl, options);
    const person = await signedIn(browser, await signInLink(federation));
    const firstView = await measureFirstView(browser, person, federation.url);
    const requests = await requestsOfPages(person, federation.url);
    await person.close();
    const views = await measureViews(federation, requests, options.repetitions);
    const { currentRound } = await federation.call(taskRoutes.get, { params: { task: openTask } });
    const onUpdate = progressOf('live updates', options.updates);
    const live = { updates: options.updates, round: currentRound?.round ?? 1, onUpdate };
    const heap =
      options.updates === 0
        ? null
        : await measureHeap(browser, federation, await signInLink(federation), live);
    return { ...started, views, firstView, heap };
  } finally {
    await federation.stop();
  }
}

function isWithin({ views, firstView, heap }: Figures): boolean {
  return (
    views.every(({ p95Ms }) => p95Ms <= bounds.viewP95Ms) &&
    firstView.kilobytes <= bounds.firstViewKilobytes &&
    (heap === null || heap.bytesPerUpdate <= bounds.heapBytesPerUpdate)
  );
}

function describe({ views, firstView, heap }: Figures): string {
  const width = Math.max(...views.map(({ view }) => view.length));
  const lines = views.map(
    ({ view, medianMs, p95Ms, processorMs, kilobytes, requests }) =>
      `${view.padEnd(width)}  median ${medianMs} ms, 95 % ${p95Ms} ms, processor ${processorMs ?? '?'} ms, ${kilobytes} kB: ` +
      requests.map((each) => `${each.route} ${each.p95Ms} ms`).join(', '),
  );
  const growth =
    heap === null
      ? ''
      : `an open page grows by ${heap.bytesPerUpdate} bytes a live update (${heap.updates} of them)`;
  const first = `first view: ${firstView.kilobytes} kB over the line, data after ${firstView.interactiveMs} ms`;
  return [...lines, first, growth].filter((line) => line !== '').join('\n');
}

async function main(): Promise<number> {
  const options = readCommandLine(command);
  const work = await makeWorkDirectory('bench-dashboard');
  const browser = await launchChromium();
  try {
    const figures = await measure(join(work.path, 'federation'), browser, options);
    const { json, ...sizes } = options;
    const machine = { node: process.version, cores: availableParallelism() };
    const loadAverage = Math.round((loadavg()[0] ?? Number.NaN) * 100) / 100;
    const isGood = isWithin(figures);
    const all = { bench: 'dashboard', isWithin: isGood, ...sizes, ...figures };
    const out = json ? JSON.stringify({ ...all, ...machine, loadAverage }) : describe(figures);
    process.stdout.write(`${out}\n`);
    return isGood ? 0 : 1;
  } finally {
    await browser.close();
    await killAllProcesses();
    await work.remove();
  }
}

process.exitCode = await main();
