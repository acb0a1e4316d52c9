/** A backup of a running coordinator brought back from either database into either; on PostgreSQL where one is named. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import pg from 'pg';
import { z } from 'zod';
import { decodeAdapterFile } from '#core/adapter';
import { auditRoutes } from '../audit/audit.contract.ts';
import { verificationViewSchema } from '../rounds/rounds.contract.ts';
import { runCommand as run } from '../testing/backup-commands.ts';
import { Harness } from '../testing/harness.ts';
import { openRawDatabase } from './raw-database.ts';

const server = process.env['DATABASE_URL'] ?? '';
const kinds = server === '' ? (['pglite'] as const) : (['pglite', 'postgresql'] as const);
type Kind = (typeof kinds)[number];

const databases: string[] = [];

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** A database of its own on the server; none for the embedded one. */
async function databaseOf(kind: Kind): Promise<string | undefined> {
  if (kind === 'pglite') return undefined;
  const name = `melo_backup_${randomUUID().replaceAll('-', '')}`;
  await administer(`create database ${name}`);
  databases.push(name);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-backup-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));
afterAll(async () => {
  for (const name of databases) await administer(`drop database ${name} with (force)`);
});

const filled = (length: number, value: number): Float32Array =>
  new Float32Array(length).fill(value);

describe.each(kinds.flatMap((from) => kinds.map((to) => [from, to] as const)))(
  'from %s to %s',
  (from, to) => {
    test('an open round goes on: what was acknowledged counts, what was not is sent', async () => {
      const databaseUrl = await databaseOf(from);
      const options = databaseUrl === undefined ? {} : { databaseUrl };
      const harness = await Harness.start(options);
      const [file, keysFile] = [join(directory, 'backup.tar'), join(directory, 'keys.json')];
      const backUp = ['backup', '--data', harness.folder, '--to', file, '--keys-to', keysFile];
      let sites: Harness['sites'];
      let sealed;
      try {
        for (const site of ['north', 'south', 'west']) await harness.join(site);
        await harness.createTask({ rounds: 2 });
        const { layout } = decodeAdapterFile(await harness.download('chest', 0));
        const [north, south] = [...harness.sites.values()];
        if (north === undefined || south === undefined) throw new Error('sites');
        await north.takePart('chest', filled(layout.size, 1));
        const { assignment, open } = await south.assignment('chest');
        const { payload } = assignment.open;
        await south.ask('round:accept', { decision: south.decision(open, payload) });
        sealed = south.seal(open, payload, { delta: filled(layout.size, 2) });
        await south.begin(sealed);
        await south.sendRanges(sealed);
        expect(await run(databaseUrl, ...backUp)).toMatchObject({
          event: 'backed-up',
          files: 3, // version 0, an update, the ranges of another one
          absent: [],
          exitCode: 0,
        });
        // What comes later is not in it.
        await south.ask('upload:commit', { uploadId: sealed.uploadId });
        sites = new Map(harness.sites);
      } finally {
        await harness.stop();
      }
      expect((await stat(keysFile)).mode & 0o777).toBe(0o600);
      const folder = join(directory, 'restored');
      const target = await databaseOf(to);
      const again = ['restore', '--from', file, '--to', `${folder}-again`, '--keys', keysFile];
      const restore = ['restore', '--from', file, '--to', folder, '--keys', keysFile];
      expect(await run(target, ...restore)).toMatchObject({
        event: 'restored',
        chains: [
          { chain: 'audit', wrong: null },
          { chain: 'chest', last: 0, wrong: null },
        ],
        lostUpdates: [],
        exitCode: 0,
      });
      const after = await Harness.start(
        target === undefined ? {} : { databaseUrl: target },
        folder,
      );
      try {
        for (const [name, site] of sites) {
          site.url = after.coordinator.url;
          await site.connect();
          after.sites.set(name, site);
        }
        const [north, south, west] = [...after.sites.values()];
        expect(await north?.assignment('chest')).toMatchObject({
          assignment: { status: 'reported' },
        });
        expect(await south?.begin(sealed)).toMatchObject({
          received: [[0, 1]],
          isCommitted: false,
        });
        await south?.ask('upload:commit', { uploadId: sealed.uploadId });
        const before = decodeAdapterFile(await after.download('chest', 0));
        await west?.takePart('chest', filled(before.layout.size, 3));
        await after.untilVersion('chest', 1);
        const { values } = decodeAdapterFile(await after.download('chest', 1));
        expect((values.at(-1) ?? 0) - (before.values.at(-1) ?? 0)).toBeCloseTo(2, 5);
        const view = await after.request('GET', '/v1/tasks/chest/rounds/1/verification');
        expect(verificationViewSchema.parse(view)).toMatchObject({
          scope: 'recomputed',
          isGood: true,
        });
        if (target !== undefined) {
          expect(await run(target, ...again, '--replace')).toMatchObject({
            code: 'DATABASE_LOCKED',
            exitCode: 9,
          });
        }
        const list = auditRoutes.list.response.parse(await after.request('GET', '/v1/audit'));
        const actions = list.entries.map(({ action }) => action);
        expect(actions).toContain('coordinator.backed-up');
        expect(actions.indexOf('coordinator.restored')).toBeGreaterThan(
          actions.indexOf('coordinator.backed-up'),
        );
      } finally {
        await after.stop();
      }
      if (target === undefined) return;
      // A database that is not empty: refused, or its tables are moved aside.
      expect(await run(target, ...again)).toMatchObject({ code: 'ALREADY_EXISTS', exitCode: 9 });
      const { movedTo } = z
        .looseObject({ movedTo: z.object({ schema: z.string() }) })
        .parse(await run(target, ...again, '--replace'));
      const database = await openRawDatabase({ folder: '', url: target });
      const versions = z.object({ rows: z.array(z.unknown()) });
      const count = async (schema: string) => {
        const table = sql`${sql.identifier(schema)}.versions`;
        const found = await database.queries.execute(sql`select version from ${table}`);
        return versions.parse(found).rows.length;
      };
      expect([await count(movedTo.schema), await count('public')]).toEqual([2, 1]);
      await database.close();
    });
  },
);
