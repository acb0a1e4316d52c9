/**
 * `npm run crash -- [--kills N] [--seed S] [--postgres] [--json]`: real processes, killed at random and at every named moment.
 *
 * Exit codes: 0 nothing was broken, 1 otherwise, 2 wrong usage.
 */
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { makeWorkDirectory } from '../support/package-root.ts';
import { killAllProcesses } from '../support/melo-process.ts';
import { runCrashes, type CrashReport } from './run-crashes.ts';
import { rules } from './violations.ts';

const usage = `Usage: npm run crash -- [options]

Runs a coordinator and three agents as processes, round after round, and kills them: at random, two at once, at every
named moment of libs/melo-core/src/crash-points.ts; others are stopped and continued. Whoever was killed starts again at
once. Everything that was acknowledged and every version is checked against what a proxy between them heard.

  --kills N     processes to kill (default 200)
  --seed S      what decides who is killed when (default 1)
  --postgres    a PostgreSQL of its own instead of the embedded database
  --json        the last line is one JSON object
  --help        this text

Exit codes: 0 nothing was broken, 1 a violation or a coordinator slower than 5 s (95th percentile), 2 wrong usage.
`;
const exitCodes = { ok: 0, broken: 1, usage: 2 } as const;
/** What operators are promised: seconds from a kill to the next answer, in 95 of 100 restarts. */
const servingSecondsMax = 5;

const optionsSchema = z.strictObject({
  kills: z.coerce.number().int().min(1).max(100_000).default(200),
  seed: z.string().min(1).max(64).default('1'),
  json: z.boolean().default(false),
  help: z.boolean().default(false),
});

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
const say = (line: string): void => {
  process.stderr.write(`crash: ${line}\n`);
};

function readOptions(): z.infer<typeof optionsSchema> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  return optionsSchema.parse(values);
}

function show(report: CrashReport): void {
  for (const { rule, what } of report.violations) print(`${rule} (${rules[rule]}): ${what}`);
  const { kills, versions, acknowledgedUpdates, servingSeconds, reconnectedSeconds } = report;
  print(
    `${kills} kills, ${versions} versions, ${report.attemptsAbandoned} attempts abandoned, ` +
      `${acknowledgedUpdates} acknowledged updates; serving again after ${servingSeconds.p95} s, ` +
      `sites back after ${reconnectedSeconds.p95} s (95th percentile); ${report.violations.length} violations`,
  );
}

async function main(): Promise<number> {
  let options: z.infer<typeof optionsSchema>;
  try {
    options = readOptions();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return exitCodes.usage;
  }
  if (options.help) {
    process.stdout.write(usage);
    return exitCodes.ok;
  }
  const { path, remove } = await makeWorkDirectory('crash-run');
  const { kills, seed } = options;
  const databaseUrl = process.env['DATABASE_URL'];
  const database = databaseUrl === undefined ? {} : { databaseUrl };
  try {
    const report = await runCrashes({ directory: path, kills, seed, say, ...database });
    if (options.json) print(JSON.stringify(report));
    else show(report);
    const isBroken = report.violations.length > 0 || report.servingSeconds.p95 > servingSecondsMax;
    if (!isBroken) await remove();
    else say(`the logs are in ${path}`);
    return isBroken ? exitCodes.broken : exitCodes.ok;
  } finally {
    await killAllProcesses();
  }
}

process.exitCode = await main();
