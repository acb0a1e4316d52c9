import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { makeWorkDirectory } from '../../test/support/package-root.ts';
import {
  listFolderImages,
  mixCounts,
  shareFolderImages,
  type FolderImage,
} from './folder-sites.ts';

/** Two classes of `count` images each, two or three images a patient. */
function collection(count: number): FolderImage[] {
  return ['ill', 'well'].flatMap((folder) =>
    Array.from({ length: count }, (_, index) => ({
      folder,
      file: `${index}.png`,
      group: `${folder}-${Math.floor(index / (folder === 'ill' ? 2 : 3))}`,
    })),
  );
}

const sites = ['a', 'b', 'c'];
const options = { sites, imagesPerSite: 20, heldOutPerSite: 10, skew: 0.6, seed: 1 };

test('no skew is an even mix, full skew leaves one image of every other class', () => {
  expect(mixCounts(0, { classes: 2, total: 20, skew: 0 })).toEqual([10, 10]);
  expect(mixCounts(0, { classes: 2, total: 20, skew: 1 })).toEqual([19, 1]);
  expect(mixCounts(1, { classes: 2, total: 20, skew: 1 })).toEqual([1, 19]);
  expect(mixCounts(2, { classes: 2, total: 20, skew: 1 })).toEqual([19, 1]);
});

test('no group stands at two hospitals or in two splits, and none of the images twice', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 60, max: 200 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 1000 }),
      (count, skew, seed) => {
        const shared = shareFolderImages(collection(count), { ...options, skew, seed });
        const groups = new Set(shared.map(({ group }) => group));
        const places = new Set(shared.map(({ group, site, split }) => [group, site, split].join()));
        expect(places.size).toBe(groups.size);
        const files = shared.map(({ folder, file }) => `${folder}/${file}`);
        expect(new Set(files).size).toBe(files.length);
      },
    ),
    { numRuns: 20 },
  );
});

test('held-out images are even whatever the skew, and every class is at every hospital', () => {
  const shared = shareFolderImages(collection(200), { ...options, skew: 1 });
  for (const site of sites) {
    const count = (split: string, folder: string): number =>
      shared.filter((i) => i.site === site && i.split === split && i.folder === folder).length;
    expect([count('held-out', 'ill'), count('held-out', 'well')]).toEqual([5, 5]);
    expect(Math.min(count('train', 'ill'), count('train', 'well'))).toBe(1);
    expect(Math.max(count('train', 'ill'), count('train', 'well'))).toBe(19);
  }
});

test('too few images make smaller hospitals, far too few are refused', () => {
  const shared = shareFolderImages(collection(30), options);
  expect(shared.length).toBeLessThanOrEqual(60);
  for (const site of sites)
    for (const split of ['train', 'held-out'])
      expect(shared.some((image) => image.site === site && image.split === split)).toBe(true);
  expect(() => shareFolderImages(collection(4), options)).toThrow(/--data: expected more/);
});

test('the same seed shares out alike, another does not', () => {
  const share = (seed: number) => shareFolderImages(collection(100), { ...options, seed });
  expect(share(1)).toEqual(share(1));
  expect(share(1)).not.toEqual(share(2));
});

test("a folder's images are grouped by patient where the names tell, else by content", async () => {
  const { path, remove } = await makeWorkDirectory('folder-sites');
  try {
    for (const folder of ['NORMAL', 'PNEUMONIA']) await mkdir(join(path, folder));
    await writeFile(join(path, 'NORMAL', 'a.png'), 'same');
    await writeFile(join(path, 'NORMAL', 'b.png'), 'same');
    await writeFile(join(path, 'NORMAL', 'c.png'), 'other');
    await writeFile(join(path, 'NORMAL', 'notes.txt'), 'none');
    await writeFile(join(path, 'PNEUMONIA', 'person12_virus_3.jpeg'), 'x');
    const images = await listFolderImages(path);
    expect(images.map(({ file }) => file)).toEqual([
      'a.png',
      'b.png',
      'c.png',
      'person12_virus_3.jpeg',
    ]);
    const [a, b, c, person] = images.map(({ group }) => group);
    expect(a).toBe(b);
    expect(a).not.toBe(c);
    expect(person).toBe('person-12');
    await expect(listFolderImages(join(path, 'NORMAL'))).rejects.toThrow(/a folder for each/);
  } finally {
    await remove();
  }
});
