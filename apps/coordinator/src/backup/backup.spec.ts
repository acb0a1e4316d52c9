/** A backup of a running coordinator, brought back from either database into either, and everything that is refused. */
import { randomUUID } from 'node:crypto';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { sql } from 'drizzle-orm';
import pg from 'pg';
import { z } from 'zod';
import { decodeAdapterFile } from '#core/adapter';
import { generateSigningKeyPair } from '#core/crypto';
import { nodeEnvironment } from '../admin/admin-environment.ts';
import { auditRoutes } from '../audit/audit.contract.ts';
import { verificationViewSchema } from '../rounds/rounds.contract.ts';
import { Harness } from '../testing/harness.ts';
import { writeArchive } from './archive.ts';
import { addBackupCommand } from './backup-command.ts';
import { freeBytesOf, readPieces } from './files.ts';
import { readKeys, usableKeys, writeKeysFolder } from './key-files.ts';
import { migrateTo, openRawDatabase } from './raw-database.ts';
import { readArchive } from './read-archive.ts';
import { addRestoreCommand } from './restore-command.ts';
import { takeSnapshot, type Snapshot } from './snapshot.ts';
import { prepareDataFolder } from '../config/data-folder.ts';

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

const resultSchema = z.looseObject({ event: z.string().optional(), code: z.string().optional() });

/** Run `melo coordinator backup` or `restore` in this process; the last line is what it came to. */
async function run(databaseUrl: string | undefined, ...commandArguments: string[]) {
  const lines: unknown[] = [];
  let exitCode = 0;
  const environment = {
    ...nodeEnvironment(),
    variables: databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl },
    print: (line: string) => lines.push(JSON.parse(line)),
    tell: (line: string) => lines.push(JSON.parse(line)),
    setExitCode: (code: number) => {
      exitCode = code;
    },
  };
  const program = new Command().exitOverride();
  addBackupCommand(program, environment);
  addRestoreCommand(program, environment);
  await program.parseAsync(['node', 'melo', ...commandArguments, '--json']);
  return { ...resultSchema.parse(lines.at(-1)), exitCode };
}

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
        const list = auditRoutes.list.response.parse(await after.request('GET', '/v1/audit'));
        const actions = list.entries.map(({ action }) => action);
        expect(actions).toContain('coordinator.backed-up');
        expect(actions.indexOf('coordinator.restored')).toBeGreaterThan(
          actions.indexOf('coordinator.backed-up'),
        );
      } finally {
        await after.stop();
      }
    });
  },
);

describe('a backup', () => {
  /** A stopped coordinator with a published version, its backup, and its keys. */
  let origin: string;
  beforeAll(async () => {
    origin = await mkdtemp(join(tmpdir(), 'melo-backup-'));
    const harness = await Harness.start({}, join(origin, 'data'));
    for (const site of ['north', 'south', 'west']) await harness.join(site);
    // A task whose versions have a state beside them, which is a blob as well.
    const aggregation = { serverStep: { name: 'momentum' } } as const;
    await harness.createTask({ rounds: 2, aggregation });
    const { layout } = decodeAdapterFile(await harness.download('chest', 0));
    for (const site of harness.sites.values()) await site.takePart('chest', filled(layout.size, 1));
    await harness.untilVersion('chest', 1);
    const first = harness.raw('GET', '/v1/backup');
    const second = await harness.raw('GET', '/v1/backup');
    const answers = [await first, second];
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]); // one at a time
    await Promise.all(answers.map((answer) => answer.arrayBuffer()));
    for (const site of harness.sites.values()) site.close();
    await harness.coordinator.close();
    const [data, to] = [join(origin, 'data'), join(origin, 'backup.tar')];
    expect(await run(undefined, 'backup', '--data', data, '--to', to)).toMatchObject({
      event: 'backed-up',
      exitCode: 0,
    });
  });
  afterAll(() => rm(origin, { recursive: true, force: true }));

  /** A copy of it for one test. */
  async function stopped() {
    await cp(origin, directory, { recursive: true });
    const folder = join(directory, 'data');
    return { folder, file: join(directory, 'backup.tar'), keys: join(folder, 'keys') };
  }

  const restore = (file: string, to: string, keys: string, ...more: string[]) =>
    run(undefined, 'restore', '--from', file, '--to', to, '--keys', keys, ...more);

  test('that is damaged anywhere is refused by the name of the entry, and nothing is written', async () => {
    const { file, keys } = await stopped();
    const whole = await readFile(file);
    const target = join(directory, 'restored');
    const expectRefused = async (bytes: Uint8Array, names: RegExp) => {
      const damaged = join(directory, 'damaged.tar');
      await writeFile(damaged, bytes);
      expect(await restore(damaged, target, keys)).toMatchObject({
        code: 'BACKUP_INVALID',
        message: expect.stringMatching(names),
        exitCode: 11,
      });
      await expect(stat(target)).rejects.toMatchObject({ code: 'ENOENT' });
    };
    const at = (text: string): number => whole.indexOf(text);
    for (const name of ['database/rounds.ndjson', 'blobs/', 'uploads/', 'contents.json']) {
      const flipped = Buffer.from(whole);
      const offset = at(name) + 512 + 40;
      flipped[offset] = (flipped[offset] ?? 0) ^ 1;
      await expectRefused(flipped, new RegExp(`backup, (?:${name}|signature|contents)`));
    }
    await expectRefused(whole.subarray(0, at('contents.json')), /the file ends here|ends here/);
    await expectRefused(whole.subarray(0, whole.length / 2), /the file ends here/);
    const other = Buffer.from(whole);
    const key = at('"signingPublicKey":"') + 20;
    other[key] = other[key] === 0x30 ? 0x31 : 0x30;
    const damaged = join(directory, 'damaged.tar');
    await writeFile(damaged, other);
    expect(await restore(damaged, target, keys)).toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('needs the keys of its own coordinator', async () => {
    const { file } = await stopped();
    const other = join(directory, 'other');
    await mkdir(other);
    const hex = (digit: string): string => digit.repeat(64);
    await writeKeysFolder(other, { signing: hex('1'), agreement: hex('2'), wrapping: hex('3') });
    const target = join(directory, 'restored');
    const refused = await restore(file, target, other);
    expect(refused).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 3 });
    expect(await restore(file, target, join(directory, 'nothing'))).toMatchObject({
      code: 'KEY_FILE_INVALID',
    });
    await expect(stat(target)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('comes into an empty folder alone, or moves aside what is there; never into one in use', async () => {
    const { folder, file, keys } = await stopped();
    expect(await restore(file, folder, keys)).toMatchObject({
      code: 'ALREADY_EXISTS',
      exitCode: 9,
    });
    const before = (await readdir(folder)).sort();
    const { movedTo } = z
      .looseObject({ movedTo: z.object({ folder: z.string() }) })
      .parse(await restore(file, folder, keys, '--replace'));
    expect((await readdir(movedTo.folder)).sort()).toEqual(before);
    const harness = await Harness.start({}, folder);
    try {
      expect(await harness.untilVersion('chest', 1)).toMatchObject({ latestVersion: 1 });
      const inUse = await restore(file, folder, join(folder, 'keys'), '--replace');
      expect(inUse).toMatchObject({ code: 'DATA_FOLDER_LOCKED' });
    } finally {
      await harness.stop();
    }
  });

  test('that was interrupted is done again, and nothing starts on half of it', async () => {
    const { folder, file, keys } = await stopped();
    await mkdir(join(folder, 'restoring', 'blobs'), { recursive: true });
    await expect(Harness.launch(folder, {})).rejects.toMatchObject({ code: 'STATE_CONFLICT' });
    expect(await restore(file, folder, keys, '--replace')).toMatchObject({ exitCode: 0 });
    expect(await readdir(folder)).not.toContain('restoring');
  });

  test('says what its chains do not hold, and restores all the same', async () => {
    const { folder, file, keys } = await stopped();
    const database = await openRawDatabase({ folder: join(folder, 'database'), url: undefined });
    await database.queries.execute(
      sql`update audit_entries set payload = 'x'::bytea where sequence = 3`,
    );
    await database.queries.execute(
      sql`update versions set adapter_digest = ${'00'.repeat(32)} where version = 1`,
    );
    await database.close();
    await run(undefined, 'backup', '--data', folder, '--to', file, '--force');
    expect(await restore(file, join(directory, 'restored'), keys)).toMatchObject({
      event: 'restored',
      chains: [
        { chain: 'audit', last: 2, wrong: expect.stringContaining('entry 3') },
        { chain: 'chest', last: 0, wrong: expect.stringContaining('file of the version') },
      ],
      exitCode: 11,
    });
  });

  /** A snapshot of a stopped coordinator, as a backup under way has it. */
  async function snapshotOf(folder: string): Promise<{
    readonly snapshot: Snapshot;
    readonly signingSecretKey: Uint8Array;
  }> {
    const keys = usableKeys(await readKeys(join(folder, 'keys')));
    const data = await prepareDataFolder(folder);
    const database = await openRawDatabase({ folder: data.database, url: undefined });
    const source = { database, folder: data, keys, federation: '0f'.repeat(16) };
    const snapshot = await takeSnapshot({ ...source, nowMs: 1, freeBytes: freeBytesOf });
    await database.close();
    return { snapshot, signingSecretKey: keys.signing.secretKey };
  }

  async function write(snapshot: Snapshot, secretKey: Uint8Array): Promise<string> {
    const file = join(directory, 'made.tar');
    const pieces: Uint8Array[] = [];
    for await (const piece of writeArchive(snapshot, secretKey)) pieces.push(piece);
    await writeFile(file, Buffer.concat(pieces));
    return file;
  }

  test('has the uploads of its moment, whatever erases them meanwhile, and names what is gone', async () => {
    const { folder } = await stopped();
    const blobs = join(folder, 'blobs');
    const { snapshot, signingSecretKey } = await snapshotOf(folder);
    const stored = await readdir(blobs, { recursive: true, withFileTypes: true });
    const inBackup = snapshot.files.filter(({ path }) => path.startsWith('blobs/'));
    expect(inBackup.map(({ path }) => path)).toEqual(
      stored
        .filter((entry) => entry.isFile())
        .map(({ name }) => `blobs/${name}`)
        .sort(),
    );
    for (const name of await readdir(join(folder, 'uploads'))) {
      await rm(join(folder, 'uploads', name));
    }
    const [blob] = snapshot.files.filter(({ path }) => path.startsWith('blobs/'));
    const [, digest = ''] = blob?.path.split('/') ?? [];
    await writeFile(join(blobs, digest.slice(0, 2), digest), 'something else');
    const { contents } = await readArchive(readPieces(await write(snapshot, signingSecretKey)));
    expect(contents.entries.filter(({ path }) => path.startsWith('uploads/'))).toHaveLength(3);
    expect(contents.absent).toEqual([{ path: `blobs/${digest}`, reason: 'damaged' }]);
    await rm(snapshot.folder, { recursive: true });
    const again = await snapshotOf(folder);
    expect(again.snapshot.absent.filter(({ reason }) => reason === 'missing')).toHaveLength(3);
  });

  test('of a newer schema or by another key is refused, of an older one brought forward', async () => {
    const { folder, keys } = await stopped();
    const { snapshot, signingSecretKey } = await snapshotOf(folder);
    const { manifest } = snapshot;
    const newer = { ...manifest, release: '9.0.0', schema: { ...manifest.schema, migrations: 99 } };
    const target = join(directory, 'restored');
    const file = await write({ ...snapshot, manifest: newer }, signingSecretKey);
    expect(await restore(file, target, keys)).toMatchObject({
      code: 'BACKUP_INVALID',
      message: expect.stringContaining('melo 9.0.0'),
    });
    const forged = await write(snapshot, generateSigningKeyPair().secretKey);
    expect(await restore(forged, target, keys)).toMatchObject({
      code: 'BACKUP_INVALID',
      message: expect.stringContaining('signature'),
    });

    const old = join(directory, 'old');
    await prepareDataFolder(old);
    await writeKeysFolder(join(old, 'keys'), await readKeys(keys));
    const database = await openRawDatabase({ folder: join(old, 'database'), url: undefined });
    await migrateTo(database, { migrations: 1, lastHash: '' });
    await database.queries.execute(
      sql`insert into settings values ('federation', ${JSON.stringify('0e'.repeat(16))}::jsonb)`,
    );
    await database.queries.execute(
      sql`insert into tasks (task, definition, status, created_at_ms, latest_version)
          values ('chest', '{}', 'running', 1, 0)`,
    );
    await database.close();
    const oldFile = join(directory, 'old.tar');
    expect(await run(undefined, 'backup', '--data', old, '--to', oldFile)).toMatchObject({
      exitCode: 0,
    });
    expect(await restore(oldFile, target, keys)).toMatchObject({ event: 'restored', rows: 2 });
    const restored = await openRawDatabase({ folder: join(target, 'database'), url: undefined });
    const { rows } = z
      .object({ rows: z.array(z.unknown()) })
      .parse(
        await restored.queries.execute(
          sql`select task, attempts_forgiven, final_version from tasks`,
        ),
      );
    expect(rows).toEqual([{ task: 'chest', attempts_forgiven: 0, final_version: null }]);
    await restored.close();
  });

  test('and its options say what does not fit', async () => {
    const to = join(directory, 'backup.tar');
    const nowhere = join(directory, 'nowhere');
    expect(await run(undefined, 'backup', '--data', nowhere, '--to', to)).toMatchObject({
      code: 'NOT_FOUND',
      exitCode: 8,
    });
    const url = ['--url', 'http://127.0.0.1:1', '--keys-to', join(directory, 'keys.json')];
    expect(await run(undefined, 'backup', '--to', to, ...url)).toMatchObject({
      code: 'USAGE',
      exitCode: 2,
    });
    await writeFile(to, 'something');
    expect(await run(undefined, 'backup', '--data', nowhere, '--to', to)).toMatchObject({
      code: 'ALREADY_EXISTS',
      exitCode: 9,
    });
    expect(await restore(to, nowhere, nowhere)).toMatchObject({ code: 'KEY_FILE_INVALID' });
  });
});
