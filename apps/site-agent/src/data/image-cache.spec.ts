/** The cache of decoded images: bounded, never wrong, made again where it is damaged. */
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { smallPreprocessing } from '#core/protocol/testing';
import { ImageCache, systemDisk, type CacheDisk } from './image-cache.ts';
import { ImageStore } from './image-store.ts';
import { prepareImages } from './labelled-images.ts';

let directory: string;
const pixels = (seed: number): Uint8Array =>
  new Uint8Array(768).map((_, index) => (index * seed) % 256);
const entryBytes = 768 + 32;

/** A disk whose writes fail amid a file. */
function failingDisk(code: string): CacheDisk {
  return {
    ...systemDisk,
    write: async (path) => {
      await writeFile(path, 'half');
      throw Object.assign(new Error(`${code}: write`), { code });
    },
  };
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-cache-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('an entry comes back, also to the next process', async () => {
  const cache = await ImageCache.open(directory, 1e6);
  expect(await cache.get('a')).toBeNull();
  expect(await cache.put('a', pixels(3))).toBe(true);
  const reopened = await ImageCache.open(directory, 1e6);
  expect(Buffer.from((await reopened.get('a')) ?? [])).toEqual(Buffer.from(pixels(3)));
  expect(reopened.bytes).toBe(entryBytes);
});

test('two images of the same content may be kept at the same moment', async () => {
  const cache = await ImageCache.open(directory, 1e6);
  const puts = Array.from({ length: 16 }, () => cache.put('a', pixels(3)));
  expect(await Promise.all(puts)).toEqual(Array.from({ length: 16 }, () => true));
  expect(await readdir(directory)).toEqual(['a.rgb']);
  expect(cache.bytes).toBe(entryBytes);
});

test.each([0, 31, 32, 400, entryBytes - 1])(
  'damage at byte %i is seen, and the entry goes',
  async (offset) => {
    await (await ImageCache.open(directory, 1e6)).put('a', pixels(3));
    const path = join(directory, 'a.rgb');
    const bytes = await readFile(path);
    bytes[offset] = (bytes[offset] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const cache = await ImageCache.open(directory, 1e6);
    expect(await cache.get('a')).toBeNull();
    expect(cache.bytes).toBe(0);
    expect(await readdir(directory)).toEqual([]);
  },
);

test('the oldest entry makes room, those of this process stay', async () => {
  const before = await ImageCache.open(directory, 1e6);
  for (const [index, key] of ['old', 'older', 'new'].entries()) {
    await before.put(key, pixels(index));
    const time = new Date(1000 * ([2000, 1000, 3000][index] ?? 0));
    await utimes(join(directory, `${key}.rgb`), time, time);
  }
  const cache = await ImageCache.open(directory, 3 * entryBytes);
  await cache.get('old');
  expect(await cache.put('b', pixels(9))).toBe(true);
  expect((await readdir(directory)).sort()).toEqual(['b.rgb', 'new.rgb', 'old.rgb']);
  expect(await cache.put('c', pixels(8))).toBe(true);
  expect(await cache.put('d', pixels(7))).toBe(false); // old, b and c are in use
  expect((await readdir(directory)).sort()).toEqual(['b.rgb', 'c.rgb', 'old.rgb']);
});

test('what a crash left half written is removed', async () => {
  await writeFile(join(directory, 'a.rgb.17.tmp'), 'half');
  await ImageCache.open(directory, 1e6);
  expect(await readdir(directory)).toEqual([]);
});

test.each(['ENOSPC', 'EDQUOT'])('on a disk that says %s nothing is kept', async (code) => {
  await (await ImageCache.open(directory, 1e6)).put('a', pixels(3));
  const cache = await ImageCache.open(directory, 1e6, failingDisk(code));
  expect(await cache.put('b', pixels(4))).toBe(false);
  expect(cache.bytes).toBe(entryBytes);
  expect(await cache.get('b')).toBeNull();
  expect(await readdir(directory)).toEqual(['a.rgb']);
});

test('another fault of the disk is told, and leaves no file', async () => {
  const cache = await ImageCache.open(directory, 1e6, failingDisk('EIO'));
  await expect(cache.put('a', pixels(3))).rejects.toThrow('EIO');
  expect(cache.bytes).toBe(0);
  expect(await readdir(directory)).toEqual([]);
});

test('the last 256 MiB of a disk are left to others', async () => {
  const reserveBytes = 256 * 1024 ** 2;
  let free = reserveBytes + entryBytes;
  const disk: CacheDisk = { ...systemDisk, freeBytes: () => Promise.resolve(free) };
  const cache = await ImageCache.open(directory, 1e6, disk);
  expect(await cache.put('a', pixels(3))).toBe(true);
  free -= 1;
  expect(await cache.put('b', pixels(4))).toBe(false);
  free += 1; // somebody made room
  expect(await cache.put('b', pixels(4))).toBe(true);
});

test('images are prepared on a full disk', async () => {
  const file = join(directory, 'image.png');
  await writeFile(file, 'an image');
  const store = new ImageStore(0, failingDisk('ENOSPC'));
  await store.beginJob(join(directory, 'cache'), 1e6);
  const image = { file, path: 'image.png', group: 'a', label: 0 };
  const { labelled, unreadable } = await prepareImages([image], {
    store,
    decode: () => Promise.resolve(pixels(3)),
    preprocessing: smallPreprocessing(16),
    concurrency: 2,
  });
  expect(unreadable).toEqual([]);
  expect(await labelled.load(0)).toHaveLength(768);
  expect(await readdir(join(directory, 'cache'))).toEqual([]);
});
