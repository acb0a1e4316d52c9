import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDiskFull, removeHalfWritten, writeDurably } from './durable-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'melo-durable-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** The name that a file has while it is written. */
async function temporaryName(): Promise<string> {
  const target = join(folder, 'whole');
  const writing = writeDurably(target, new Uint8Array(32 * 1024 * 1024));
  let name: string | undefined;
  while (name === undefined) name = (await readdir(folder)).find((each) => each !== 'whole');
  await writing;
  return name;
}

test.each([
  ['ENOSPC', true],
  ['EDQUOT', true],
  ['EACCES', false],
])('%s: the disk is full: %j', (code, isFull) => {
  expect(isDiskFull(Object.assign(new Error('write'), { code }))).toBe(isFull);
});

test('what a killed process had half written is removed, whole files stay', async () => {
  const name = await temporaryName();
  await mkdir(join(folder, 'ab'));
  for (const file of [name, join('ab', name), join('ab', 'whole'), '.tmp', 'notes.tmp']) {
    await writeFile(join(folder, file), 'x');
  }
  await removeHalfWritten(folder);
  const left = await readdir(folder, { recursive: true });
  expect(left.sort()).toEqual(['.tmp', 'ab', join('ab', 'whole'), 'notes.tmp', 'whole']);
});
