/** `melo simulate` as a person runs it: the example to its end, stopped by Ctrl-C in between, and its exit codes. */
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { killAllProcesses, MeloProcess } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';

const timeoutMs = 600_000;
const plan = `
version: 1
backbone: nano
phantoms: { images: 45 }
engine: { threads: 1 }
sites: 2
partition: { name: iid }
columns: [federated, local-only]
task: { rounds: 2 }
`;
const resultsSchema = z.object({ runs: z.array(z.object({ run: z.string() })).length(1) });

let work: Awaited<ReturnType<typeof makeWorkDirectory>>;
beforeAll(async () => {
  work = await makeWorkDirectory('simulate-spec');
  await writeFile(join(work.path, 'plan.yaml'), plan);
});
afterAll(async () => {
  await killAllProcesses();
  await work.remove();
}, timeoutMs);

function start(name: string, ...options: string[]): MeloProcess {
  const output = join(work.path, 'output');
  const args = ['simulate', join(work.path, 'plan.yaml'), '--output', output, ...options];
  return new MeloProcess({ name, args, logFile: join(work.path, `${name}.log`) });
}

const said = (melo: MeloProcess, text: string): Promise<string> =>
  melo.waitForLine((line) => (line.includes(text) ? line : undefined));

/** Wait until a round is on disk. */
async function untilARoundIsDone(): Promise<void> {
  const folder = join(work.path, 'output', 'work');
  const isDone = async (): Promise<boolean> =>
    existsSync(folder) &&
    (await readdir(folder, { recursive: true })).some((name) => name.endsWith('.json'));
  while (!(await isDone())) await sleep(20);
}

test(
  'stopped by a signal it says how to go on, refuses to start over by itself, and goes on to its end',
  async () => {
    const stopped = start('stopped');
    await untilARoundIsDone();
    stopped.signal('SIGINT');
    expect(await stopped.exit()).toBe(130);
    await said(stopped, '--resume goes on');

    const again = start('again');
    expect(await again.exit()).toBe(2);
    await said(again, 'add --resume');

    const resumed = start('resumed', '--resume', '--json');
    const pick = (line: string) =>
      line.startsWith('{') ? resultsSchema.parse(JSON.parse(line)) : undefined;
    expect(await resumed.waitForLine(pick)).toEqual({ runs: [{ run: 'plan' }] });
    expect(await resumed.exit()).toBe(0);
    const files = await readdir(join(work.path, 'output'));
    for (const name of ['results.json', 'results.csv', 'auc-by-round.svg'])
      expect(files).toContain(name);
    expect(files).not.toContain('simulate.lock');
  },
  timeoutMs,
);
