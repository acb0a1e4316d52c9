/** Whether an open page grows: a site's heartbeats change the running round, the page is told each time and reads again. */
import type { Browser } from 'playwright-core';
import { z } from 'zod';
import { siteCommands } from '#core/protocol';
import type { Federation } from '../../test/support/federation.ts';
import { ScriptedSite } from '../../test/support/scripted-site.ts';
import { slope } from '../leak/slope.ts';
import { openTask, siteName } from './fill.ts';
import { Relay } from './relay.ts';
import { signedIn } from './views.ts';

const samples = 12;
const warmUpShare = 0.2;
const readTimeoutMs = 60_000;

/** The page waits so long between two readings (`pauseMs` of its resource.ts); here it does not, so that it reads every update. */
const pauseMs = 700;
const noPauseScript = `{
  const set = globalThis.setTimeout;
  globalThis.setTimeout = (work, ms, ...rest) => set(work, ms === ${pauseMs} ? 1 : ms, ...rest);
}`;

const heapSchema = z.object({ usedSize: z.number() });

/** What the page's heap did. */
export interface HeapFigures {
  readonly updates: number;
  /** Median of the slopes after the warm-up. */
  readonly bytesPerUpdate: number;
  /** Megabytes after a collection, at the first and the last update that count. */
  readonly firstMegabytes: number;
  readonly lastMegabytes: number;
}

/** Enrol the site that trains, and connect it. */
async function connectSite(federation: Federation): Promise<ScriptedSite> {
  const site = new ScriptedSite({ site: siteName(0), url: federation.url });
  await site.enroll(await federation.invite(site.site));
  await federation.approve(site.site);
  await site.connect('websocket');
  return site;
}

/** Measure it; `link` is of the coordinator itself. */
export async function measureHeap(
  browser: Browser,
  federation: Federation,
  link: string,
  options: {
    readonly updates: number;
    readonly round: number;
    readonly onUpdate: (done: number) => void;
  },
): Promise<HeapFigures> {
  const { updates, round, onUpdate } = options;
  const site = await connectSite(federation);
  const relay = new Relay(federation.url);
  await relay.start();
  const context = await signedIn(browser, link.replace(federation.url, relay.url), noPauseScript);
  try {
    const page = await context.newPage();
    await page.goto(`${relay.url}/#/tasks/${openTask}`);
    await page.getByRole('table', { name: 'Members of the round' }).waitFor();
    await page.waitForLoadState('networkidle');
    const session = await context.newCDPSession(page);
    const points: [number, number][] = [];
    const every = Math.max(1, Math.floor(updates / samples));
    for (let done = 1; done <= updates; done++) {
      await site.ask('heartbeat', siteCommands.heartbeat.response, {
        ...{ phase: 'training', task: openTask, round, progress: done / updates, load: 1 },
      });
      await relay.tell(['sites', 'rounds'], readTimeoutMs);
      onUpdate(done);
      if (done % every !== 0) continue;
      await session.send('HeapProfiler.collectGarbage');
      points.push([done, heapSchema.parse(await session.send('Runtime.getHeapUsage')).usedSize]);
    }
    const settled = points.filter(([done]) => done > warmUpShare * updates);
    const mega = (point: readonly [number, number] | undefined): number =>
      Math.round((point?.[1] ?? Number.NaN) / 1e4) / 100;
    return {
      ...{ updates, bytesPerUpdate: Math.round(slope(settled)) },
      ...{ firstMegabytes: mega(settled[0]), lastMegabytes: mega(settled.at(-1)) },
    };
  } finally {
    await context.close();
    await relay.stop();
    site.disconnect();
  }
}
