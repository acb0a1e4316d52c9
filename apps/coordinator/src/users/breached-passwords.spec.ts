import { createHash } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeWorkDirectory } from '../../../../test/support/package-root.ts';
import { checkBreachedPasswordsFile, isBreached } from './breached-passwords.ts';

const hashOf = (password: string): string =>
  createHash('sha1').update(password).digest('hex').toUpperCase();
const breached = Array.from({ length: 3000 }, (_, index) => `known password ${index}`);

let folder: Awaited<ReturnType<typeof makeWorkDirectory>>;
beforeAll(async () => {
  folder = await makeWorkDirectory('breached-passwords');
});
afterAll(() => folder.remove());

async function place(name: string, text: string): Promise<string> {
  const path = join(folder.path, name);
  await writeFile(path, text);
  return path;
}

test.each([
  ['\r\n', '\r\n', 3000],
  ['\n', '', 3000],
  ['\n', '\n', 1],
  ['\r\n', '', 2],
])(
  'every one of a file is found, and no other: lines end with %j, the last with %j, %i',
  async (end, last, count) => {
    const passwords = breached.slice(0, count);
    const lines = passwords.map((each, index) => `${hashOf(each)}:${index * index + 1}`).sort();
    const path = await place(`${count}-${end.length}-${last.length}`, lines.join(end) + last);
    await checkBreachedPasswordsFile(path);
    for (const each of passwords) expect(await isBreached(path, each)).toBe(true);
    for (const each of passwords.slice(0, 300)) {
      expect(await isBreached(path, `${each}?`)).toBe(false);
    }
  },
);

test.each([
  ['text', 'correct horse battery staple\n'],
  ['hashes in lower case', `${hashOf('a').toLowerCase()}:1\n`],
  ['nothing', ''],
])('a file of something else is refused at the start: %s', async (_name, text) => {
  const path = await place('other', text);
  await expect(checkBreachedPasswordsFile(path)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('a file that is not there refuses the start, and one that has gone every new password', async () => {
  const path = await place('gone', `${hashOf('a')}:1\n`);
  await checkBreachedPasswordsFile(path);
  await rm(path);
  await expect(checkBreachedPasswordsFile(path)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(isBreached(path, 'a')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
});
