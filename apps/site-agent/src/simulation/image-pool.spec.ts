import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drawnClasses, writeDrawnImages } from '../../../../test/support/small-federation.ts';
import type { DatasetImage } from '../data/dataset.ts';
import { contentHash } from '../data/groups.ts';
import { findPool, groupsOf, type ImagePool, type ImageSource } from './image-pool.ts';
import { partitionGroups } from './partition.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-pool-'));
  await writeDrawnImages(directory, { count: 16, seed: 'pool' }); // of two images a patient
});
afterAll(() => rm(directory, { recursive: true, force: true }));

function find(seed: number, imagesMax: number | null = null): Promise<ImagePool> {
  const source: ImageSource = {
    ...{ classes: drawnClasses, imagesMax },
    task: { images: directory, groupRegex: '^([a-z]+-patient\\d+)', heldOutShare: 0.3 },
  };
  return findPool(source, { activation: 'softmax', seed, hashOf: contentHash });
}

const namesOf = (images: readonly DatasetImage[]): Set<string> =>
  new Set(images.map(({ group }) => group));

test('patients stand in one split each, and at one site with all of their images', async () => {
  const pool = await find(1);
  expect(pool.training.length + pool.heldOut.length).toBe(48);
  const heldOut = namesOf(pool.heldOut);
  expect(heldOut.size).toBeGreaterThan(0);
  expect([...namesOf(pool.training)].filter((group) => heldOut.has(group))).toEqual([]);
  const groups = groupsOf(pool, { name: 'iid' });
  expect(groups.map(({ size }) => size)).toEqual(groups.map(() => 2));
  const places = partitionGroups(groups, { partition: { name: 'iid' }, sites: 2, seed: 'a' });
  const all = [...pool.training, ...pool.heldOut];
  const bySite = [0, 1].map((site) => all.filter(({ group }) => places.get(group) === site));
  expect(bySite.flat()).toHaveLength(48);
});

test('another seed splits otherwise', async () => {
  const [first, again, other] = [await find(1), await find(1), await find(2)];
  expect(again).toEqual(first);
  expect(namesOf(other.heldOut)).not.toEqual(namesOf(first.heldOut));
});

test('with fewer images whole patients are left out', async () => {
  const pool = await find(1, 21);
  expect(pool.training.length + pool.heldOut.length).toBe(20);
  expect(groupsOf(pool, { name: 'iid' }).map(({ size }) => size)).toEqual(
    Array.from({ length: 10 }, () => 2),
  );
});

test('an origin is what the regular expression finds in a path', async () => {
  const pool = await find(1);
  const groups = groupsOf(pool, { name: 'group', regex: 'patient(\\d)' });
  expect(new Set(groups.map(({ origin }) => origin))).toEqual(
    new Set(['0', '1', '2', '3', '4', '5', '6', '7']),
  );
  const unnamed = groupsOf(pool, { name: 'group', regex: 'nurse' });
  expect(new Set(unnamed.map(({ origin }) => origin))).toEqual(new Set(['elsewhere']));
});
