/** The outbox: complete entries, sealed once, the same bytes after every crash. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '#core/bytes';
import { blake2b256 } from '#core/crypto';
import { roundKeySchema } from '#core/protocol';
import { silentLogger } from '../common/events.ts';
import { Outbox } from './outbox.ts';

let directory: string;
let outbox: Outbox;
const key = roundKeySchema.parse({ task: 'lung', round: 3, attempt: 2 });
const ciphertext = new Uint8Array(300_000).map((_, index) => index % 256);
const manifest = { payload: new Uint8Array([1, 2, 3]), signature: new Uint8Array(64).fill(5) };
const entry = { key, uploadId: toHex(blake2b256(ciphertext)), manifest, ciphertext };
const file = (): string => join(directory, 'lung.round-3.attempt-2.update');

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'melo-outbox-'));
  outbox = await Outbox.open(directory, silentLogger);
});

afterEach(() => rm(directory, { recursive: true, force: true }));

test('an update comes back byte by byte, also to the next process', async () => {
  await outbox.addUpdate(entry);
  expect((await stat(file())).mode & 0o777).toBe(0o600);
  const reopened = await Outbox.open(directory, silentLogger);
  const [name] = await reopened.names();
  const read = await reopened.read(name ?? '');
  expect(read).toMatchObject({ kind: 'update', key, uploadId: entry.uploadId });
  expect(
    Buffer.compare(read?.kind === 'update' ? read.ciphertext : new Uint8Array(0), ciphertext),
  ).toBe(0);
  expect(read?.kind === 'update' ? read.manifest : null).toEqual(manifest);
});

test('a second seal of the same attempt is refused, one of another attempt is not', async () => {
  await outbox.addUpdate(entry);
  const before = await readFile(file());
  await expect(outbox.addUpdate(entry)).rejects.toMatchObject({ code: 'UPDATE_DUPLICATE' });
  expect(await readFile(file())).toEqual(before);
  await outbox.addUpdate({ ...entry, key: { ...key, attempt: 3 } });
  expect(await outbox.names()).toHaveLength(2);
});

test.each([0, 3, 10, 200, 250_000])(
  'an entry changed at byte %i is set aside, and the attempt is not sealed again',
  async (offset) => {
    await outbox.addUpdate(entry);
    const bytes = await readFile(file());
    bytes[offset] = (bytes[offset] ?? 0) ^ 0x55;
    await writeFile(file(), bytes);
    expect(await outbox.read('lung.round-3.attempt-2.update')).toBeNull();
    expect(await outbox.names()).toEqual([]);
    expect(await outbox.hasUpdate(key)).toBe(true);
  },
);

test('a truncated entry is set aside', async () => {
  await outbox.addUpdate(entry);
  for (const length of [2, 50, 100_000]) {
    await writeFile(file(), (await readFile(file())).subarray(0, length));
    expect(await outbox.read('lung.round-3.attempt-2.update')).toBeNull();
    await rm(`${file()}.damaged`);
    await outbox.addUpdate(entry);
  }
});

test('what is half written is no entry, and stays: another process may be writing it', async () => {
  const half = 'lung.round-3.attempt-2.update.0123456789ab.tmp';
  await writeFile(join(directory, half), 'half');
  const reopened = await Outbox.open(directory, silentLogger);
  expect(await readdir(directory)).toEqual([half]);
  expect(await reopened.hasUpdate(key)).toBe(false);
  expect(await reopened.names()).toEqual([]);
});

test('updates go before score reports, since a round waits for them', async () => {
  await outbox.addEvaluation('abdomen', 'global-1', manifest);
  await outbox.addUpdate(entry);
  expect(await outbox.names()).toEqual([
    'lung.round-3.attempt-2.update',
    'abdomen.global-1.evaluation',
  ]);
});

test('what was sent waits no more, can be sent again byte by byte, and is never sealed again', async () => {
  await outbox.addUpdate(entry);
  const before = await readFile(file());
  await outbox.keepSent(key);
  expect(await outbox.names()).toEqual([]);
  expect(await outbox.hasUpdate(key)).toBe(true);
  const nowMs = performance.now();
  expect(await outbox.sendAgain({ ...key, attempt: 3 }, nowMs)).toBe(false);
  expect(await outbox.sendAgain(key, nowMs - 60_000)).toBe(false); // asked before it was sent
  expect(await outbox.sendAgain(key, nowMs)).toBe(true);
  expect(await readFile(file())).toEqual(before);
  await outbox.keepSent(key);
  await outbox.removeSent('liver');
  expect(await readdir(directory)).toHaveLength(1);
  await outbox.removeTask('lung');
  expect(await readdir(directory)).toEqual([]);
});
