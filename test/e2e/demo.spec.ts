/** `npm run demo` to its end and interrupted: whatever happens, no process, no folder and no lock is left of it. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { adapterDigest, decodeAdapterFile } from '#core/adapter';
import { DemoProcess, smallDemo } from '../support/demo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';
import { simulateDemo } from '../support/simulated-demo.ts';

const timeoutMs = 600_000;
const figure = z.number().min(0).max(1);
const outcomeSchema = z.object({
  aucByRound: z.array(figure),
  accuracyByRound: z.array(figure),
  localOnly: z.array(figure),
  headOnly: figure,
  pooled: figure,
  federated: figure,
  bytesSent: z.record(z.string(), z.number().int()),
  seconds: z.object({ install: z.number(), build: z.number(), run: z.number().positive() }),
  adapter: z.string(),
  report: z.string(),
});
const hasProc = existsSync('/proc/self/environ');

let work: Awaited<ReturnType<typeof makeWorkDirectory>>;
let run: DemoProcess | undefined;

beforeAll(async () => {
  work = await makeWorkDirectory('demo-spec');
});
afterEach(async () => {
  run?.signal('SIGTERM');
  await run?.exit();
}, timeoutMs);
afterAll(() => work.remove());

function start(name: string, options: readonly string[]): DemoProcess {
  const place = join(work.path, name.replaceAll(' ', '-'));
  run = new DemoProcess(place, [...smallDemo, '--out', `${place}-out`, ...options]);
  return run;
}

async function expectNothingLeft(demo: DemoProcess): Promise<void> {
  expect(await demo.processes()).toEqual([]);
  expect(await readdir(demo.temporary)).toEqual([]);
}

test(
  'in a pipe it ends by itself, its last line is the outcome, and a simulation gives the same adapter',
  async () => {
    const demo = start('whole', ['--rounds', '2']);
    await demo.untilSaid('the rounds begin');
    // What is looked for below can be seen.
    if (hasProc) expect(await demo.processes()).not.toEqual([]);
    expect(await readdir(demo.temporary)).toHaveLength(1);
    expect({ status: await demo.exit(), stderr: demo.stderr }).toMatchObject({ status: 0 });
    const outcome = outcomeSchema.parse(JSON.parse(demo.stdout.trimEnd().split('\n').at(-1) ?? ''));
    expect(outcome.aucByRound).toHaveLength(3);
    expect(outcome.accuracyByRound).toHaveLength(3);
    expect(outcome.localOnly).toHaveLength(2);
    // The coordinator's sums of the hospitals' histograms, and one measurement of all images, by the same estimator.
    expect(outcome.aucByRound.at(-1)).toBeCloseTo(outcome.federated, 2);
    const adapter = new Uint8Array(await readFile(outcome.adapter));
    const { card } = decodeAdapterFile(adapter);
    const simulated = await simulateDemo(join(work.path, 'simulated'), [
      ...smallDemo,
      ...['--rounds', '2'],
    ]);
    expect(adapterDigest(simulated)).toBe(adapterDigest(adapter));
    expect(card).toMatchObject({ task: 'federated', version: 2, backbone: { name: 'nano' } });
    expect(card.lineage.members.map(({ site }) => site)).toEqual(['hospital-1', 'hospital-2']);
    for (const bytes of Object.values(outcome.bytesSent)) expect(bytes).toBeGreaterThan(2 * 30_000);
    expect(await readFile(outcome.report, 'utf8')).toContain('phantoms');
    expect(demo.stdout).toContain('The images are phantoms');
    expect(demo.stderr).toMatch(/dashboard: http:\/\/127\.0\.0\.1:\d+\/#signin=/);
    expect(demo.stdout).not.toContain('#signin=');
    await expectNothingLeft(demo);
  },
  timeoutMs,
);

test(
  'asked to stay, it is up at its end until a signal, and that is no failure',
  async () => {
    const demo = start('staying', ['--rounds', '1', '--stay']);
    await demo.untilOutcome();
    const address = await demo.until(
      ({ stderr }) => /dashboard later: (\S+) with/.exec(stderr)?.[1] ?? null,
    );
    expect((await fetch(address)).status).toBe(200);
    demo.signal('SIGHUP');
    expect(await demo.exit()).toBe(0);
    await expect(fetch(address)).rejects.toThrow();
    await expectNothingLeft(demo);
  },
  timeoutMs,
);

const said =
  (text: string) =>
  (demo: DemoProcess): Promise<void> =>
    demo.untilSaid(text);

async function untilAFolderIsThere({ temporary }: DemoProcess): Promise<void> {
  while ((await readdir(temporary)).length === 0) await sleep(20);
}

test.each([
  ['while images are drawn', 'SIGINT', untilAFolderIsThere],
  ['while sites enrol', 'SIGTERM', said('dashboard: ')],
  ['while agents connect', 'SIGHUP', said('the rounds begin')],
  ['amid the rounds', 'SIGINT', said('round 1 of 50 published')],
] as const)(
  'interrupted %s by %s, nothing is left',
  async (name, signal, until) => {
    const demo = start(name, ['--rounds', '50']);
    await until(demo);
    demo.signal(signal);
    expect(await demo.exit()).toBe(130);
    expect(demo.stdout).toBe('');
    expect(demo.stderr).toMatch(/^demo: stopped$/m);
    await expectNothingLeft(demo);
  },
  timeoutMs,
);

test(
  'a wrong option is told in one line',
  async () => {
    const demo = start('usage', ['--sites', 'many']);
    expect(await demo.exit()).toBe(2);
    expect(demo.stderr).toBe(
      'demo: --sites: expected a whole number; see npm run demo -- --help\n',
    );
  },
  timeoutMs,
);
