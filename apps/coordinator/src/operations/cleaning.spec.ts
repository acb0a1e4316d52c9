/** What is removed at the start, and what stays. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getTableColumns, getTableName, is } from 'drizzle-orm';
import { PgTable, type PgColumn } from 'drizzle-orm/pg-core';
import {
  administratorTokens,
  idempotencyKeys,
  invitations,
  tasks,
  versions,
} from '../config/schema.ts';
import * as schema from '../config/schema.ts';
import type { Queries } from '../config/database.ts';
import { Harness } from '../testing/harness.ts';
import { blobColumns } from '../config/blob-columns.ts';

const orphan = 'ab'.repeat(32);

describe('at the start', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
    for (const name of ['north', 'south', 'west']) await harness.join(name);
    await harness.createTask();
    const { assignment, open } = await siteNamed('north').assignment('chest');
    const sealed = siteNamed('north').seal(open, assignment.open.payload, {});
    const decision = siteNamed('north').decision(open, assignment.open.payload);
    await siteNamed('north').ask('round:accept', { decision });
    await siteNamed('north').begin(sealed);
    await siteNamed('north').sendRanges(sealed);
  });
  afterAll(() => harness.stop());

  const siteNamed = (name: string) => {
    const site = harness.sites.get(name);
    if (site === undefined) throw new Error(name);
    return site;
  };
  const files = async () => ({
    blobs: (await readdir(join(harness.folder, 'blobs'), { recursive: true })).filter(
      (name) => name.length > 2,
    ),
    uploads: await readdir(join(harness.folder, 'uploads')),
  });
  const plant = async (): Promise<void> => {
    await mkdir(join(harness.folder, 'blobs', 'ab'), { recursive: true });
    await writeFile(join(harness.folder, 'blobs', 'ab', orphan), 'x');
    await writeFile(join(harness.folder, 'uploads', orphan), 'x');
  };

  test('files that no row names go, those of versions and open uploads stay', async () => {
    const before = await files();
    expect(before.blobs).toHaveLength(1);
    expect(before.uploads).toHaveLength(1);
    await plant();
    await harness.restart();
    expect(await files()).toEqual(before);
  });

  test('nothing goes where the database knows none of the blobs: it is another one', async () => {
    await plant();
    const planted = await files();
    let known: (typeof versions.$inferSelect)[] = [];
    await harness.tamper(async (queries) => {
      known = await queries.select().from(versions);
      await queries.delete(versions);
      await queries.update(tasks).set({ status: 'paused' });
    });
    expect(await files()).toEqual(planted);
    await harness.tamper(async (queries) => {
      await queries.insert(versions).values(known);
    });
    expect((await files()).blobs).toHaveLength(planted.blobs.length - 1);
  });

  test('answers, codes and tokens whose time is over are forgotten, others are not', async () => {
    await harness.request('POST', '/v1/sites', { site: 'east' });
    await harness.tamper(async (queries) => {
      await queries.insert(idempotencyKeys).values([key('old', 0), key('new', Date.now())]);
      const expired = { site: 'gone', createdAtMs: 0, expiresAtMs: 1 };
      await queries.insert(invitations).values({ secretHash: 'old', ...expired });
      const token = { role: 'viewer', createdAtMs: 0, expiresAtMs: 1 };
      await queries.insert(administratorTokens).values({ tokenHash: 'old', ...token });
    });
    const left: unknown[] = [];
    await harness.tamper(async (queries) => {
      left.push(await columnsOf(queries));
    });
    expect(left).toEqual([
      { keys: ['new'], sites: ['east', 'north', 'south', 'west'], tokens: ['administrator'] },
    ]);
  });
});

test('every column of the schema that names a blob is looked at', () => {
  const tables: PgTable[] = Object.values(schema).filter((each) => is(each, PgTable));
  const names = tables
    .flatMap((table): PgColumn[] => Object.values(getTableColumns(table)))
    .filter(({ name }) => /(?:ciphertext|payload)_digest$/.test(name))
    .map(fullName);
  expect(blobColumns.map(({ column }) => fullName(column)).sort()).toEqual(names.sort());
});

const fullName = ({ table, name }: PgColumn): string => `${getTableName(table)}.${name}`;

const key = (name: string, createdAtMs: number) => ({
  key: name,
  requestDigest: name,
  status: 0,
  wrappedResponse: new Uint8Array(),
  createdAtMs,
});

async function columnsOf(queries: Queries) {
  const keys = await queries.select().from(idempotencyKeys);
  const codes = await queries.select().from(invitations);
  const tokens = await queries.select().from(administratorTokens);
  return {
    keys: keys.map(({ key: name }) => name),
    sites: codes.map(({ site }) => site).sort(),
    tokens: tokens.map(({ role }) => role),
  };
}
