/** Exit codes of `melo adapter diff` and `verify`, and what their command line refuses. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { encodeAdapterFile } from '#core/adapter';
import { nativeAdapter } from '#core/formats/testing';
import { addAdapterCommands } from './adapter-command.ts';

let folder: string;
const printed: string[] = [];
const write = { out: process.stdout.write, error: process.stderr.write };
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'melo-adapter-command-spec-'));
  const collect = (text: string | Uint8Array): boolean => printed.push(String(text)) > 0;
  process.stdout.write = collect;
  process.stderr.write = collect;
});
afterEach(async () => {
  process.stdout.write = write.out;
  process.stderr.write = write.error;
  process.exitCode = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function run(...words: string[]): Promise<unknown> {
  const adapter = new Command('adapter');
  addAdapterCommands(adapter);
  for (const command of [adapter, ...adapter.commands]) command.exitOverride();
  process.exitCode = undefined;
  await adapter.parseAsync(words, { from: 'user' });
  return process.exitCode;
}

async function file(name: string, seed: string): Promise<string> {
  await writeFile(join(folder, name), encodeAdapterFile(nativeAdapter({ seed })));
  return join(folder, name);
}

test('diff ends with 0 for the same, 1 for different, 4 where one cannot be read', async () => {
  const [a, b] = [await file('a', 'one'), await file('b', 'two')];
  expect(await run('diff', a, a)).toBeUndefined();
  expect(await run('diff', '--json', a, b)).toBe(1);
  expect(await run('diff', a, join(folder, 'none'))).toBe(4);
  expect(printed.at(-1)).toMatch(/^NOT_FOUND: /);
});

test('verify ends with 0 for a sound file, 1 for another digest', async () => {
  const a = await file('a', 'one');
  expect(await run('verify', a)).toBeUndefined();
  expect(await run('verify', '--digest', '00'.repeat(32), a)).toBe(1);
});

test.each([
  [['convert', 'a', 'b'], 'commander.missingMandatoryOptionValue'],
  [['convert', '--to', 'pickle', 'a', 'b'], 'commander.invalidArgument'],
  [['convert', '--to', 'melo', '--blocks', '1;2', 'a', 'b'], 'commander.invalidArgument'],
  [['convert', '--to', 'peft', '--peft-model', 'a.b', 'a', 'b'], 'commander.invalidArgument'],
  [['verify', '--digest', 'ab', 'a'], 'commander.invalidArgument'],
  [['show', '--alpha', '0', 'a'], 'commander.invalidArgument'],
  [['diff', 'a'], 'commander.missingArgument'],
])('%j is a wrong command line', async (words, code) => {
  await expect(run(...words)).rejects.toMatchObject({ code });
});
