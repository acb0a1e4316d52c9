import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { AgentTask } from '../support/federation.ts';
import {
  collectionTask,
  drawnCollection,
  enrollSites,
  layOutSites,
  type Collection,
} from '../support/collections.ts';
import { Federation } from '../support/federation.ts';
import { killAllProcesses } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';
import { WireTap, type TappedPacket } from '../support/wire-tap.ts';

const sites = ['site-a', 'site-b', 'site-c'];
const task = 'crash';
const timeoutMs = 600_000;

const authSchema = z.object({ site: z.string() });

/** The site that a packet's session belongs to, as its connect packet said. */
function siteOf(tap: WireTap, packet: Pick<TappedPacket, 'session'>): string | undefined {
  const connect = tap.packets.find(
    (each) => each.type === 'connect' && each.direction === 'up' && each.session === packet.session,
  );
  return authSchema.safeParse(connect?.data[0]).data?.site;
}

describe('a round that processes are killed in', () => {
  let directory: string;
  let removeDirectory: () => Promise<void>;
  let collection: Collection;
  let images: Map<string, AgentTask>;
  let undisturbed: Uint8Array;
  const taps: WireTap[] = [];

  /** A federation of its own in which nothing has happened yet, all traffic of its agents through a tap. */
  async function prepare(name: string): Promise<{ federation: Federation; tap: WireTap }> {
    const federation = new Federation(join(directory, name));
    await federation.startCoordinator();
    const tap = await WireTap.open(federation.port);
    taps.push(tap);
    await enrollSites({ federation, collection, sites: images, tasks: [task], url: tap.url });
    return { federation, tap };
  }

  /** Start the agents and the task: rank 64 makes an update of four ranges, 80 steps a training to be killed in. */
  async function start(federation: Federation): Promise<void> {
    for (const site of sites) federation.startAgent(site);
    const definition = collectionTask(collection, { task, members: sites, rounds: 1 });
    const plan = { ...definition.plan, duration: { unit: 'steps' as const, count: 80 } };
    await federation.createTask({ ...definition, plan, rank: 64, alpha: 64 });
  }

  beforeAll(async () => {
    ({ path: directory, remove: removeDirectory } = await makeWorkDirectory('crash'));
    collection = await drawnCollection(directory, sites, { dimension: 192, blocks: 5 });
    images = await layOutSites(collection, join(directory, 'images'), 'crash');
    const { federation } = await prepare('undisturbed');
    await start(federation);
    await federation.waitForVersion(task, 1);
    undisturbed = await federation.download(task, 1);
    await federation.stop();
  }, timeoutMs);

  afterAll(async () => {
    await killAllProcesses();
    await Promise.all(taps.map((tap) => tap.close()));
    await removeDirectory();
  }, timeoutMs);

  /** Ranges sent again although their acknowledgement had gone by before. */
  const repeated = (tap: WireTap): unknown[] => {
    const ranges = tap.uploadRanges();
    return ranges.filter((range) =>
      ranges.some(
        (earlier) =>
          earlier.uploadId === range.uploadId &&
          earlier.index === range.index &&
          earlier.acknowledgedAt !== undefined &&
          earlier.acknowledgedAt < range.sentAt,
      ),
    );
  };

  /** Every site sent one sealed update, and each of its ranges at some time. */
  const expectWholeUploads = (tap: WireTap): void => {
    const sent = new Map<string, { ids: Set<string>; indices: Set<number> }>();
    for (const range of tap.uploadRanges()) {
      const site = siteOf(tap, range) ?? '';
      const entry = sent.get(site) ?? { ids: new Set(), indices: new Set() };
      entry.ids.add(range.uploadId);
      entry.indices.add(range.index);
      sent.set(site, entry);
    }
    const summary = [...sent].map(([site, { ids, indices }]) => [site, ids.size, indices.size]);
    expect(summary.sort()).toEqual(sites.map((site) => [site, 1, 4]));
  };

  /** The round ends at its first attempt with every site, nothing acknowledged sent twice, the bytes of no crash. */
  const expectTheSameVersion = async (federation: Federation, tap: WireTap): Promise<void> => {
    await federation.waitForVersion(task, 1);
    expect(tap.decodeErrors).toEqual([]);
    expect(repeated(tap)).toEqual([]);
    expectWholeUploads(tap);
    const { attempt, members } = await federation.round(task, 1);
    expect(attempt).toBe(1);
    expect(members.map(({ status }) => status)).toEqual(sites.map(() => 'reported'));
    expect(Buffer.compare(await federation.download(task, 1), undisturbed)).toBe(0);
  };

  test(
    'the coordinator killed amid an upload goes on after a restart, to the same bytes',
    async () => {
      const { federation, tap } = await prepare('coordinator-killed');
      const acknowledged = () =>
        tap.uploadRanges().filter((range) => range.acknowledgedAt !== undefined);
      const killed = new Promise<void>((done, failed) => {
        tap.onPacket = () => {
          if (acknowledged().length < 2) return 'forward';
          tap.onPacket = undefined;
          federation.coordinator?.kill().then(done, failed);
          return 'forward';
        };
      });
      await start(federation);
      await killed;
      expect(acknowledged().length).toBeGreaterThanOrEqual(2);
      expect(tap.packets.filter(({ event }) => event === 'upload:commit').length).toBeLessThan(3);
      await federation.startCoordinator();
      await expectTheSameVersion(federation, tap);
      await federation.stop();
    },
    timeoutMs,
  );

  test(
    'an agent killed amid its upload sends only what was not acknowledged, to the same bytes',
    async () => {
      const { federation, tap } = await prepare('agent-killed');
      const victim = 'site-b';
      const killed = new Promise<void>((done, failed) => {
        tap.onPacket = (packet) => {
          if (siteOf(tap, packet) !== victim) return 'forward';
          const sent = tap.uploadRanges().filter((range) => siteOf(tap, range) === victim);
          const acknowledged = sent.filter((range) => range.acknowledgedAt !== undefined);
          if (sent.length >= 3 && acknowledged.length === 2) {
            tap.onPacket = undefined;
            federation.agents.get(victim)?.kill().then(done, failed);
          }
          // The third range and what follows it never arrive.
          return packet.direction === 'up' && sent.length >= 3 ? 'hold' : 'forward';
        };
      });
      await start(federation);
      await killed;
      const before = tap.uploadRanges().filter((range) => siteOf(tap, range) === victim);
      expect(before.map(({ acknowledgedAt }) => acknowledgedAt !== undefined).sort()).toEqual(
        before.map((_range, at) => at >= before.length - 2),
      );
      federation.startAgent(victim);
      await expectTheSameVersion(federation, tap);
      await federation.stop();
    },
    timeoutMs,
  );

  test(
    'an agent killed amid its training goes on after a restart, to the same bytes',
    async () => {
      const { federation, tap } = await prepare('trainer-killed');
      const victim = 'site-c';
      await start(federation);
      const data = join(federation.directory, victim, 'data');
      await federation.waitUntil('a checkpoint', async () => {
        const files = await readdir(data, { recursive: true });
        return files.some((file) => file.endsWith('checkpoint'));
      });
      await federation.agents.get(victim)?.kill();
      expect(tap.uploadRanges().filter((range) => siteOf(tap, range) === victim)).toEqual([]);
      const resumed = await federation.startAgent(victim).waitForEvent('training');
      expect(z.object({ step: z.number() }).parse(resumed).step).toBeGreaterThan(5);
      await expectTheSameVersion(federation, tap);
      await federation.stop();
    },
    timeoutMs,
  );
});
