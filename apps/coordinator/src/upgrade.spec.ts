/** A data folder of release 0.1.0 with a round in flight, opened by this release: test/fixtures/melo-0.1 says what is in it. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { drizzle } from 'drizzle-orm/pglite';
import { migrate } from 'drizzle-orm/pglite/migrator';
import { z } from 'zod';
import { decodeAdapterFile } from '#core/adapter';
import { fromHex } from '#core/bytes';
import { packageRoot } from './common/package-info.ts';
import { versionDetailSchema } from './registry/registry.contract.ts';
import { roundDetailSchema } from './rounds/rounds.contract.ts';
import { FakeSite } from './testing/fake-site.ts';
import { Harness } from './testing/harness.ts';

const keyPairSchema = z.object({ publicKey: z.string(), secretKey: z.string() });
const siteKeysSchema = z.object({ signing: keyPairSchema, agreement: keyPairSchema });
const bytesSchema = z.object({ base64: z.base64() });
const fixtureSchema = z.object({
  rows: z.record(z.string(), z.array(z.record(z.string(), z.union([bytesSchema, z.json()])))),
  files: z.record(z.string(), z.base64()),
  sites: z.object({ north: siteKeysSchema, south: siteKeysSchema, west: siteKeysSchema }),
  upload: z.object({
    uploadId: z.string(),
    ciphertext: z.base64(),
    manifest: z.object({ payload: z.base64(), signature: z.base64() }),
  }),
});
type Fixture = z.infer<typeof fixtureSchema>;

const fromBase64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const keysOf = ({ publicKey, secretKey }: z.infer<typeof keyPairSchema>) => ({
  publicKey: fromHex(publicKey),
  secretKey: fromHex(secretKey),
});

/** A site that enrolled with the coordinator of the release before. */
class EnrolledSite extends FakeSite {
  override readonly signing: FakeSite['signing'];
  override readonly agreement: FakeSite['agreement'];

  constructor(site: string, url: string, keys: z.infer<typeof siteKeysSchema>) {
    super(site, url);
    this.signing = keysOf(keys.signing);
    this.agreement = keysOf(keys.agreement);
  }
}

/** The migrations as 0.1.0 had them: the first alone. */
async function firstMigrations(folder: string): Promise<string> {
  const migrations = join(folder, 'migrations');
  await cp(join(packageRoot, 'apps', 'coordinator', 'migrations'), migrations, { recursive: true });
  const file = join(migrations, 'meta', '_journal.json');
  const journal = z
    .looseObject({ entries: z.array(z.looseObject({ tag: z.string() })) })
    .parse(JSON.parse(await readFile(file, 'utf8')));
  await writeFile(file, JSON.stringify({ ...journal, entries: journal.entries.slice(0, 1) }));
  return migrations;
}

/** PostgreSQL reads a row from JSON, bytes in hexadecimal. */
function asJson(row: Fixture['rows'][string][number]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => {
      const bytes = bytesSchema.safeParse(value);
      if (!bytes.success) return [column, value];
      return [column, `\\x${Buffer.from(bytes.data.base64, 'base64').toString('hex')}`];
    }),
  );
}

/** Lay out the data folder of the release before. */
async function writeDataFolder({ rows, files }: Fixture): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'melo-upgrade-'));
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), fromBase64(content), { mode: 0o600 });
  }
  const database = await PGlite.create(join(folder, 'database'));
  const migrationsFolder = await firstMigrations(folder);
  await migrate(drizzle(database), { migrationsFolder });
  for (const [table, all] of Object.entries(rows)) {
    const insert = `insert into "${table}" select * from json_populate_recordset(null::"${table}", $1)`;
    await database.query(insert, [JSON.stringify(all.map(asJson))]);
  }
  for (const table of ['rounds', 'audit_entries'])
    await database.query(
      `select setval(pg_get_serial_sequence('${table}', 'id'), (select max(id) from "${table}"))`,
    );
  await database.close();
  await rm(migrationsFolder, { recursive: true });
  return folder;
}

const filled = (length: number, value: number): Float32Array =>
  new Float32Array(length).fill(value);

test('a round that the release before had open goes on, with what it had acknowledged, and the chain goes on with it', async () => {
  const text = await readFile(join(packageRoot, 'test/fixtures/melo-0.1/open-round.json'), 'utf8');
  const fixture = fixtureSchema.parse(JSON.parse(text));
  const harness = await Harness.start({}, await writeDataFolder(fixture));
  try {
    const { url } = harness.coordinator;
    const north = new EnrolledSite('north', url, fixture.sites.north);
    const south = new EnrolledSite('south', url, fixture.sites.south);
    const west = new EnrolledSite('west', url, fixture.sites.west);
    for (const site of [north, south, west]) {
      await site.connect();
      harness.sites.set(site.site, site);
    }
    expect(await north.assignment('chest')).toMatchObject({ assignment: { status: 'reported' } });
    const { uploadId, ciphertext, manifest } = fixture.upload;
    const sealed = {
      uploadId,
      ciphertext: fromBase64(ciphertext),
      manifest: {
        payload: fromBase64(manifest.payload),
        signature: fromBase64(manifest.signature),
      },
    };
    expect(await south.begin(sealed)).toMatchObject({ received: [[0, 1]], isCommitted: false });
    await south.ask('upload:commit', { uploadId });
    const before = decodeAdapterFile(await harness.download('chest', 1));
    await west.takePart('chest', filled(before.layout.size, 3), 100);
    await harness.untilVersion('chest', 2);
    const after = decodeAdapterFile(await harness.download('chest', 2));
    const change = (after.values.at(-1) ?? 0) - (before.values.at(-1) ?? 0);
    expect(change).toBeCloseTo((1 + 2 + 3) / 3, 5);
    const round = roundDetailSchema.parse(await harness.request('GET', '/v1/tasks/chest/rounds/2'));
    expect(round.attempt).toBe(1);
    expect(round.members.map(({ status }) => status)).toEqual(Array(3).fill('reported'));
    const detail = async (version: number) =>
      versionDetailSchema.parse(
        await harness.request('GET', `/v1/tasks/chest/versions/${version}`),
      );
    const [first, second] = [await detail(1), await detail(2)];
    expect(first.resultDigest).not.toBeNull();
    expect(second.resultPayload?.previousResultDigest).toBe(first.resultDigest);
    expect((await harness.task('chest')).status).toBe('finished');
  } finally {
    await harness.stop();
  }
});
