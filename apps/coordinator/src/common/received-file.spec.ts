import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '#core/bytes';
import { receiveFile } from './received-file.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'melo-received-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function* piecesOf(...texts: readonly (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield utf8(text);
  }
}

async function lengthOf(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0;
  for await (const piece of pieces) length += piece.length;
  return length;
}

test('a file that came whole is there whole, in place of an older one', async () => {
  const path = join(folder, 'log');
  await writeFile(path, 'older');
  expect(await receiveFile(path, piecesOf('one ', 'two'), lengthOf)).toBe(7);
  expect(await readFile(path, 'utf8')).toBe('one two');
  expect(await readdir(folder)).toEqual(['log']);
});

test('one that broke off, or was refused by who read it, leaves what was there', async () => {
  const path = join(folder, 'log');
  await writeFile(path, 'older');
  const broken = receiveFile(path, piecesOf('one ', new Error('link')), lengthOf);
  await expect(broken).rejects.toThrow('link');
  const refuse = async (pieces: AsyncIterable<Uint8Array>): Promise<never> => {
    await lengthOf(pieces);
    throw new Error('refused');
  };
  await expect(receiveFile(path, piecesOf('one'), refuse)).rejects.toThrow('refused');
  expect(await readFile(path, 'utf8')).toBe('older');
  expect(await readdir(folder)).toEqual(['log']);
});
