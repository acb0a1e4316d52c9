import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { killAllProcesses, MeloProcess } from './support/melo-process.ts';
import { makeWorkDirectory, packageRoot } from './support/package-root.ts';

describe('a melo process', () => {
  let directory: string;
  let removeDirectory: () => Promise<void>;

  beforeAll(async () => {
    ({ path: directory, remove: removeDirectory } = await makeWorkDirectory('process'));
  });
  afterAll(async () => {
    await killAllProcesses();
    await removeDirectory();
  });

  test('its lines are kept, written to its log, and found also when they came before', async () => {
    const logFile = join(directory, 'version.log');
    const melo = new MeloProcess({ name: 'version', args: ['--version'], logFile });
    expect(await melo.exit()).toBe(0);
    const packageJson: unknown = JSON.parse(
      await readFile(join(packageRoot, 'package.json'), 'utf8'),
    );
    const { version } = z.object({ version: z.string() }).parse(packageJson);
    const pick = (line: string): string | undefined => (line === version ? line : undefined);
    expect(await melo.waitForLine(pick)).toBe(version);
    await expect(readFile(logFile, 'utf8')).resolves.toContain(version);
  });

  test('waiting for a line that never comes ends with the process, and shows what it said', async () => {
    const logFile = join(directory, 'unknown.log');
    const melo = new MeloProcess({ name: 'unknown', args: ['no-such-command'], logFile });
    await expect(melo.waitForEvent('listening')).rejects.toThrow(/unknown ended.*no-such-command/s);
    expect(await melo.exit()).toBe(2);
    expect(melo.hasExited).toBe(true);
  });
});
