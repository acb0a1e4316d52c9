import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { adapterDigest, decodeAdapterFile, tensorView } from '#core/adapter';
import { decodePayload, membershipRecordSchema } from '#core/protocol';
import { evaluationRoutes } from '../../apps/coordinator/src/evaluation/evaluation.contract.ts';
import {
  chestXrayCollection,
  collectionTask,
  drawnCollection,
  enrollSites,
  layOutSites,
  type Collection,
} from '../support/collections.ts';
import { Federation } from '../support/federation.ts';
import { killAllProcesses, MeloProcess } from '../support/melo-process.ts';
import { makeWorkDirectory, sharedDirectory } from '../support/package-root.ts';

const sites = ['site-a', 'site-b', 'site-c'];
const task = 'first';
const rounds = 3;
const timeoutMs = 600_000;

/** Sites of 24 training and 12 held-out X-rays, each with another share of pneumonia. */
const chestXrayShares = sites.map((site, at) => ({
  site,
  training: { NORMAL: [6, 12, 18][at] ?? 0, PNEUMONIA: [18, 12, 6][at] ?? 0 },
  heldOut: { NORMAL: 6, PNEUMONIA: 6 },
}));

const predictionSchema = z.object({ probabilities: z.record(z.string(), z.number()) });

/** What every run must show, whatever the images. */
function itTrainsThreeRounds(makeCollection: (directory: string) => Promise<Collection>): void {
  let federation: Federation;
  let collection: Collection;
  let removeDirectory: () => Promise<void>;
  let adapterBytes: Uint8Array;

  beforeAll(async () => {
    const { path, remove } = await makeWorkDirectory('first-round');
    removeDirectory = remove;
    collection = await makeCollection(path);
    federation = new Federation(join(path, 'federation'));
    await federation.startCoordinator();
    const images = await layOutSites(collection, join(path, 'images'), 'first round');
    await enrollSites({ federation, collection, sites: images, tasks: [task] });
    for (const site of sites) federation.startAgent(site);
    await federation.createTask(collectionTask(collection, { task, members: sites, rounds }));
    await federation.waitForVersion(task, rounds);
    await federation.waitForEvaluations(task, rounds, sites.length);
    adapterBytes = await federation.download(task, rounds);
  }, timeoutMs);

  afterAll(async () => {
    await killAllProcesses();
    await removeDirectory();
  }, timeoutMs);

  test('version 3 is what the registry says it is, and its card tells where it comes from', async () => {
    const version = await federation.version(task, rounds);
    const parent = await federation.version(task, rounds - 1);
    expect(adapterDigest(adapterBytes)).toBe(version.adapterDigest);
    const { card } = decodeAdapterFile(adapterBytes);
    expect(card).toMatchObject({
      format: 'melo-adapter/1',
      task,
      classes: [...collection.classes],
      version: rounds,
      backbone: { fingerprint: collection.backbone.reference.fingerprint },
      lineage: { parentDigest: parent.adapterDigest, round: rounds },
    });
    expect(card.lineage.members.map(({ site }) => site)).toEqual(sites);
  });

  test('B has moved in every block, at q and at v', () => {
    const { layout, values } = decodeAdapterFile(adapterBytes);
    const matrices = layout.tensors.filter(({ name }) => name.endsWith('.lora_B'));
    expect(matrices).toHaveLength(2 * collection.backbone.reference.blocks);
    for (const { name } of matrices)
      expect(Math.hypot(...tensorView(layout, values, name))).toBeGreaterThan(0);
  });

  test('the signed record of every round names all three sites as reported', async () => {
    for (let round = 1; round <= rounds; round++) {
      const { membership, phase, attempt } = await federation.round(task, round);
      const record = decodePayload(
        membershipRecordSchema,
        Buffer.from(membership?.payload ?? '', 'base64'),
        'membership',
      );
      expect({ phase, attempt }).toEqual({ phase: 'published', attempt: 1 });
      expect(record).toMatchObject({ round, outcome: 'published', isComplete: true });
      expect(record.members.map(({ site, status }) => [site, status])).toEqual(
        sites.map((site) => [site, 'reported']),
      );
      for (const { weight, samples } of record.members) expect(weight).toBe(samples);
    }
  });

  test('every version was evaluated by all sites on all held-out images', async () => {
    const heldOut = collection.shares
      .flatMap((share) => Object.values(share.heldOut))
      .reduce((sum, count) => sum + count, 0);
    const { evaluations } = await federation.call(evaluationRoutes.list, { params: { task } });
    const byVersion = new Map(evaluations.map((each) => [each.version, each]));
    for (let version = 0; version <= rounds; version++) {
      const { pooled, sites: reports } = byVersion.get(version) ?? { pooled: null, sites: [] };
      expect(reports).toHaveLength(sites.length);
      expect(pooled).toMatchObject({ count: heldOut, undefinedAucCount: 0 });
      for (const auc of pooled?.auc ?? []) expect(auc).toEqual(expect.any(Number));
    }
    for (let version = 0; version < rounds; version++)
      expect(byVersion.get(version)?.local).toHaveLength(sites.length);
  });

  test(
    'the adapter predicts on an image',
    async () => {
      const file = join(federation.directory, 'version-3.safetensors');
      await writeFile(file, adapterBytes);
      const folder = join(collection.directory, Object.keys(collection.classFolders)[0] ?? '');
      const image = join(folder, (await readdir(folder)).sort()[0] ?? '');
      const predict = new MeloProcess({
        name: 'predict',
        args: ['adapter', 'predict', file, image].concat([
          '--backbone',
          collection.backbone.directory,
          '--json',
        ]),
        logFile: join(federation.directory, 'predict.log'),
      });
      expect(await predict.exit()).toBe(0);
      const predictions = predict.events
        .map((event) => predictionSchema.safeParse(event).data?.probabilities)
        .filter((probabilities) => probabilities !== undefined);
      expect(predictions).toHaveLength(1);
      expect(Object.keys(predictions[0] ?? {}).sort()).toEqual([...collection.classes].sort());
      const total = Object.values(predictions[0] ?? {}).reduce((sum, share) => sum + share, 0);
      expect(total).toBeCloseTo(1, 5);
      expect(predict.output).toContain('Investigational. Not a medical device.');
    },
    timeoutMs,
  );
}

describe('three rounds on drawn images and a small random ViT', () => {
  itTrainsThreeRounds((directory) => drawnCollection(directory, sites));
});

const shared = sharedDirectory();
(shared === undefined ? describe.skip : describe)(
  'three rounds on chest X-rays, shared out by patient, and the real ViT-Tiny',
  () => {
    itTrainsThreeRounds(() => chestXrayCollection(shared ?? '', chestXrayShares));
  },
);
