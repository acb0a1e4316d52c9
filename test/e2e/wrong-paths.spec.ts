/** Everyday mistakes with paths: one line that names the path, an exit code of the documented ones, no stack trace. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { killAllProcesses, MeloProcess } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';

const timeoutMs = 600_000;
const exitCodes = { usage: 2, configuration: 3 };

describe('a path that cannot be used is named', () => {
  let directory: string;
  let removeDirectory: () => Promise<void>;
  const place = (name: string): string => join(directory, name);

  const run = async (args: readonly string[]): Promise<{ code: number | null; output: string }> => {
    const melo = new MeloProcess({ name: args.join(' '), args, logFile: place('log') });
    return { code: await melo.exit(), output: melo.output };
  };

  /** Make a configuration whose data folder is this. */
  const configure = async (name: string, dataDirectory: string): Promise<void> => {
    const example = await readFile(place('agent.yaml'), 'utf8');
    const text = example.replace(/^dataDirectory:.*$/m, `dataDirectory: ${dataDirectory}`);
    expect(text).toContain(dataDirectory);
    await writeFile(place(name), text);
  };

  beforeAll(async () => {
    ({ path: directory, remove: removeDirectory } = await makeWorkDirectory('wrong-paths'));
    expect((await run(['agent', 'init', '--config', place('agent.yaml')])).code).toBe(0);
    await writeFile(place('file'), 'something');
    await mkdir(place('folder'));
    await configure('good.yaml', place('data'));
    await configure('under-a-file.yaml', place('file/data'));
    const plan = await run(['simulate', '--example']);
    await writeFile(place('plan.yaml'), plan.output);
  }, timeoutMs);

  afterAll(async () => {
    await killAllProcesses();
    await removeDirectory();
  }, timeoutMs);

  /** Words of a command where `@` stands for the folder of this spec. */
  const wordsOf = (command: string): string[] =>
    command.split(' ').map((word) => (word.startsWith('@') ? place(word.slice(1)) : word));

  const expectNamed = async (command: string, path: string, exitCode: number): Promise<void> => {
    const { code, output } = await run(wordsOf(command));
    expect(output).toMatch(/^[A-Z_]+: /m);
    expect(output).toContain(`${place(path)}: expected`);
    expect(output).not.toContain('INTERNAL');
    expect(output).not.toContain('    at ');
    expect(code).toBe(exitCode);
  };

  test.each([
    ['agent init --config @no-folder/agent.yaml', 'no-folder/agent.yaml', exitCodes.usage],
    ['agent enroll --config @good.yaml --code-file @typo', 'typo', exitCodes.usage],
    ['agent enroll --config @good.yaml --code-file @folder', 'folder', exitCodes.usage],
    ['agent status --config @under-a-file.yaml', 'file/data', exitCodes.configuration],
    ['agent run --config @under-a-file.yaml', 'file/data', exitCodes.configuration],
    ['audit verify @missing.jsonl', 'missing.jsonl', exitCodes.usage],
    ['audit verify @folder', 'folder', exitCodes.usage],
    ['audit verify @file --head @missing-head', 'missing-head', exitCodes.usage],
    ['simulate @plan.yaml --output @file', 'file', exitCodes.usage],
    ['simulate @plan.yaml --output @file/results', 'file/results', exitCodes.usage],
  ])('melo %s', expectNamed, timeoutMs);

  const withRights = process.getuid?.() === 0 ? test.skip : test; // root may do anything
  withRights.each([
    ['agent init --config @closed/agent.yaml', 'closed/agent.yaml', exitCodes.usage],
    ['simulate @plan.yaml --output @closed', 'closed', exitCodes.usage],
    ['simulate @plan.yaml --output @closed/results', 'closed/results', exitCodes.usage],
  ])(
    'without rights: melo %s',
    async (...row) => {
      await mkdir(place('closed'), { recursive: true });
      await chmod(place('closed'), 0o500);
      await expectNamed(...row);
    },
    timeoutMs,
  );
});
