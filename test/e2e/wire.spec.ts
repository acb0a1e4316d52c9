import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { adapterDelta, decodeAdapterFile, tensorView } from '#core/adapter';
import { concatBytes, utf8 } from '#core/bytes';
import { loadBackbone } from '#core/engine';
import { seededRng } from '#core/rng';
import { siteIdSchema } from '#core/protocol';
import {
  collectionTask,
  drawnCollection,
  enrollSites,
  layOutSites,
  type Collection,
} from '../support/collections.ts';
import { Federation, type AgentTask } from '../support/federation.ts';
import { killAllProcesses } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';
import { ScriptedSite } from '../support/scripted-site.ts';
import { findWindows, type Needle } from '../support/window-search.ts';
import { WireTap } from '../support/wire-tap.ts';

const sites = ['site-a', 'site-b', 'site-c'];
const task = 'wire';
/** A task of one member: B and head of its version 1 are, byte for byte, the update that went up. */
const soloTask = 'solo';
const rounds = 2;
const timeoutMs = 600_000;

const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** Every image of the sites: the file, its pixels as decoded, and its pixels at the backbone's size. */
async function imageNeedles(
  agents: ReadonlyMap<string, AgentTask>,
  imageSize: number,
): Promise<Needle[]> {
  const needles: Needle[] = [];
  for (const [site, { images }] of agents) {
    for (const path of await readdir(images, { recursive: true })) {
      if (!path.endsWith('.png')) continue;
      const name = `${site}/${path}`;
      const file = await readFile(join(images, path));
      const resized = sharp(file).resize(imageSize, imageSize, { fit: 'fill', kernel: 'cubic' });
      needles.push(
        { name: `${name} file`, bytes: file },
        { name: `${name} pixels`, bytes: await sharp(file).raw().toBuffer() },
        { name: `${name} resized`, bytes: await resized.removeAlpha().raw().toBuffer() },
      );
    }
  }
  return needles;
}

/** Every tensor of the backbone as float32. */
async function backboneNeedles(directory: string): Promise<Needle[]> {
  const backbone = await loadBackbone(directory);
  const needles: Needle[] = [];
  for (const name of backbone.tensors.keys())
    needles.push({ name, bytes: bytesOf(await backbone.read(name)) });
  await backbone.close();
  return needles;
}

/** A, B and head of every version, and of the change from each to the next. */
async function adapterNeedles(
  federation: Federation,
  task: string,
  latestVersion: number,
): Promise<Needle[]> {
  const needles: Needle[] = [];
  let previous: Float32Array | undefined;
  for (let version = 0; version <= latestVersion; version++) {
    const { layout, values } = decodeAdapterFile(await federation.download(task, version));
    const changes = previous === undefined ? undefined : adapterDelta(values, previous);
    for (const { name } of layout.tensors) {
      const tensor = tensorView(layout, values, name);
      needles.push({ name: `${task} ${version} ${name}`, bytes: bytesOf(tensor) });
      if (changes === undefined) continue;
      const change = tensorView(layout, changes, name);
      needles.push({ name: `${task} change to ${version} ${name}`, bytes: bytesOf(change) });
    }
    previous = values;
  }
  return needles;
}

describe('what goes over the wire', () => {
  let directory: string;
  let removeDirectory: () => Promise<void>;
  let federation: Federation;
  let collection: Collection;
  let images: Map<string, AgentTask>;
  let tap: WireTap;

  beforeAll(async () => {
    ({ path: directory, remove: removeDirectory } = await makeWorkDirectory('wire'));
    collection = await drawnCollection(directory, sites);
    federation = new Federation(join(directory, 'federation'));
    await federation.startCoordinator();
    tap = await WireTap.open(federation.port);
    images = await layOutSites(collection, join(directory, 'images'), 'wire');
    await enrollSites({
      federation,
      collection,
      sites: images,
      tasks: [task, soloTask],
      url: tap.url,
    });
  }, timeoutMs);

  afterAll(async () => {
    await killAllProcesses();
    await tap.close();
    await removeDirectory();
  }, timeoutMs);

  test(
    'two rounds show no window of 16 bytes of an image, a backbone tensor or an adapter',
    async () => {
      for (const site of sites) federation.startAgent(site);
      await federation.createTask(collectionTask(collection, { task, members: sites, rounds }));
      await federation.createTask(
        collectionTask(collection, { task: soloTask, members: ['site-a'], rounds: 1 }),
      );
      await federation.waitForVersion(task, rounds);
      await federation.waitForVersion(soloTask, 1);
      await federation.waitForEvaluations(task, rounds, sites.length);
      await Promise.all([...federation.agents.values()].map((agent) => agent.stop()));

      expect(tap.decodeErrors).toEqual([]);
      // The tap did hear what the sites said: three uploads a round, and every version fetched.
      expect(tap.packets.filter(({ event }) => event === 'upload:commit')).toHaveLength(
        rounds * sites.length + 1,
      );
      expect(tap.packets.some(({ event }) => event === 'blob:get')).toBe(true);
      const needles = [
        ...(await imageNeedles(images, collection.backbone.reference.imageSize)),
        ...(await backboneNeedles(collection.backbone.directory)),
        ...(await adapterNeedles(federation, task, rounds)),
        ...(await adapterNeedles(federation, soloTask, 1)),
      ];
      const hits = findWindows(tap.haystacks(), needles, 16, 1);
      expect(hits.map(({ needle }) => needle)).toEqual([]);
    },
    timeoutMs,
  );

  test.each([['websocket'], ['polling']] as const)(
    'over %s the same search finds an image, a tensor and an update that a site sends unsealed',
    async (transport) => {
      const site = siteIdSchema.parse(`leaky-${transport}`);
      const planted = await WireTap.open(federation.port);
      const scripted = new ScriptedSite({ site, url: planted.url });
      await scripted.enroll(await federation.invite(site, planted.url));
      await federation.approve(site);
      const overrides = { task: `leak-${transport}` };
      await federation.createTask(
        collectionTask(collection, { task: overrides.task, members: [site], rounds: 1 }),
      );
      await scripted.connect(transport);
      const [assignment] = await scripted.assignments();
      if (assignment === undefined) throw new Error('expected an open round');
      expect(await scripted.accept(assignment, 10)).toMatchObject({ ok: true });

      const [image] = await imageNeedles(images, collection.backbone.reference.imageSize);
      const tensors = await backboneNeedles(collection.backbone.directory);
      const tensor = tensors.find(({ name }) => name === 'blocks.1.mlp.fc1.weight');
      const rng = seededRng(`planted update over ${transport}`);
      const update = {
        name: 'update',
        bytes: bytesOf(Float32Array.from({ length: 2000 }, () => rng.nextNormal() * 1e-3)),
      };
      if (image === undefined || tensor === undefined) throw new Error('expected needles');
      const needles = [image, tensor, update];
      // Identity in place of the seal: a text where the sealed bytes begin, then everything in the clear.
      const unsealed = concatBytes(utf8('x'.repeat(57)), ...needles.map(({ bytes }) => bytes));
      expect(await scripted.upload(assignment, unsealed, 10)).toMatchObject({ ok: false });
      scripted.disconnect();
      await planted.close();

      expect(planted.decodeErrors).toEqual([]);
      const hits = findWindows(
        planted.payloads.map(({ bytes }) => bytes),
        needles,
      );
      expect([...new Set(hits.map(({ needle }) => needle))]).toEqual(
        needles.map(({ name }) => name),
      );
      // The raw traffic alone shows none of it: masked, or base64. A search that does not decode proves nothing.
      const raw = [Buffer.concat(planted.rawBytes.up)];
      expect(findWindows(raw, needles)).toEqual([]);
    },
    timeoutMs,
  );
});
