/** What is kept of images between jobs: within its bound, and never of a file that may have changed. */
import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileHashes } from './file-hashes.ts';
import { contentHash } from './groups.ts';
import { ImageStore } from './image-store.ts';
import { PixelMemory } from './pixel-memory.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-images-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

const pixels = (value: number): Uint8Array => new Uint8Array(100).fill(value);

describe('pixels in memory', () => {
  test('fill the bound and no more', () => {
    const memory = new PixelMemory(250);
    for (const key of ['a', 'b', 'c']) memory.put(key, pixels(1));
    memory.put('a', pixels(2));
    expect(memory.bytes).toBe(200);
    expect([memory.get('a')?.[0], memory.get('b')?.[0], memory.get('c')]).toEqual([
      1,
      1,
      undefined,
    ]);
  });

  test('that the present job did not use make room', () => {
    const memory = new PixelMemory(200);
    memory.put('a', pixels(1));
    memory.put('b', pixels(2));
    memory.beginJob();
    memory.get('a');
    memory.put('c', pixels(3));
    memory.put('d', pixels(4));
    expect(['a', 'b', 'c', 'd'].filter((key) => memory.get(key) !== undefined)).toEqual(['a', 'c']);
    expect(memory.bytes).toBe(200);
  });
});

describe('digests of files', () => {
  const file = (): string => join(directory, 'image.png');
  const longAgo = new Date(2001, 1, 1);

  test('follow a change of content, also one that keeps length and time', async () => {
    const hashes = new FileHashes();
    await writeFile(file(), 'one');
    await utimes(file(), longAgo, longAgo);
    expect(await hashes.hashOf(file())).toBe(await contentHash(file()));
    await writeFile(file(), 'two');
    await utimes(file(), longAgo, longAgo);
    expect(await hashes.hashOf(file())).toBe(await contentHash(file()));
  });

  test('of a settled file are made once, until another takes its place', async () => {
    let made = 0;
    const hashes = new FileHashes({
      hash: () => Promise.resolve(String((made += 1))),
      now: () => Date.now() + 10_000,
    });
    await writeFile(file(), 'one');
    expect([await hashes.hashOf(file()), await hashes.hashOf(file())]).toEqual(['1', '1']);
    await writeFile(join(directory, 'other'), 'two');
    await rename(join(directory, 'other'), file());
    expect([await hashes.hashOf(file()), await hashes.hashOf(file())]).toEqual(['2', '2']);
  });

  test('of a file changed just now are made again', async () => {
    let made = 0;
    const hashes = new FileHashes({ hash: () => Promise.resolve(String((made += 1))) });
    await writeFile(file(), 'one');
    expect([await hashes.hashOf(file()), await hashes.hashOf(file())]).toEqual(['1', '2']);
  });
});

test('an entry beyond the memory comes from the folder, also after the folder was removed', async () => {
  const store = new ImageStore(100);
  await store.beginJob(join(directory, 'cache'), 1e6);
  await store.put('a', pixels(1));
  await store.put('b', pixels(2));
  expect([(await store.get('a'))?.[0], (await store.get('b'))?.[0]]).toEqual([1, 2]);
  await rm(join(directory, 'cache'), { recursive: true });
  await store.beginJob(join(directory, 'cache'), 1e6);
  expect([(await store.get('a'))?.[0], await store.get('b')]).toEqual([1, null]);
  await store.put('b', pixels(3));
  expect((await store.get('b'))?.[0]).toBe(3);
});
