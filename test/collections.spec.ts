import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { drawnCollection, layOutSites, type Collection } from './support/collections.ts';
import { chestXrayGroup, shareImages } from './support/image-sites.ts';
import { makeWorkDirectory } from './support/package-root.ts';

const sites = ['site-a', 'site-b', 'site-c'];

describe('sharing images out', () => {
  let directory: string;
  let removeDirectory: () => Promise<void>;
  let collection: Collection;

  beforeAll(async () => {
    ({ path: directory, remove: removeDirectory } = await makeWorkDirectory('collections'));
    collection = await drawnCollection(directory, sites);
  });
  afterAll(() => removeDirectory());

  test('no group stands at two sites or in two splits, every share is full, and a seed fixes it all', async () => {
    const shared = await shareImages({ ...collection, seed: 's' });
    const places = new Map<string, Set<string>>();
    for (const { folder, group, site, split } of shared) {
      const key = `${folder}/${group}`;
      places.set(key, (places.get(key) ?? new Set()).add(`${site}/${split}`));
    }
    expect([...places.values()].filter((set) => set.size > 1)).toEqual([]);
    for (const { site, training, heldOut } of collection.shares) {
      for (const [split, counts] of [
        ['train', training],
        ['held-out', heldOut],
      ] as const) {
        for (const [folder, count] of Object.entries(counts)) {
          const found = shared.filter(
            (image) => image.site === site && image.split === split && image.folder === folder,
          );
          expect(found).toHaveLength(count);
        }
      }
    }
    expect(await shareImages({ ...collection, seed: 's' })).toEqual(shared);
    expect(await shareImages({ ...collection, seed: 't' })).not.toEqual(shared);
  });

  test('a site folder holds its images and a manifest that names each of them once', async () => {
    const tasks = await layOutSites(collection, join(directory, 'sites'), 's');
    const { images = '', manifest = '' } = tasks.get('site-b') ?? {};
    const rows = (await readFile(manifest, 'utf8')).trim().split('\n').slice(1);
    const files = await readdir(images, { recursive: true });
    expect(rows.map((row) => row.split(',')[0]?.replaceAll('"', '')).sort()).toEqual(
      files.filter((file) => file.endsWith('.png')).sort(),
    );
  });

  test('too few images of a class are named', async () => {
    const shares = [{ site: 'greedy', training: { disc: 1000 }, heldOut: {} }];
    await expect(shareImages({ ...collection, shares, seed: 's' })).rejects.toThrow(
      /disc: too few images for greedy/,
    );
  });

  test('the patient of a chest X-ray is read from its name', () => {
    expect(chestXrayGroup('person1000_virus_1681.jpeg')).toBe('person-1000');
    expect(chestXrayGroup('IM-0003-0001.jpeg')).toBe('examination-0003');
    expect(chestXrayGroup('NORMAL2-IM-0003-0001.jpeg')).toBe('examination-0003');
  });
});
