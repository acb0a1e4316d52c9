import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import sharp from 'sharp';
import { drawPhantomSite, drawPhantomSites, type PhantomImage } from './phantom-sites.ts';
import { phantomClasses, phantomSide } from '../../apps/site-agent/src/simulation/phantoms.ts';

const options = { sites: 3, imagesPerSite: 12, heldOutPerSite: 6, seed: 1, skew: 0.7 };

const countsOf = (images: readonly PhantomImage[]): number[] =>
  phantomClasses.map((kind) => images.filter((image) => image.class === kind).length);

describe('the images of a hospital', () => {
  test('are as many as asked for, of every class, and no patient stands in both splits', () => {
    fc.assert(
      fc.property(
        fc.record({
          sites: fc.integer({ min: 1, max: 5 }),
          imagesPerSite: fc.integer({ min: 3, max: 12 }),
          heldOutPerSite: fc.integer({ min: 3, max: 6 }),
          seed: fc.nat(),
          skew: fc.double({ min: 0, max: 1, noNaN: true }),
        }),
        (drawn) => {
          const images = [...drawPhantomSite(drawn.sites - 1, drawn)];
          const train = images.filter(({ split }) => split === 'train');
          const heldOut = images.filter(({ split }) => split === 'held-out');
          expect(train).toHaveLength(drawn.imagesPerSite);
          expect(heldOut).toHaveLength(drawn.heldOutPerSite);
          expect(Math.min(...countsOf(train), ...countsOf(heldOut))).toBeGreaterThanOrEqual(1);
          const trained = new Set(train.map(({ group }) => group));
          expect(heldOut.filter(({ group }) => trained.has(group))).toEqual([]);
          expect(new Set(images.map(({ path }) => path)).size).toBe(images.length);
        },
      ),
      { numRuns: 6 },
    );
  });

  test('patients have one to three images of one class', () => {
    const images = [...drawPhantomSite(0, { ...options, imagesPerSite: 60 })];
    const patients = [...new Set(images.map(({ group }) => group))].map((group) =>
      images.filter((image) => image.group === group),
    );
    const sizes = new Set(patients.map((list) => list.length));
    expect([...sizes].sort()).toEqual([1, 2, 3]);
    for (const list of patients) {
      expect(new Set(list.map((image) => image.class)).size).toBe(1);
      expect(new Set(list.map(({ pixels }) => pixels.join())).size).toBe(list.length);
    }
  });

  test('skew 0 gives every hospital the same even mix, skew 1 a prevailing class of its own', () => {
    const mixOf = (site: number, skew: number, wanted = 'train'): number[] =>
      countsOf(
        [...drawPhantomSite(site, { ...options, skew, imagesPerSite: 30 })].filter(
          ({ split }) => split === wanted,
        ),
      );
    for (const site of [0, 1, 2]) {
      expect(mixOf(site, 0)).toEqual([10, 10, 10]);
      expect(mixOf(site, 1).indexOf(Math.max(...mixOf(site, 1)))).toBe(site);
      expect(Math.max(...mixOf(site, 1))).toBeGreaterThan(18);
      expect(mixOf(site, 1, 'held-out')).toEqual([2, 2, 2]);
    }
  });

  test('depend on the seed and the hospital alone', () => {
    const pixelsOf = (site: number, change: object): string[] =>
      [...drawPhantomSite(site, { ...options, ...change })].map(({ pixels }) => pixels.join());
    expect(pixelsOf(1, {})).toEqual(pixelsOf(1, { sites: 2 }));
    const seen = new Set([...pixelsOf(1, {}), ...pixelsOf(0, {}), ...pixelsOf(1, { seed: 2 })]);
    expect(seen.size).toBe(54);
  });

  test.each([
    ['sites', { sites: 0 }],
    ['sites', { sites: 65 }],
    ['imagesPerSite', { imagesPerSite: 2 }],
    ['heldOutPerSite', { heldOutPerSite: 2 }],
    ['seed', { seed: -1 }],
    ['skew', { skew: 1.01 }],
    ['skew', { skew: Number.NaN }],
  ])('%s out of range is refused: %j', (name, change) => {
    expect(() => drawPhantomSite(0, { ...options, ...change }).next()).toThrow(name);
  });
});

describe('writing hospitals', () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'melo-phantoms-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test('the files are the manifest, and their pixels those that were drawn', async () => {
    const progress: number[] = [];
    const sites = await drawPhantomSites({
      ...options,
      directory,
      onImage: (done) => progress.push(done),
    });
    expect(sites.map(({ name }) => name)).toEqual(['hospital-1', 'hospital-2', 'hospital-3']);
    expect(progress.at(-1)).toBe(54);
    for (const [index, site] of sites.entries()) {
      const rows: { path: string; group: string; split: string }[] = parse(
        await readFile(site.manifest),
        { columns: true },
      );
      const drawn = [...drawPhantomSite(index, options)];
      expect(rows).toEqual(drawn.map(({ path, group, split }) => ({ path, group, split })));
      const files = await readdir(site.images, { recursive: true, withFileTypes: true });
      expect(files.filter((file) => file.isFile())).toHaveLength(drawn.length);
      for (const { path, pixels } of drawn.slice(0, 5)) {
        const file = sharp(join(site.images, path));
        const grey = { width: phantomSide, height: phantomSide, channels: 1, depth: 'uchar' };
        expect(await file.metadata()).toMatchObject(grey);
        const data = await file.toColourspace('b-w').raw().toBuffer();
        expect(data.equals(pixels)).toBe(true);
      }
      expect(site.counts.train).toEqual(countsOf(drawn.filter(({ split }) => split === 'train')));
    }
  });

  test('stops when it is told to', async () => {
    const stop = new AbortController();
    await expect(
      drawPhantomSites({
        ...options,
        directory: join(directory, 'stopped'),
        signal: stop.signal,
        onImage: () => stop.abort(new Error('told to')),
      }),
    ).rejects.toThrow('told to');
  });
});
