/** What a backup holds, and everything that is refused. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { z } from 'zod';
import { decodeAdapterFile } from '#core/adapter';
import { generateSigningKeyPair } from '#core/crypto';
import { runCommand as run } from '../testing/backup-commands.ts';
import { Harness } from '../testing/harness.ts';
import { writeArchive } from './archive.ts';
import { freeBytesOf, readPieces } from './files.ts';
import { readKeys, usableKeys, writeKeysFolder } from './key-files.ts';
import { migrateTo, openRawDatabase } from './raw-database.ts';
import { readArchive } from './read-archive.ts';
import { takeSnapshot, type Snapshot } from './snapshot.ts';
import { prepareDataFolder } from '../config/data-folder.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-backup-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const filled = (length: number, value: number): Float32Array =>
  new Float32Array(length).fill(value);

describe('a backup', () => {
  /** A stopped coordinator with a published version, its backup, and its keys. */
  let origin: string;
  beforeAll(async () => {
    origin = await mkdtemp(join(tmpdir(), 'melo-backup-'));
    const harness = await Harness.start({}, join(origin, 'data'));
    for (const site of ['north', 'south', 'west']) await (await harness.join(site)).hello('0.2.0');
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
    const { url, tokenFile } = harness.coordinator;
    const remote = ['--url', url, '--token-file', tokenFile, '--to', join(origin, 'remote.tar')];
    expect(await run(undefined, 'backup', ...remote)).toMatchObject({ event: 'backed-up' });
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
    await mkdir(join(folder, 'backup', 'database'), { recursive: true });
    await (await Harness.launch(folder, {})).close();
    expect(await readdir(folder)).not.toContain('backup'); // of a backup that was interrupted
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
  async function snapshotOf(
    folder: string,
    freeBytes = freeBytesOf,
  ): Promise<{
    readonly snapshot: Snapshot;
    readonly signingSecretKey: Uint8Array;
  }> {
    const keys = usableKeys(await readKeys(join(folder, 'keys')));
    const data = await prepareDataFolder(folder);
    const database = await openRawDatabase({ folder: data.database, url: undefined });
    const source = { database, folder: data, keys, federation: '0f'.repeat(16) };
    try {
      const snapshot = await takeSnapshot({ ...source, nowMs: 1, freeBytes });
      return { snapshot, signingSecretKey: keys.signing.secretKey };
    } finally {
      await database.close();
    }
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
    const full = snapshotOf(folder, async () => 0);
    await expect(full).rejects.toMatchObject({ code: 'DISK_LOW' });
    expect(await readdir(folder)).not.toContain('backup');
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
